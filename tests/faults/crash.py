"""One run of the crash test: a real hub, stand-ins of all platforms, people who write, and a verdict."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hub.emulate.pace import Pace
from tests.servers.hub import Hub
from tests.standins.aftermath import MANY, opened_store, unfinished, until_quiet, unwritten
from tests.standins.checker import PROMISES, Verdict, check
from tests.standins.people import Traffic
from tests.standins.platforms import QuickPlatforms, running_platforms

PEOPLE_PER_CHANNEL = 8
MESSAGES_PER_PERSON = 5
MESSAGES = len(PROMISES) * PEOPLE_PER_CHANNEL * MESSAGES_PER_PERSON
LONGEST_DELAY_S = 0.1
QUIET_WITHIN_S = 60.0
"""The lease of a dead hub runs out after 15 s; then its conversations are taken over."""
LOOK_EVERY_S = 0.02
SETTLED_S = 1.0
"""Longer than a stand-in takes over a request that it has, and than a browser takes to ask again."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    verdict: Verdict
    held: list[str]
    unfinished: list[str]
    """Accepted, and never brought to an end in the inbox."""
    unwritten: list[str]
    """Handled, and missing in the transcript."""

    @property
    def is_right(self) -> bool:
        """Tell whether every promise was kept, outside and inside."""
        return self.verdict.is_right and not self.unfinished and not self.unwritten


@dataclass
class Run:
    """A hub, its platforms and its people."""

    hub: Hub
    platforms: QuickPlatforms
    traffic: Traffic
    waiting_at_death: set[str] = field(default_factory=set)
    """Accepted and not answered when the hub died."""
    accepted_at_death: int = 0

    async def start(self) -> None:
        """Start the hub, again if need be; the stand-ins go on meanwhile."""
        await asyncio.to_thread(self.hub.start)

    def kill(self) -> None:
        """End the hub as a power cut would."""
        self.hub.kill()
        self.note_death()

    def note_death(self) -> None:
        """Write down what the hub left undone."""
        self.waiting_at_death = self.traffic.unanswered()
        self.accepted_at_death = len(self.traffic.accepted)

    async def until_answered(self, count: int) -> None:
        """Wait until the platforms have taken so many sends."""
        while len(self.platforms.ledger) < count:
            await asyncio.sleep(LOOK_EVERY_S)

    async def settle(self, messages: int) -> "Outcome":
        """Wait until nothing is left to do, and look at what came of it."""
        return await judge(self.traffic, self.hub.database_port, messages)

    def report(self, held: list[str], started: float) -> str:
        """Sum a run up in one line."""
        copies = Counter(line.asked for line in self.traffic.answers())
        return (
            f"{len(self.traffic.accepted)} messages in {self.traffic.deliveries} deliveries, "
            f"{self.accepted_at_death} accepted and {len(self.waiting_at_death)} of them unanswered at the end of the "
            f"first hub, {len(self.platforms.ledger)} sends, {sum(n - 1 for n in copies.values())} repeated, "
            f"{len(held)} held, {time.monotonic() - started:.1f} s"
        )


async def judge(traffic: Traffic, database_port: int, messages: int) -> Outcome:
    """Wait until nothing is left to do, and look at what came of it."""
    async with opened_store(database_port) as store:
        await until_quiet(store, lambda: len(traffic.accepted) == messages, QUIET_WITHIN_S)
        await asyncio.sleep(SETTLED_S)
        held = [traffic.of_event(line.event_id) for line in await store.held_lines(MANY)]
        for line in traffic.platforms.ledger:
            if traffic.answered(line).asked is None:
                print("answers nothing:", line)
        return Outcome(
            check(traffic.attempted, traffic.accepted, traffic.answers(), held),
            held,
            await unfinished(store, traffic.events),
            await unwritten(store, traffic.events),
        )


@asynccontextmanager
async def running(folder: Path, seed: int, longest_delay_s: float = LONGEST_DELAY_S) -> AsyncIterator[Run]:
    """Run a hub amid its platforms while the block lasts."""
    async with running_platforms(Pace(seed, longest_delay_s)) as platforms:
        hub = Hub(folder, platforms.environment())
        async with Traffic(platforms, hub.url, seed) as traffic:
            run = Run(hub, platforms, traffic)
            try:
                await run.start()
                yield run
            finally:
                if hub.process is not None and hub.process.poll() is None:
                    await asyncio.to_thread(hub.stop)


async def speak(run: Run) -> "asyncio.Task[None]":
    """Let everybody meet the hub and begin to write; the task ends when the last message is accepted."""
    people = [
        (await run.traffic.meet(channel, number), number)
        for channel in PROMISES
        for number in range(PEOPLE_PER_CHANNEL)
    ]

    async def all_talk() -> None:
        await asyncio.gather(*(run.traffic.talk(person, number, MESSAGES_PER_PERSON) for person, number in people))

    return asyncio.create_task(all_talk())


async def until_the_middle(run: Run, seed: int) -> None:
    """Wait until between 30 and 60 per cent are accepted, and a moment more."""
    chance = random.Random(seed)
    await run.traffic.until_accepted(int(MESSAGES * chance.uniform(0.3, 0.6)))
    await asyncio.sleep(chance.uniform(0.0, 0.1))
