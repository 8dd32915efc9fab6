"""Hubs among their platforms, with people on every channel who write for as long as a fault lasts."""

import asyncio
import os
import re
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hub.emulate.pace import Pace
from tests.faults.cluster import Cluster, Shape, cluster, process_on
from tests.faults.crash import Outcome, judge
from tests.standins.checker import PROMISES
from tests.standins.people import Person, Traffic
from tests.standins.platforms import running_platforms

NO_LIMITS = (
    "{turns_per_min: 1000000, turns_burst: 100000, mails_read_per_min: 1000000, mails_per_hour: 1000000,"
    " answers_per_day: 0, answers_per_domain: 0, pace_factor: 1000}"
)
"""Few people write what many would."""


@dataclass
class Crowd:
    """Who writes, and to which hubs."""

    folder: Path
    hubs: Cluster
    traffic: Traffic
    accepted_at: dict[str, float] = field(default_factory=dict)
    """Monotonic seconds, by message."""
    _said: dict[tuple[str, int], int] = field(default_factory=dict)

    async def start(self) -> None:
        """Start every hub."""
        await asyncio.gather(*(self.hubs.start(name) for name in self.hubs.hubs))

    async def meet(self, per_channel: int) -> list[tuple[Person, int]]:
        """Return people of every channel."""
        return [
            (await self.traffic.meet(channel, number), number) for channel in PROMISES for number in range(per_channel)
        ]

    async def talk(self, people: list[tuple[Person, int]], until: asyncio.Event, pause_s: float = 0.4) -> None:
        """Let everybody write, one message after the other, until something has happened."""

        async def one(person: Person, number: int) -> None:
            seq = self._said.get((person.channel, number), 0)
            while not until.is_set():
                asked = await self.traffic.say(person, number, seq)
                self.accepted_at[asked] = time.monotonic()
                seq += 1
                self._said[person.channel, number] = seq
                await asyncio.sleep(pause_s)

        await asyncio.gather(*(one(person, number) for person, number in people))

    @asynccontextmanager
    async def talking(self, per_channel: int) -> AsyncIterator[None]:
        """Have people write while the block lasts; afterwards everything they said is accepted."""
        enough = asyncio.Event()
        people = await self.meet(per_channel)
        task = asyncio.create_task(self.talk(people, enough))
        try:
            await self.traffic.until_accepted(len(self.traffic.accepted) + len(people))
            yield
        finally:
            enough.set()
            await asyncio.wait_for(task, 60)

    async def settle(self) -> Outcome:
        """Wait until nothing is left to do, and judge."""
        return await judge(self.traffic, self.hubs.database_port, len(self.traffic.attempted))

    def waits_s(self) -> list[float]:
        """Return how long each message that was answered waited for it, longest last."""
        answered: dict[str, float] = {}
        for sent in self.traffic.platforms.ledger:
            if (asked := self.traffic.answered(sent).asked) is not None:
                answered.setdefault(asked, sent.at)
        return sorted(answered[id] - at for id, at in self.accepted_at.items() if id in answered)

    def overdue(self, within_s: float) -> list[str]:
        """Return what was accepted longer ago than that and has no answer."""
        before = time.monotonic() - within_s
        return [id for id in self.traffic.unanswered() if self.accepted_at.get(id, before) < before]

    def warnings(self, name: str, event: str) -> int:
        """Count the lines of a hub's log that name an event."""
        text = self.hubs.hubs[name].log_file.read_text(errors="replace")
        return sum(f'"event":"{event}"' in line.replace('": "', '":"') for line in text.splitlines())

    def metric(self, name: str, label: str = "") -> float:
        """Return the sum of a metric over every hub that lives, and over its labels that contain a word."""
        total = 0.0
        for hub in self.hubs.hubs.values():
            with urllib.request.urlopen(f"{hub.url}/metrics", timeout=5) as answer:
                found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", answer.read().decode(), re.MULTILINE)
            total += sum(float(value) for labels, value in found if label in labels)
        return total

    @property
    def nats_port(self) -> int:
        """Return where NATS listens."""
        return urlsplit(next(iter(self.hubs.hubs.values())).environment["FRONTDESK_NATS_URL"]).port or 0


@asynccontextmanager
async def open_crowd(folder: Path, shape: Shape, seed: int) -> AsyncIterator[Crowd]:
    """Lay out hubs amid their platforms while the block lasts; none is started."""
    async with running_platforms(Pace(seed)) as platforms:
        limits = {"FRONTDESK_LIMITS": NO_LIMITS}
        with cluster(folder, shape, {**platforms.environment(), **limits}) as hubs:
            first, *others = hubs.urls
            async with Traffic(platforms, first, seed, other_urls=tuple(others)) as traffic:
                yield Crowd(folder, hubs, traffic)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process in its tracks while the block lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kill_on(port: int) -> None:
    """End our own process that listens on a port, as a power cut would."""
    os.kill(process_on(port), signal.SIGKILL)


def seen(crowd: Crowd, outcome: Outcome) -> str:
    """Say what a failed test wants to know."""
    return f"{outcome}\n{crowd.hubs.tails()}"
