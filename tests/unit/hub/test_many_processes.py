"""Several processes on one store: whose a conversation is, and that order and "once" do not depend on who accepts."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from core.errors import StoreUnavailable
from core.ids import ConversationId
from core.inbox import InboxMark, InboxRow
from core.storage import Member
from core.store.memory import MemoryStore
from hub.clock import SystemClock
from hub.lanes.dispatch import UNREAD, Dispatch
from hub.lanes.local import MARKED_WITHIN_S
from hub.lanes.members import ALONE_AFTER_S, PARTITIONS, Members, owner_of, partition_of
from hub.lanes.spools import ALIVE_S, SPOKEN_WITHIN_S, UNDRAINED_AT_MOST_S
from hub.telemetry import Metrics
from tests.factories import Bench, FakeChannel, build_bench

T1 = ConversationId("fake:one:t1")


def workers(count: int) -> list[Member]:
    return [Member(f"host-{n}", "worker") for n in range(count)]


def division(members: list[Member]) -> dict[int, str | None]:
    return {number: owner_of(number, members) for number in range(PARTITIONS)}


def test_every_partition_has_one_owner_among_those_who_take_turns() -> None:
    members = [*workers(3), Member("web", "web"), Member("mail", "mail")]
    owners = Counter(division(members).values())
    assert set(owners) == {"host-0", "host-1", "host-2"}
    assert sum(owners.values()) == PARTITIONS


@pytest.mark.parametrize("seed", range(50))
def test_the_partitions_are_divided_evenly_enough_whatever_the_names(seed: int) -> None:
    chance = random.Random(seed)
    members = [Member(f"host-{pid}-{chance.getrandbits(32):08x}", "worker") for pid in range(7001, 7004)]
    owners = Counter(division(members).values())
    assert all(3 <= owners[member.name] <= 22 for member in members), owners


def test_one_that_comes_or_goes_moves_only_its_own_share() -> None:
    before, after = division(workers(3)), division(workers(4))
    moved = {number for number in before if before[number] != after[number]}
    assert moved
    assert {after[number] for number in moved} == {"host-3"}


def test_where_nobody_takes_turns_nothing_has_an_owner() -> None:
    assert owner_of(0, [Member("web", "web")]) is None


class HandClock(SystemClock):
    """A monotonic clock that a test moves."""

    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


def members(store: MemoryStore, name: str, clock: SystemClock, role: str = "worker") -> Members:
    return Members(store, Member(name, role), clock, Metrics())


async def test_a_process_is_alone_until_it_sees_another_and_again_some_time_after() -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    one, other = members(store, "one", clock), members(store, "other", clock, "web")
    await one.beat()
    assert one.is_alone
    await other.beat()
    await one.beat()
    assert not one.is_alone
    await other.leave()
    await one.beat()
    assert not one.is_alone, "what the other accepted may still be in the database"
    clock.seconds += ALONE_AFTER_S + 1
    await one.beat()
    assert one.is_alone


async def test_a_process_that_falls_silent_loses_its_partitions_and_gets_them_back() -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    one, other = members(store, "one", clock), members(store, "other", clock)
    await one.beat()
    await other.beat()
    await one.beat()
    assert one.mine | other.mine == frozenset(range(PARTITIONS))
    assert not one.mine & other.mine
    clock.seconds += 60
    await one.beat()
    assert one.mine == frozenset(range(PARTITIONS))


@dataclass
class Shared:
    """A place among others that owns what the test says."""

    owned: bool = True
    is_alone: bool = False
    asked: list[str] = field(default_factory=list)
    undrained: bool = False

    def owns(self, name: str) -> bool:
        self.asked.append(name)
        return self.owned

    async def has_undrained(self) -> bool:
        return self.undrained


def conversation_of(row: InboxRow) -> ConversationId:
    assert row.conversation_id is not None
    return row.conversation_id


def two_processes() -> tuple[Bench, Bench]:
    """Return a process that owns every conversation and one that owns none, on one store and one platform."""
    clock = SystemClock()
    store, channel = MemoryStore(clock), FakeChannel()
    owner = build_bench(store=store, clock=clock, channel=channel, worker="owner", place=Shared())
    other = build_bench(store=store, clock=clock, channel=channel, worker="other", place=Shared(owned=False))
    for bench in (owner, other):
        bench.lanes.call = owner.lanes.look
        bench.inbox._offer = lambda row, _: owner.lanes.look(conversation_of(row))
    return owner, other


async def test_what_several_processes_accept_is_answered_in_the_order_of_acceptance() -> None:
    owner, other = two_processes()
    for number in range(20):
        await (owner, other)[number % 2].receive(f"m{number:02}", f"text {number:02}")
    await owner.settle()
    assert [text for _, text in owner.channel.sent] == [f"text {number:02}" for number in range(20)]


async def test_an_earlier_row_whose_hint_was_lost_is_taken_before_the_later_one() -> None:
    owner, other = two_processes()
    other.inbox._offer = lambda *_: None
    await other.receive("1", "first")
    await owner.receive("2", "second")
    await owner.settle()
    assert [text for _, text in owner.channel.sent] == ["first", "second"]


async def test_nothing_is_taken_while_an_earlier_row_may_be_in_the_spool_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.lanes.local.LOOK_AT_SPOOLS_EVERY_S", 0.01)
    owner, other = two_processes()
    assert isinstance(owner.lanes._place, Shared)
    owner.lanes._place.undrained = True
    await owner.receive("2", "second")
    await asyncio.sleep(0.03)
    assert owner.channel.sent == []
    other.inbox._offer = lambda *_: None
    await other.receive("1", "first")
    row = await owner.store.find_inbox("fake:1")
    assert row is not None
    earlier = row.model_copy(update={"received_at": row.received_at - timedelta(seconds=9)})
    owner.store._inbox["fake:1"] = earlier  # type: ignore[attr-defined]
    owner.lanes._place.undrained = False
    await owner.settle()
    assert [text for _, text in owner.channel.sent] == ["first", "second"]


class Mortal(MemoryStore):
    """A database that is away while a test says so."""

    is_away = False

    async def beat(self, member: Member, alive_s: float, *, spools: bool = False) -> list[Member]:
        if self.is_away:
            raise StoreUnavailable("no primary")
        return await super().beat(member, alive_s, spools=spools)

    async def ping(self) -> None:
        if self.is_away:
            raise StoreUnavailable("no primary")

    async def note_spool(self, name: str, *, spools: bool) -> None:
        if self.is_away:
            raise StoreUnavailable("no primary")
        await super().note_spool(name, spools=spools)


async def told(web: Members, worker: Members, *, undrained: bool) -> bool:
    async with asyncio.timeout(5):
        while await worker.has_undrained() is not undrained:
            await asyncio.sleep(0.005)
    return True


async def test_the_others_hear_at_once_that_a_process_spools_and_that_it_is_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.lanes.spools.SAY_AGAIN_AFTER_S", 0.01)
    clock = HandClock()
    store = Mortal(clock)
    web, worker = members(store, "web", clock, "web"), members(store, "worker", clock)
    spool = {"m1"}
    web.spools.ours = lambda: bool(spool)
    for one in (worker, web, worker):
        await one.beat()
    assert await worker.has_undrained(), "what a start found in its spool is told with the first beat"
    telling = asyncio.create_task(web.spools.tell())
    spool.clear()
    web.spools.changed()
    assert await told(web, worker, undrained=False)
    store.is_away = True
    spool.add("m2")
    web.spools.changed()
    await asyncio.sleep(0.03)
    store.is_away = False
    assert await told(web, worker, undrained=True)
    clock.seconds += UNDRAINED_AT_MOST_S
    await web.beat()
    assert not await worker.has_undrained(), "it is not waited for for ever"
    telling.cancel()


async def test_after_an_outage_the_others_get_the_time_to_say_what_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.lanes.spools.PING_EVERY_S", 0.01)
    clock = HandClock()
    store = Mortal(clock)
    worker, web = members(store, "worker", clock), members(store, "web", clock, "web")
    for one in (web, worker):
        await one.beat()
    looking = asyncio.create_task(worker.spools.look_out())
    await asyncio.sleep(0.03)
    assert not await worker.has_undrained()
    store.is_away = True
    await asyncio.sleep(0.05)
    store.is_away = False
    assert await worker.has_undrained()
    clock.seconds += SPOKEN_WITHIN_S
    assert await worker.has_undrained(), "the web process has said nothing since"
    await web.beat()
    assert not await worker.has_undrained()
    looking.cancel()


async def test_a_process_that_died_in_an_outage_is_waited_for_while_it_counts_as_living(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may come back and drain; it may also never come back."""
    clock = HandClock()
    store = Mortal(clock)
    worker, web = members(store, "worker", clock), members(store, "web", clock, "web")
    for one in (web, worker):
        await one.beat()
    worker.spools.note_trouble()
    clock.seconds += ALIVE_S - 1
    assert await worker.has_undrained()
    clock.seconds += 1
    assert not await worker.has_undrained()


class DeafToMarks(MemoryStore):
    """Loses marks while a test says so."""

    is_deaf = True

    async def mark_inbox(self, marks: Sequence[InboxMark]) -> None:
        if self.is_deaf:
            raise StoreUnavailable("mark failed")
        await super().mark_inbox(marks)


async def test_a_row_whose_mark_was_lost_is_marked_by_the_next_look_and_not_answered_again() -> None:
    """F030: it stays open in the database, and its own process found it known for ever."""
    clock = HandClock()
    store = DeafToMarks(clock)
    bench = build_bench(store=store, clock=clock, place=Shared())
    bench.inbox._offer = lambda row, _: bench.lanes.look(conversation_of(row))
    await bench.receive("1", "hello")
    await bench.settle()
    assert await bench.state_of("1") == "received"
    store.is_deaf = False
    bench.lanes.look(T1)
    await bench.settle()
    assert await bench.state_of("1") == "received", "its mark could still be on the way"
    clock.seconds += MARKED_WITHIN_S
    bench.lanes.look(T1)
    await bench.settle()
    assert await bench.state_of("1") == "done"
    assert [text for _, text in bench.channel.sent] == ["hello"]


async def test_the_sweep_leaves_what_belongs_to_another_process() -> None:
    owner, other = two_processes()
    other.inbox._offer = lambda *_: None
    await other.receive("1", "hello")
    await other.sweep.once(everything=True)
    await other.settle()
    assert owner.channel.sent == []
    await owner.sweep.once(everything=True)
    await owner.settle()
    assert [text for _, text in owner.channel.sent] == ["hello"]


async def test_a_conversation_that_moves_waits_for_its_old_owner_to_give_it_back() -> None:
    owner, other = two_processes()
    assert isinstance(other.lanes._place, Shared)
    other.lanes._place.owned = True
    other.inbox._offer = lambda row, _: other.lanes.look(conversation_of(row))
    await other.receive("1", "first")
    await other.settle()
    other.lanes._place.owned = False
    await owner.receive("2", "second")
    await asyncio.sleep(0.05)
    assert [text for _, text in owner.channel.sent] == ["first"], "the lease is the other's"
    other.holds._keeps = lambda _: False
    await other.holds.give_back_foreign()
    await owner.settle()
    assert [text for _, text in owner.channel.sent] == ["first", "second"]


async def test_a_row_that_was_accepted_unread_is_read_by_its_owner_and_told_to_whose_conversation_it_is() -> None:
    owner, _ = two_processes()
    called: list[str] = []
    owner.lanes.call = called.append
    owner.inbox._offer = lambda *_: None
    await owner.receive("1")
    row = await owner.store.find_inbox("fake:1")
    assert row is not None
    unread = row.model_copy(update={"id": "fake:unread", "conversation_id": None, "home": "fake:unread"})
    await owner.store.insert_inbox([unread])
    owner.lanes.read_later("fake:one")
    await owner.settle()
    while not called:
        await asyncio.sleep(0.01)
    assert called == [T1]
    found = {row.id for row in await owner.store.open_of([T1])}
    assert found == {"fake:1", "fake:unread"}


@dataclass
class Sent:
    """Takes hints instead of NATS."""

    hints: list[tuple[int, str]] = field(default_factory=list)

    def send(self, partition: int, what: str) -> None:
        self.hints.append((partition, what))


async def test_a_web_process_announces_rows_to_the_partition_of_their_conversation() -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    web, sent = members(store, "web", clock, "web"), Sent()
    dispatch = Dispatch(web, None, sent)  # type: ignore[arg-type]
    row = InboxRow(id="fake:1", channel="fake", account="one", body=b"", received_at=clock.now(), node="n", n=0)
    dispatch.offer(row.model_copy(update={"conversation_id": T1}), None)
    dispatch.offer(row, None)
    assert sent.hints == [(partition_of(T1), T1), (partition_of("fake:one"), f"{UNREAD}fake:one")]


async def test_rows_beyond_what_fits_into_memory_are_left_to_the_sweep_and_keep_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.lanes.local.MAX_ROWS", 3)
    monkeypatch.setattr("hub.lanes.sweep.MAX_ROWS", 3)
    bench = build_bench(channel=FakeChannel(gate=asyncio.Event()))
    for number in range(10):
        await bench.receive(f"m{number}", f"text {number}")
    await asyncio.sleep(0.05)
    assert bench.lanes.is_behind
    assert bench.lanes.rows < 3 + 1
    assert bench.channel.gate is not None
    bench.channel.gate.set()
    for _ in range(10):
        await bench.settle()
        await bench.sweep.once()
    assert not bench.lanes.is_behind
    assert [text for _, text in bench.channel.sent] == [f"text {number}" for number in range(10)]


async def test_a_long_payload_is_found_by_the_owner_of_its_conversation() -> None:
    """Whatever its size: what is not read before it is durable would have another home than its conversation."""
    owner, other = two_processes()
    text = "long " * 30_000
    await other.receive("1", text)
    await owner.settle()
    assert [said for _, said in owner.channel.sent] == [text]
    row = await owner.store.find_inbox("fake:1")
    assert row is not None
    assert (row.conversation_id, row.home) == (T1, T1)
