"""What a soak is made of: people who come and go, one disturbance after the other, and a look at the process."""

import asyncio
import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import psutil

from hub.emulate.faults import Fault, Platform
from hub.pauses import SILENT_PAUSE_S
from tests.faults.cluster import process_on
from tests.faults.crowd import Crowd, frozen
from tests.servers.hub import Hub
from tests.standins.aftermath import opened_store

HUB = "all-0"
PAUSE_S = 0.5
"""Between a person's messages."""
MESSAGES_EACH = 50
"""Then somebody new comes. Not in the browser: there a visitor stays for the whole time."""
LASTS_S = (1.0, 4.0)
"""How long a disturbance lasts."""
LOOKS_AT_LEAST = 60
GIVEN_BACK_WITHIN_S = 30.0
"""An idle conversation's lease is given back within 5 s."""

Disturbance = Literal["kill", "freeze", "rate_limit", "error"]
SENDS_FOR: tuple[Platform, ...] = ("slack", "telegram", "whatsapp", "email")


@dataclass(frozen=True, slots=True)
class Look:
    """The hub's process at one moment."""

    pid: int
    rss_mb: float
    descriptors: int


@dataclass
class Soak:
    """One process under steady traffic, for so many seconds.

    In the first half it is killed now and then, and for the last time in the middle: what it was like in its last life
    early and late is what tells whether it grows.
    """

    crowd: Crowd
    seconds: float
    seed: int
    looks: list[Look] = field(default_factory=list)
    disturbances: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._ends = time.monotonic() + self.seconds
        self._calm_s = min(max(self.seconds / 20, 2.0), 15.0)
        self._enough = asyncio.Event()

    @property
    def hub(self) -> Hub:
        return self.crowd.hubs.hubs[HUB]

    async def run(self, per_channel: int) -> None:
        """Have people write, disturb and look, until the time is over and everything said is accepted."""
        channels = ("slack", "telegram", "whatsapp", "email", "web")
        async with asyncio.TaskGroup() as group:
            for channel in channels:
                for slot in range(per_channel):
                    group.create_task(self._visits(channel, slot, per_channel))
            group.create_task(self._look_on())
            half = self._ends - self.seconds / 2
            await self._disturb(get_args(Disturbance), half)
            await self._do("kill")
            await self._disturb([kind for kind in get_args(Disturbance) if kind != "kill"], self._ends)
            await asyncio.sleep(max(self._ends - time.monotonic(), 0.0))
            self._enough.set()
        await self._until_all_are_tried_again()

    async def _until_all_are_tried_again(self) -> None:
        """Wait while an account is paused; where nothing waits for it, nothing is tried."""
        deadline = time.monotonic() + 3 * SILENT_PAUSE_S
        while self.crowd.metric("frontdesk_paused") and time.monotonic() < deadline:
            await asyncio.sleep(0.5)

    async def _visits(self, channel: str, slot: int, step: int) -> None:
        """Bring one person after the other, with numbers that nobody else has."""
        for number in itertools.count(slot, step):
            person = await self.crowd.traffic.meet(channel, number)
            for seq in itertools.count() if channel == "web" else range(MESSAGES_EACH):
                if self._enough.is_set():
                    return
                asked = await self.crowd.traffic.say(person, number, seq)
                self.crowd.accepted_at[asked] = time.monotonic()
                await asyncio.sleep(PAUSE_S)

    async def _disturb(self, kinds: Sequence[Disturbance], until: float) -> None:
        """Let everything of a kind happen before anything happens again, in an order of chance."""
        while True:
            for kind in self._random.sample(kinds, len(kinds)):
                calm_s = self._calm_s * self._random.uniform(0.5, 1.5)
                if time.monotonic() + calm_s + LASTS_S[1] > until:
                    return
                await asyncio.sleep(calm_s)
                await self._do(kind)

    async def _do(self, kind: Disturbance) -> None:
        lasts_s = self._random.uniform(*LASTS_S)
        match kind:
            case "kill":
                self.hub.kill()
                await self.crowd.hubs.start(HUB)
            case "freeze":
                with frozen(process_on(self.crowd.hubs.database_port)):
                    await asyncio.sleep(lasts_s)
            case _:
                await self._upset(self._random.choice(SENDS_FOR), kind, lasts_s)
        self.disturbances[kind] += 1

    async def _upset(self, platform: Platform, kind: Literal["rate_limit", "error"], lasts_s: float) -> None:
        fault = Fault(platform=platform, action=kind, retry_after="1" if kind == "rate_limit" else None)
        await self.crowd.traffic.platforms.add_fault(fault)
        await asyncio.sleep(lasts_s)
        await self.crowd.traffic.platforms.remove_fault(fault)

    async def _look_on(self) -> None:
        while not self._enough.is_set():
            if self.hub.process is not None and self.hub.process.poll() is None:
                self.looks.append(look_at(self.hub.process.pid))
            await asyncio.sleep(min(self.seconds / LOOKS_AT_LEAST / 4, 5.0))

    def early_and_late(self, what: Callable[[Look], float]) -> tuple[float, float]:
        """Return the medians of a figure in the first and the last quarter of the last life."""
        last = [look for look in self.looks if look.pid == self.looks[-1].pid]
        quarter = max(len(last) // 4, 1)
        early, late = last[:quarter], last[-quarter:]
        return statistics.median(map(what, early)), statistics.median(map(what, late))


def look_at(pid: int) -> Look:
    """Look at a process that lives."""
    process = psutil.Process(pid)
    with process.oneshot():
        return Look(pid, process.memory_info().rss / 2**20, process.num_fds())


async def left_behind(crowd: Crowd) -> dict[str, int]:
    """Return how much is still kept that should be gone once all is answered; waits until idle leases are back."""
    async with opened_store(crowd.hubs.database_port) as store:
        deadline = time.monotonic() + GIVEN_BACK_WITHIN_S
        while True:
            conversations = store._database["conversations"]
            left = {
                "leases": await conversations.count_documents({"worker": {"$ne": None}}),
                "replies in conversations": await conversations.count_documents({"out.0": {"$exists": True}}),
                "lines in conversations": await conversations.count_documents({"said.0": {"$exists": True}}),
                "members of the past": await store._database["members"].count_documents({}) - 1,
                "segments of the spool": len(list((crowd.hubs.hubs[HUB].folder / "data/spool").glob("*/*.segment"))),
                "folders of dead processes": len(list((crowd.hubs.hubs[HUB].folder / "data/spool").glob("*/"))) - 1,
            }
            if not any(left.values()) or time.monotonic() > deadline:
                return left
            await asyncio.sleep(0.5)
