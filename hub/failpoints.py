"""What happens at the places of `core.failpoints` when a test has asked for it.

    FRONTDESK_ENV=test FRONTDESK_FAILPOINTS="commit.done=kill@2/slack send.sent=sleep:0.5" frontdesk serve

`name=action@n/channel`: from the n-th time on (default the first) that work of that channel (default any) passes the
place. `kill`, `stop` (SIGSTOP; the test continues the process), `exit` and `raise` happen once, `sleep:seconds` always.
`FRONTDESK_FAILPOINTS=@file` reads them from a file, again whenever it changes: a test arms a process that runs.
"""

import asyncio
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from core.errors import ConfigError
from core.failpoints import Point

POINTS = frozenset(get_args(Point))
WRITTEN = re.compile(
    r"(?P<point>[a-z._]+)=(?P<action>kill|stop|exit|raise|sleep)(?::(?P<seconds>[\d.]+))?"
    r"(?:@(?P<number>\d+))?(?:/(?P<channel>[a-z]+))?"
)
EXIT_CODE = 1


class InjectedFault(Exception):
    """Raised by the action `raise`."""


@dataclass
class Failpoint:
    """One armed place."""

    point: Point
    action: str
    seconds: float
    number: int
    channel: str | None
    passed: int = 0


class Failpoints:
    """The armed places of this process.

    Args:
        armed: what is to happen where.
        fired_file: gets a line for each one-time action before it happens, so that a driver knows which one ended us.
    """

    def __init__(self, armed: list[Failpoint], fired_file: Path | None = None, source: Path | None = None) -> None:
        self._armed = armed
        self._fired_file = fired_file
        self._source = source
        self._read_at: int | None = None

    def _read_again(self) -> None:
        """Arm what the file says now, if it says something new."""
        if self._source is None or not self._source.exists():
            return
        changed_at = self._source.stat().st_mtime_ns
        if changed_at != self._read_at:
            self._read_at, self._armed = changed_at, [_failpoint(word) for word in self._source.read_text().split()]

    async def __call__(self, point: Point, channel: str) -> None:
        """Do what is armed here."""
        self._read_again()
        for failpoint in self._armed:
            if failpoint.point == point and failpoint.channel in {None, channel}:
                failpoint.passed += 1
                if failpoint.action == "sleep" and failpoint.passed >= failpoint.number:
                    await asyncio.sleep(failpoint.seconds)
                elif failpoint.passed == failpoint.number:
                    self._note(point, channel)
                    ACTIONS[failpoint.action]()

    def _note(self, point: Point, channel: str) -> None:
        if self._fired_file is not None:
            with self._fired_file.open("a") as file:
                file.write(f"{point} {channel}\n")


def _raise() -> None:
    raise InjectedFault


ACTIONS: dict[str, Callable[[], None]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "exit": lambda: os._exit(EXIT_CODE),
    "raise": _raise,
}


def read_failpoints(written: str, fired_file: Path | None = None) -> Failpoints:
    """Read `FRONTDESK_FAILPOINTS`: failpoints separated by spaces.

    Raises:
        ConfigError: one of them is none, or names a place that does not exist.
    """
    if written.startswith("@"):
        return Failpoints([], fired_file, Path(written[1:]))
    return Failpoints([_failpoint(word) for word in written.split()], fired_file)


def _failpoint(word: str) -> Failpoint:
    match = WRITTEN.fullmatch(word)
    if match is None or match["point"] not in POINTS:
        raise ConfigError(
            f"FRONTDESK_FAILPOINTS: {word!r} is not point=action[:seconds][@number][/channel]; points are"
            f" {', '.join(sorted(POINTS))}"
        )
    return Failpoint(
        point=match["point"],  # type: ignore[arg-type]  # one of POINTS
        action=match["action"],
        seconds=float(match["seconds"] or 0.0),
        number=int(match["number"] or 1),
        channel=match["channel"],
    )
