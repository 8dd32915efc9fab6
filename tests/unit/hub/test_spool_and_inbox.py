"""The door with a spool behind it: nothing is refused, lost, doubled or overtaken while the database is away."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.errors import StoreRefused, StoreUnavailable
from core.inbox import InboxRow
from core.store.memory import MemoryStore
from hub.clock import SystemClock
from hub.inbox import Inbox
from hub.spool.disk import Disk
from hub.spool.spool import Spool
from tests.factories import ACCOUNT, Bench, build_bench

WITHIN_S = 10.0


class FlakyStore(MemoryStore):
    """A database that is up, away (says so), silent (says nothing), or applies a write and does not say so."""

    state = "up"
    inserts = 0

    async def insert_inbox(self, rows: Sequence[InboxRow]) -> list[bool]:
        self.inserts += 1
        if self.state == "away":
            raise StoreUnavailable("no primary")
        while self.state == "silent":
            await asyncio.sleep(0.005)
        if any("poison" in row.id for row in rows):
            raise StoreRefused("cannot be stored")
        results = await super().insert_inbox(rows)
        if self.state == "deaf":
            raise StoreUnavailable("the connection broke before the answer")
        return results


class Door:
    """A hub of fakes whose inbox has a spool."""

    def __init__(self, folder: Path, name: str = "p1", disk: Disk | None = None) -> None:
        self.store = FlakyStore(SystemClock())
        self.bench: Bench = build_bench(store=self.store)
        self.spool = Spool(folder / "spool", name, 10_000_000, self.bench.metrics, disk)
        self.takes_up = 0
        self.has_others = False
        self.listens, self.past = asyncio.Event(), asyncio.Event()
        self.past.set()
        bench = self.bench
        bench.inbox = Inbox(
            self.store, "p1", bench.clock, bench.metrics, {ACCOUNT: bench.channel}, bench.inbox._offer, self.spool
        )

    async def join(self) -> bool:
        if self.store.state != "up":
            raise StoreUnavailable("no primary")
        return self.has_others

    async def listen(self) -> None:
        self.listens.set()

    async def take_up(self) -> None:
        if self.store.state != "up":
            raise StoreUnavailable("no primary")
        await self.past.wait()
        self.takes_up += 1

    async def start(self) -> "Door":
        await self.bench.inbox.start(self)
        return self

    async def stop(self) -> None:
        await self.bench.settle()
        await self.bench.inbox.close()

    async def receive(self, name: str, text: str = "hello", thread: str = "t1") -> str:
        return await self.bench.receive(name, text, thread)

    async def until_drained(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not self.spool.is_empty:
                await asyncio.sleep(0.005)
        await self.bench.settle()

    @property
    def said(self) -> list[str]:
        return [text for _, text in self.bench.channel.sent]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.inbox.ACCEPT_WITHIN_S", 0.05)
    monkeypatch.setattr("hub.spool.drainer.AGAIN_AFTER_S", 0.01)
    monkeypatch.setattr("hub.spool.drainer.MEND_EVERY_S", 0.01)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    door = await Door(tmp_path).start()
    yield door
    await door.stop()


def count(door: Door, name: str) -> float:
    return door.bench.metrics.registry.get_sample_value(name, {"channel": "fake", "account": "one"}) or 0.0


@pytest.mark.parametrize("state", ["away", "silent"])
async def test_a_payload_that_the_database_does_not_take_is_accepted_and_answered_later(state: str, door: Door) -> None:
    """F017, F027, F036."""
    door.store.state = state
    assert await door.receive("1") == "accepted"
    assert not door.spool.is_empty
    assert door.said == []
    assert count(door, "frontdesk_spooled_total") == count(door, "frontdesk_accepted_total") == 1
    door.store.state = "up"
    await door.until_drained()
    assert door.said == ["hello"]


async def test_a_database_that_is_known_to_be_away_is_not_waited_for(door: Door) -> None:
    door.store.state = "silent"
    await door.receive("1")
    before, started = door.store.inserts, time.monotonic()
    for number in range(2, 30):
        await door.receive(str(number))
    assert door.store.inserts - before <= 1, "only the drainer asks"
    assert time.monotonic() - started < 28 * 0.05, "each of them waited for the database"


@pytest.mark.parametrize("seed", range(12))
async def test_over_any_outages_a_conversation_keeps_its_order_and_each_message_one_answer(
    seed: int, tmp_path: Path
) -> None:
    """F015, F017, F027, F030: into the database, into the spool, out of it and back to the database."""
    dice = random.Random(seed)
    door = await Door(tmp_path).start()
    expected: dict[str, list[str]] = {"a": [], "b": [], "c": []}

    async def speak(thread: str) -> None:
        for number in range(25):
            name = f"{thread}{number}"
            for _ in range(dice.choice([1, 1, 1, 2])):  # now and then the platform delivers it twice
                assert await door.receive(name, name, thread) in {"accepted", "duplicate"}
            expected[thread].append(name)
            await asyncio.sleep(dice.uniform(0, 0.004))

    async def disturb() -> None:
        door.store.state = dice.choice(["away", "deaf"])
        while not count(door, "frontdesk_spooled_total"):  # however fast this machine is, one outage is met
            await asyncio.sleep(0.001)
        while True:
            door.store.state = dice.choice(["up", "up", "away", "deaf"])
            await asyncio.sleep(dice.uniform(0, 0.02))

    disturbing = asyncio.create_task(disturb())
    await asyncio.gather(*(speak(thread) for thread in expected))
    disturbing.cancel()
    door.store.state = "up"
    await door.until_drained()
    for thread, names in expected.items():
        assert [text for to, text in door.bench.channel.sent if to.endswith(f":{thread}")] == names
    await door.stop()


async def test_an_insert_that_applied_unheard_is_not_answered_twice_nor_forgotten(door: Door) -> None:
    """F015: the outcome of the batch is unknown, its rows go to the spool and meet themselves in the database."""
    door.store.state = "deaf"
    assert await door.receive("1", "first") == "accepted"
    assert await door.store.find_inbox("fake:1") is not None
    door.store.state = "up"
    await door.until_drained()
    assert await door.receive("2", "second") == "accepted"
    await door.bench.settle()
    assert door.said == ["first", "second"]


async def test_a_payload_that_comes_twice_during_an_outage_is_answered_once(door: Door) -> None:
    door.store.state = "away"
    assert [await door.receive("1") for _ in range(3)] == ["accepted"] * 3
    door.store.state = "up"
    await door.until_drained()
    assert door.said == ["hello"]


async def test_a_row_that_the_database_refuses_does_not_hold_up_the_spool(door: Door) -> None:
    """F077 on the way out of the spool."""
    door.store.state = "away"
    for name in ("1", "poison", "2"):
        await door.receive(name, name, thread=name)
    door.store.state = "up"
    await door.until_drained()
    assert sorted(door.said) == ["1", "2"]
    (row,) = await door.store.quarantined(10)
    assert (row.reason or "").startswith("unstorable")


async def test_without_its_database_a_hub_starts_and_accepts(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.store.state = "away"
    await door.start()
    assert await door.receive("1") == "accepted"
    assert door.takes_up == 0
    door.store.state = "up"
    await door.until_drained()
    assert (door.takes_up, door.listens.is_set(), door.said) == (1, True, ["hello"])
    assert await door.receive("2") == "accepted"
    assert door.spool.is_empty
    await door.stop()


async def test_what_a_dead_process_left_is_handled_before_what_comes_now(tmp_path: Path) -> None:
    """F006."""
    dead = Door(tmp_path, "dead")
    dead.store.state = "away"
    await dead.start()
    await dead.receive("1", "first")
    await dead.receive("2", "second")
    await dead.stop()
    living = Door(tmp_path, "living")
    coming = asyncio.create_task(living.receive("3", "third"))
    await living.start()
    assert await coming == "accepted"
    await living.until_drained()
    assert living.said == ["first", "second", "third"]
    await living.stop()
    assert list((tmp_path / "spool").iterdir()) == []


async def test_what_comes_while_a_start_takes_up_the_past_waits_in_the_spool(tmp_path: Path) -> None:
    """Nobody is refused by a restart, and nothing overtakes what was left behind."""
    door = Door(tmp_path)
    door.past.clear()
    starting = asyncio.create_task(door.start())
    await door.listens.wait()
    assert await door.receive("1") == "accepted"
    assert door.store.inserts == 0
    door.past.set()
    await starting
    await door.until_drained()
    assert door.said == ["hello"]
    await door.stop()


async def test_beside_others_what_comes_goes_to_the_database_at_once(tmp_path: Path) -> None:
    """F014: they take the next message of the same person from there, and must not find it before this one."""
    door = Door(tmp_path)
    door.has_others = True
    door.past.clear()
    starting = asyncio.create_task(door.start())
    await door.listens.wait()
    assert await door.receive("1") == "accepted"
    assert door.store.inserts == 1
    assert door.spool.is_empty
    door.past.set()
    await starting
    await door.stop()


async def test_nothing_reaches_a_process_before_the_others_know_it(tmp_path: Path, monkeypatch: Any) -> None:
    """F014."""
    door, known = Door(tmp_path), asyncio.Event()

    async def join() -> bool:
        assert not door.listens.is_set()
        await known.wait()
        return True

    monkeypatch.setattr(door, "join", join)
    starting = asyncio.create_task(door.start())
    for _ in range(5):
        await asyncio.sleep(0.002)
    assert not door.listens.is_set()
    known.set()
    await starting
    assert door.listens.is_set()
    await door.stop()


class StoppedDisk(Disk):
    """Takes its time over a sync, or fails it."""

    wait_s = 0.0
    fails = False

    def sync(self, handle: int) -> None:
        time.sleep(self.wait_s)
        if self.fails:
            raise OSError(28, "No space left on device")
        super().sync(handle)


async def test_where_neither_works_the_platform_is_told_to_come_again_and_all_of_it_recovers(tmp_path: Path) -> None:
    """F035."""
    disk = StoppedDisk()
    door = await Door(tmp_path, disk=disk).start()
    door.store.state = "away"
    await door.receive("1", "kept")
    disk.fails = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await door.receive("2", "refused")
    assert door.spool.problem == "No space left on device"
    assert count(door, "frontdesk_refused_total") == 3
    disk.fails = False
    async with asyncio.timeout(WITHIN_S):
        while door.spool.problem is not None:  # nobody sends anything: it finds out by itself
            await asyncio.sleep(0.005)
    assert await door.receive("2", "taken") == "accepted"
    door.store.state = "up"
    await door.until_drained()
    assert door.said == ["kept", "taken"]
    await door.stop()


async def test_a_broken_spool_costs_nothing_while_the_database_works(tmp_path: Path) -> None:
    disk = StoppedDisk()
    disk.fails = True
    door = await Door(tmp_path, disk=disk).start()
    assert door.spool.problem is not None
    assert await door.receive("1") == "accepted"
    await door.bench.settle()
    assert door.said == ["hello"]
    await door.stop()


async def test_a_disk_that_hangs_costs_a_platform_two_seconds_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.inbox.GIVE_UP_AFTER_S", 0.1)
    disk = StoppedDisk()
    door = await Door(tmp_path, disk=disk).start()
    door.store.state, disk.wait_s = "away", 0.5
    with pytest.raises(StoreUnavailable):
        await door.receive("1")
    door.store.state, disk.wait_s = "up", 0.0
    await door.until_drained()
    assert door.said == ["hello"], "it became durable in the end; that it comes again does no harm"
    assert await door.receive("1") == "duplicate"
    await door.stop()


async def test_a_process_that_lives_drains_what_another_left_when_it_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two web processes, one data folder."""
    monkeypatch.setattr("hub.spool.drainer.LOOK_AROUND_EVERY_S", 0.02)
    living, dead = await Door(tmp_path, "living").start(), Door(tmp_path, "dead")
    dead.store.state = "away"
    await dead.start()
    await dead.receive("1", "of the dead")
    await dead.stop()
    async with asyncio.timeout(WITHIN_S):
        while living.said != ["of the dead"]:
            await asyncio.sleep(0.005)
    await living.until_drained()
    await living.stop()
