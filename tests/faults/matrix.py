"""The crash matrix: a process is killed at each of the 23 places, once for each channel and seed, under traffic."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.failpoints import Point
from hub.emulate.pace import Pace
from tests.faults.cluster import Cluster, Shape, cluster
from tests.faults.crash import Outcome, judge
from tests.standins.checker import PROMISES
from tests.standins.people import Person, Traffic
from tests.standins.platforms import running_platforms

PEOPLE, MESSAGES_EACH = 8, 5
LONGEST_DELAY_S = 0.1
DIES_WITHIN_S = 6.0
"""After the last word: longer than an outage of the database, a drain and a look by the sweep take together."""
OUTAGE_S = 2.5
TRIES = 4
"""With three workers the one that is to die may have none of the people; then others come and write."""
LOOK_EVERY_S = 0.02

UNREACHED: dict[Point, tuple[Shape | str, ...]] = {
    "hint.acked": ("one",),  # nobody to give a hint to
    "send.sent": ("web",),  # its send is a write of our own, over before one could look
}
"""Places that a shape or a channel does not pass."""

PASSES: dict[Point, int] = {"drain.inserted": 1}
"""How often a place is passed at least while the people of one death write; three times where nothing is said."""


@dataclass
class Campaign:
    """One place, killed over and over."""

    shape: Shape
    point: Point
    cluster: Cluster
    traffic: Traffic
    kills: list[str] = field(default_factory=list)
    people: int = 0

    @property
    def channels(self) -> list[str]:
        """Return the channels whose messages pass this place."""
        not_here = UNREACHED.get(self.point, ())
        return [] if self.shape in not_here else [name for name in PROMISES if name not in not_here]

    async def run(self, seeds: Sequence[int]) -> None:
        """Kill once for each seed and channel."""
        await asyncio.gather(*(self.cluster.start(name) for name in self.cluster.hubs))
        for seed in seeds:
            for death in self._deaths(seed):
                await self._kill_amid(death)

    def _deaths(self, seed: int) -> "list[Death]":
        chance = random.Random(f"{seed}:{self.point}")
        channels = self.channels
        chance.shuffle(channels)
        return [
            Death(
                channel,
                self.cluster.victim(self.point, channel),
                f"{self.point}=kill@{chance.randint(1, PASSES.get(self.point, 3))}/{channel}",
                pause_s=chance.choice((0.0, 0.5)),
                is_known=seed % 3 != 0,
            )
            for channel in channels
        ]

    async def _kill_amid(self, death: "Death") -> None:
        """Let eight people write five messages each until the hub has died over one of them; bring it back."""
        for _ in range(TRIES):
            people = await self._meet(death.channel)
            self.cluster.arm(death.victim, death.failpoint)
            talking = asyncio.create_task(self._talk(people))
            outage = asyncio.create_task(self._outage())
            is_over = await self._dies(death.victim, talking)
            await outage
            if is_over:
                break
            await talking
        else:
            raise AssertionError(f"{self.point} was not passed for {death.channel}\n{self.cluster.tails()}")
        self.kills.append(f"{self.point} {death.channel}")
        await asyncio.sleep(death.pause_s)
        await self.cluster.start(death.victim, known=death.is_known)
        await asyncio.wait_for(talking, 60)

    async def _outage(self) -> None:
        """Freeze the database for a while, where the place is passed only then."""
        if self.point.startswith(("spool.", "drain.")):
            with self.cluster.frozen_database():
                await asyncio.sleep(OUTAGE_S)

    async def _meet(self, channel: str) -> Sequence[tuple[Person, int]]:
        numbers = range(self.people, self.people + PEOPLE)
        self.people += PEOPLE
        return [(await self.traffic.meet(channel, number), number) for number in numbers]

    async def _talk(self, people: Sequence[tuple[Person, int]]) -> None:
        await asyncio.gather(*(self.traffic.talk(person, number, MESSAGES_EACH) for person, number in people))

    async def _dies(self, name: str, talking: "asyncio.Task[None]") -> bool:
        """Wait for the end of a hub, and for some time after everybody has said everything."""
        quiet_since = float("inf")
        while time.monotonic() - quiet_since < DIES_WITHIN_S:
            if self.cluster.is_dead(name):
                return True
            await asyncio.sleep(LOOK_EVERY_S)
            if talking.done():
                quiet_since = min(quiet_since, time.monotonic())
        return False


@dataclass(frozen=True)
class Death:
    """One kill that is to come."""

    channel: str
    victim: str
    failpoint: str
    pause_s: float
    is_known: bool
    """Whether the process comes back under its name, or leases have to run out."""


async def run_campaign(folder: Path, shape: Shape, point: Point, seeds: Sequence[int]) -> tuple[Campaign, Outcome]:
    """Kill at one place, for every channel and seed, and judge what came of all of it."""
    async with running_platforms(Pace(seeds[0], LONGEST_DELAY_S)) as platforms:
        with cluster(folder, shape, platforms.environment()) as hubs:
            async with Traffic(platforms, hubs.urls[0], seeds[0], other_urls=tuple(hubs.urls[1:])) as traffic:
                campaign = Campaign(shape, point, hubs, traffic)
                await campaign.run(seeds)
                return campaign, await judge(traffic, hubs.database_port, len(traffic.attempted))
