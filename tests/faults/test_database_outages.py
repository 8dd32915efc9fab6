"""The database dies, stops or is not there at all, while people write (F005, F006, F015, F016, F017, F027)."""

import asyncio
import os
import re
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.emulate.pace import Pace
from tests.faults.cluster import Cluster, cluster, process_on
from tests.faults.crash import Outcome, judge
from tests.faults.crowd import NO_LIMITS
from tests.faults.figures import note
from tests.servers.database import running_database
from tests.servers.hub import Hub
from tests.standins.aftermath import MANY, opened_store, until_quiet
from tests.standins.checker import PROMISES, Verdict, check
from tests.standins.people import Person, Traffic
from tests.standins.platforms import running_platforms

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif("FRONTDESK_TEST_MONGO_URI" in os.environ, reason="kills its database: only one of its own"),
]

OUTAGE_S = float(os.environ.get("FRONTDESK_FAULT_OUTAGE_S", "12"))
"""Stands for an hour (F017); `make faults-long` takes 180 s."""
RATE = 50
ACCEPTED_WITHIN_S = 2.0
"""SEMANTICS section 3."""
ANSWERED_WITHIN_S = 60 + 2 * OUTAGE_S
"""Platforms take one message a second in a conversation; everybody writes one every other second."""
DIES_WITHIN_S = 30.0
HUB = "all-0"


@dataclass
class Desk:
    """A hub, a database in a process of its own, and people who write."""

    folder: Path
    hubs: Cluster
    traffic: Traffic

    @property
    def hub(self) -> Hub:
        return self.hubs.hubs[HUB]

    async def meet(self, per_channel: int) -> list[tuple[Person, int]]:
        return [
            (await self.traffic.meet(channel, number), number) for channel in PROMISES for number in range(per_channel)
        ]

    async def talk(self, people: list[tuple[Person, int]], messages: int) -> None:
        await asyncio.gather(*(self.traffic.talk(person, number, messages) for person, number in people))

    def kill_database(self) -> None:
        os.kill(process_on(self.hubs.database_port), signal.SIGKILL)

    @contextmanager
    def database_again(self) -> Iterator[None]:
        """Start the database on what the dead one left, while the block lasts."""
        with running_database(self.folder / "db", self.hubs.database_port):
            yield

    async def settle(self) -> Outcome:
        return await judge(self.traffic, self.hubs.database_port, len(self.traffic.attempted))

    async def judge_many(self) -> tuple[Verdict, list[str]]:
        """Wait until nothing is left to do, and judge what the platforms saw; too much to ask for row by row."""
        async with opened_store(self.hubs.database_port) as store:
            await until_quiet(store, lambda: True, ANSWERED_WITHIN_S)
            held = [self.traffic.of_event(line.event_id) for line in await store.held_lines(MANY)]
        return check(self.traffic.attempted, self.traffic.accepted, self.traffic.answers(), held), held

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        with urllib.request.urlopen(f"{self.hub.url}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))

    async def until_dead(self) -> None:
        async with asyncio.timeout(DIES_WITHIN_S):
            while not self.hubs.is_dead(HUB):
                await asyncio.sleep(0.02)

    def complaints(self) -> str:
        """Return what the hub logged as wrong."""
        lines = self.hub.log_file.read_text(errors="replace").splitlines()
        return "\n".join(line[:300] for line in lines if '"level":"info"' not in line)

    @property
    def refused(self) -> int:
        """Return how many deliveries did not end in the platform's success signal."""
        return self.traffic.deliveries - len(self.traffic.accepted)


@asynccontextmanager
async def open_desk(folder: Path, seed: int, failpoints: str = "", **environment: str) -> AsyncIterator[Desk]:
    """Run a hub on a database of its own, amid its platforms, while the block lasts."""
    async with running_platforms(Pace(seed)) as platforms:
        with cluster(folder, "one", {**platforms.environment(), **environment}) as hubs:
            async with Traffic(platforms, hubs.urls[0], seed) as traffic:
                await hubs.start(HUB)
                hubs.arm(HUB, failpoints)
                yield Desk(folder, hubs, traffic)


def seen(desk: Desk, outcome: Outcome | Verdict) -> str:
    return f"{outcome}\n{desk.refused} refused\n{desk.complaints()}"


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_database_killed_while_it_inserts_costs_no_message_and_no_refusal(seed: int, tmp_path: Path) -> None:
    """F015: nobody knows what became of the batch; its rows go to the spool and meet themselves in the database."""
    async with open_desk(tmp_path, seed) as desk:
        people = await desk.meet(4)
        talking = asyncio.create_task(desk.talk(people, 6))
        await desk.traffic.until_accepted(len(people) * 2)
        desk.kill_database()
        await asyncio.sleep(0.5 * seed)
        with desk.database_again():
            await talking
            outcome = await desk.settle()
            spooled = desk.metric("frontdesk_spooled_total")
        print(f"{len(desk.traffic.accepted)} accepted, {spooled:.0f} of them by the spool, {desk.refused} refused")
        assert outcome.is_right, seen(desk, outcome)
        assert desk.refused == 0, seen(desk, outcome)
        assert spooled > 0


@pytest.mark.parametrize("point", ["handle.done", "send.answered"])
async def test_a_database_killed_in_the_middle_of_a_turn_leaves_one_plan_and_one_answer(
    point: str, tmp_path: Path
) -> None:
    """F016: before the commit, and between the platform's answer and its mark."""
    async with open_desk(tmp_path, seed=1, failpoints=f"{point}=sleep:1.0") as desk:
        people = await desk.meet(1)
        talking = asyncio.create_task(desk.talk(people, 2))
        await desk.traffic.until_accepted(len(people))
        desk.hubs.arm(HUB, "")
        await asyncio.sleep(0.3)
        desk.kill_database()
        await asyncio.sleep(1.5)
        with desk.database_again():
            await talking
            outcome = await desk.settle()
        assert outcome.is_right, seen(desk, outcome)
        assert desk.refused == 0, seen(desk, outcome)


async def test_a_database_that_stops_for_five_seconds_is_not_noticed_by_any_platform(tmp_path: Path) -> None:
    """F027."""
    async with open_desk(tmp_path, seed=3) as desk:
        people = await desk.meet(4)
        talking = asyncio.create_task(desk.talk(people, 8))
        await desk.traffic.until_accepted(len(people))
        with desk.hubs.frozen_database():
            await asyncio.sleep(5)
        await talking
        outcome = await desk.settle()
        assert outcome.is_right, seen(desk, outcome)
        assert desk.refused == 0, seen(desk, outcome)
        assert desk.metric("frontdesk_spooled_total") > 0


async def test_an_outage_at_fifty_messages_a_second_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    """F017, scaled: every message accepted within two seconds; drained, answered once and in order afterwards."""
    async with open_desk(tmp_path, seed=5, FRONTDESK_LIMITS=NO_LIMITS) as desk:
        people = [
            (await desk.traffic.meet(channel, number), number)
            for channel, count in (("slack", 40), ("telegram", 30), ("whatsapp", 30))
            for number in range(count)
        ]
        took_s: list[float] = []
        with desk.hubs.frozen_database():
            ends = time.monotonic() + OUTAGE_S
            pause_s = len(people) / RATE

            async def speak(person: Person, number: int, seq: int = 0) -> None:
                await asyncio.sleep(pause_s * number / len(people))
                while time.monotonic() < ends:
                    started = time.monotonic()
                    await desk.traffic.say(person, number, seq)
                    took_s.append(time.monotonic() - started)
                    seq += 1
                    await asyncio.sleep(max(0.0, pause_s - took_s[-1]))

            await asyncio.gather(*(speak(person, number) for person, number in people))
            waiting, size = desk.metric("frontdesk_spool_records"), desk.metric("frontdesk_spool_bytes")
        started = time.monotonic()
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            while desk.metric("frontdesk_spool_records"):
                await asyncio.sleep(0.02)
        drained_s = time.monotonic() - started
        verdict, held = await desk.judge_many()
        note(
            "database frozen",
            seconds=OUTAGE_S,
            messages=len(took_s),
            slowest_2xx_s=round(max(took_s), 2),
            refused=desk.refused,
            spooled=int(waiting),
            bytes_each=round(size / waiting),
            drained_within_s=round(drained_s, 2),
            held=len(held),
        )
        assert verdict.is_right, seen(desk, verdict)
        assert desk.refused == 0, desk.complaints()
        assert max(took_s) <= ACCEPTED_WITHIN_S
        assert waiting > 0.9 * len(took_s), "the spool had little to do"
        assert size / waiting * 3600 * RATE <= 512 * 1024 * 1024, "an hour of this does not fit"


@pytest.mark.parametrize("point", ["spool.written", "spool.synced", "drain.inserted"])
async def test_a_hub_killed_around_its_spool_answers_once(point: str, tmp_path: Path) -> None:
    """F005, F006: the platform repeats what was not acknowledged, the journal brings back what was."""
    async with open_desk(tmp_path, seed=7, failpoints=f"{point}=kill@2") as desk:
        people = [(await desk.traffic.meet("slack", number), number) for number in range(4)]
        with desk.hubs.frozen_database():
            talking = asyncio.create_task(desk.talk(people, 2))
            if point == "drain.inserted":
                desk.hubs.arm(HUB, f"{point}=kill")
                await talking
            else:
                await desk.until_dead()
        await desk.until_dead()
        await desk.hubs.start(HUB)
        await talking
        outcome = await desk.settle()
        assert outcome.is_right, seen(desk, outcome)
        assert outcome.held == []


async def test_a_hub_that_starts_without_its_database_accepts_and_answers_later_in_order(tmp_path: Path) -> None:
    """F006, F014: killed with a full spool while the database is away, and started again before it is back."""
    async with open_desk(tmp_path, seed=9) as desk:
        people = [
            (await desk.traffic.meet(channel, number), number) for channel in ("slack", "telegram") for number in (0, 1)
        ]
        with desk.hubs.frozen_database():
            for seq in (0, 1):
                for person, number in people:
                    await desk.traffic.say(person, number, seq)
            desk.hub.kill()
            await desk.hubs.start(HUB)
            for person, number in people:
                await desk.traffic.say(person, number, 2)
            assert desk.metric("frontdesk_spool_records") == 3 * len(people)
        outcome = await desk.settle()
        assert outcome.is_right, seen(desk, outcome)
        assert outcome.held == []
        assert not list((desk.hub.folder / "data" / "spool").glob("*/*.segment"))
