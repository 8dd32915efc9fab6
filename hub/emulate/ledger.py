"""The ground truth: what each platform was asked, what it did and what it answered. Appended to, never changed."""

import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

KEPT_LINES = 50_000
"""Lines that can be asked for; a file keeps all."""
MAX_BODY = 4096
"""Characters of a request's body that a line keeps."""


@dataclass(frozen=True, slots=True)
class Button:
    """What a person can press below a message."""

    label: str
    value: str
    """What the platform tells the hub when it is pressed."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One send that a platform accepted, or that a web client was shown."""

    channel: str
    place: str
    """What the platform calls the conversation: chat id, channel and thread, number, address, session."""
    text: str
    provider_id: str
    out_id: str | None
    """The hub's own name of the send, where the platform carries one."""
    at: float
    """Monotonic seconds."""
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One request, written when it is over."""

    number: int
    at: datetime
    """When the request was received, or made."""
    direction: Literal["from_hub", "to_hub"]
    platform: str
    request: str
    """Method and path, or the SMTP transaction."""
    body: str
    fault: str | None
    """What was made to go wrong."""
    did: str | None
    """What came of it: the id of a message that was taken. None: nothing was done."""
    answered: str
    """The status, or what became of the connection."""
    took_ms: float

    def as_json(self) -> dict[str, object]:
        """Return the line for a file or a browser."""
        return asdict(self) | {"at": self.at.isoformat(timespec="milliseconds")}


@dataclass
class Ledger:
    """Every request of every platform, and every send that was accepted.

    Args:
        path: also append each line to this file, one JSON object a line, flushed.
    """

    path: Path | None = None
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    _sent: list[Sent] = field(default_factory=list)
    _count: int = 0
    _file: IO[str] | None = None

    def record(
        self,
        channel: str,
        place: str,
        text: str,
        provider_id: str,
        out_id: str | None = None,
        buttons: tuple[Button, ...] = (),
    ) -> None:
        """Add a send; this is the moment at which the platform has taken the message."""
        self._sent.append(Sent(channel, place, text, provider_id, out_id, time.monotonic(), buttons))

    def write(
        self,
        at: datetime,
        direction: Literal["from_hub", "to_hub"],
        platform: str,
        request: str,
        body: str,
        fault: str | None,
        did: str | None,
        answered: str,
        took_s: float,
    ) -> None:
        """Add a line about a request that is over."""
        self._count += 1
        took_ms = round(took_s * 1000, 1)
        line = Line(self._count, at, direction, platform, request, body[:MAX_BODY], fault, did, answered, took_ms)
        self.lines.append(line)
        if self.path is not None:
            self._append(self.path, line)

    def _append(self, path: Path, line: Line) -> None:
        if self._file is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        self._file.write(json.dumps(line.as_json(), ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file; what ends later is only remembered."""
        self.path = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def __len__(self) -> int:
        return len(self._sent)

    def __iter__(self) -> Iterator[Sent]:
        return iter(tuple(self._sent))
