"""When platforms are asked for what they did not deliver, since when, and what becomes of the answers (SEMANTICS 9)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
import structlog

from channels.base import Channel, Gap, Look
from channels.inbound import Capabilities, CatchUp, Inbound
from core.errors import AccountRefused, DeliveryError, RateLimited, StoreUnavailable
from core.ids import ConversationId
from core.inbox import InboxRow
from core.store.memory import MemoryStore
from hub.backfill import ASKED_AT_ONCE, FARTHEST, FIRST_LOOK, LATELY, Backfill, Round
from tests.factories import ACCOUNT, FAKE, ONE, Bench, FakeChannel, build_bench
from tests.fakes import START, FakeClock

OVERLAP = timedelta(seconds=60)
BY_CONVERSATION = CatchUp(every_s=300, overlap_s=OVERLAP.total_seconds(), by_conversation=True)
AS_A_WHOLE = CatchUp(every_s=300, overlap_s=OVERLAP.total_seconds())
A, B, C = (ConversationId(f"fake:one:{name}") for name in "abc")

Answer = Callable[[Gap], Look]


@dataclass
class AskedChannel(FakeChannel):
    """A platform that can be asked; answers as told, one look for each gap."""

    plan: CatchUp = BY_CONVERSATION
    answer: Answer = lambda gap: Look(closed=(gap,))
    asked: list[list[Gap]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(max_text=1000, catch_up=self.plan)

    async def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        self.asked.append(list(gaps))
        self.news.set()
        for gap in gaps:
            yield self.answer(gap)

    async def until_asked(self, times: int) -> None:
        while len(self.asked) < times:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 5)


@dataclass
class TouchedStore(MemoryStore):
    """Says which conversations something was done in."""

    touched: dict[ConversationId, datetime] = field(default_factory=dict)
    windows: list[tuple[datetime, int]] = field(default_factory=list)
    failure: Exception | None = None

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.touched, self.windows, self.failure = {}, [], None

    async def active(self, account: str, since: datetime, limit: int) -> list[tuple[ConversationId, datetime]]:
        if self.failure is not None:
            raise self.failure
        assert account == ACCOUNT
        self.windows.append((since, limit))
        found = sorted(self.touched.items(), key=lambda item: item[1], reverse=True)
        return [(name, at) for name, at in found if at >= since][:limit]


@dataclass
class Asked:
    """A bench whose platform can be asked."""

    bench: Bench
    clock: FakeClock
    store: TouchedStore
    channel: AskedChannel
    round: Round

    def gaps(self, number: int = -1) -> dict[ConversationId | None, timedelta]:
        """Return how long before now each gap of a round begins."""
        return {gap.conversation_id: self.clock.now() - gap.since for gap in self.channel.asked[number]}

    def found(self) -> float:
        return self.bench.metrics.backfilled.labels(FAKE, ONE)._value.get()

    def backfill(self, is_ours: Callable[[str], bool] = lambda _: True) -> Backfill:
        channels: dict[str, Channel] = {ACCOUNT: self.channel}
        return Backfill(channels, self.store, self.bench.inbox.accept, self.clock, self.bench.metrics, is_ours)


BENCHES: list[Bench] = []


@pytest.fixture(autouse=True)
async def _nothing_runs_on() -> AsyncIterator[None]:
    """Let every hub of a test come to rest before its event loop ends."""
    yield
    while BENCHES:
        await BENCHES.pop().settle()


def build(plan: CatchUp = BY_CONVERSATION, **touched_min_ago: float) -> Asked:
    clock = FakeClock()
    store, channel = TouchedStore(clock), AskedChannel(plan=plan)
    store.touched = {
        ConversationId(f"fake:one:{name}"): START - timedelta(minutes=minutes)
        for name, minutes in touched_min_ago.items()
    }
    bench = build_bench(store=store, clock=clock, channel=channel)
    BENCHES.append(bench)
    whole = Round(channel, plan, store, bench.inbox.accept, clock, bench.metrics)
    return Asked(bench, clock, store, channel, whole)


def payload(name: str, thread: str = "a") -> Inbound:
    return Inbound(FAKE, ONE, json.dumps({"id": name, "thread": thread, "text": f"text {name}"}).encode(), START)


# since when


async def test_the_first_round_goes_back_an_hour_or_to_the_last_message() -> None:
    """What was lost before the process began, nobody knows; of a quiet conversation it is what came after its last."""
    asked = build(a=5, b=300)
    await asked.round.ask()
    assert asked.gaps() == {A: FIRST_LOOK + OVERLAP, B: timedelta(minutes=300) + OVERLAP}


async def test_a_later_round_goes_back_to_the_one_before_even_where_something_came_meanwhile() -> None:
    """F065: a message that was delivered says nothing about those before it."""
    asked = build(a=5)
    await asked.round.ask()
    asked.clock.advance(300)
    asked.store.touched[A] = asked.clock.now() - timedelta(seconds=1)
    await asked.round.ask()
    assert asked.gaps() == {A: timedelta(seconds=300) + OVERLAP}


async def test_a_conversation_that_began_between_two_rounds_is_asked_for_from_the_one_before() -> None:
    asked = build(a=5)
    await asked.round.ask()
    asked.clock.advance(300)
    asked.store.touched[B] = asked.clock.now() - timedelta(seconds=10)
    await asked.round.ask()
    assert asked.gaps()[B] == timedelta(seconds=300) + OVERLAP


async def test_only_conversations_of_late_are_asked_for_and_after_an_outage_those_of_a_week() -> None:
    asked = build()
    await asked.round.ask()
    await asked.round.ask()
    assert [START - since for since, _ in asked.store.windows] == [FARTHEST, LATELY]
    assert {limit for _, limit in asked.store.windows} == {ASKED_AT_ONCE}


async def test_an_account_that_is_asked_as_a_whole_has_one_gap_from_its_last_message_on() -> None:
    asked = build(AS_A_WHOLE, a=200, b=500)
    await asked.round.ask()
    assert asked.gaps() == {None: timedelta(minutes=200) + OVERLAP}
    asked.clock.advance(600)
    await asked.round.ask()
    assert asked.gaps() == {None: timedelta(seconds=600) + OVERLAP}


async def test_an_account_that_never_heard_anything_is_asked_for_the_last_hour() -> None:
    asked = build(AS_A_WHOLE)
    await asked.round.ask()
    assert asked.gaps() == {None: FIRST_LOOK + OVERLAP}


# what cannot be asked now


def refusing(asked: Asked, conversation: ConversationId, error: DeliveryError) -> Answer:
    def answer(gap: Gap) -> Look:
        if gap.conversation_id == conversation:
            raise error
        return Look(closed=(gap,))

    return answer


async def test_what_could_not_be_asked_is_asked_from_where_it_was_left() -> None:
    """A 429 ends a round (SEMANTICS 9); what comes behind it keeps its place."""
    asked = build(a=100, b=90, c=80)
    asked.channel.answer = refusing(asked, B, RateLimited(30))
    with pytest.raises(RateLimited):
        await asked.round.ask()
    asked.clock.advance(300)
    asked.channel.answer = lambda gap: Look(closed=(gap,))
    asked.store.touched[C] = asked.clock.now()
    await asked.round.ask()
    late = timedelta(seconds=300) + OVERLAP
    assert asked.gaps() == {A: late, B: timedelta(minutes=90) + late, C: timedelta(minutes=80) + late}


async def test_a_conversation_that_cannot_be_read_does_not_stop_the_others_for_ever() -> None:
    asked = build(a=100, b=90, c=80)
    asked.channel.answer = refusing(asked, A, RateLimited(30))
    for _ in range(2):
        with pytest.raises(RateLimited):
            await asked.round.ask()
    assert [[gap.conversation_id for gap in gaps] for gaps in asked.channel.asked] == [[A, B, C], [B, C, A]]


async def test_what_was_found_before_the_trouble_is_kept() -> None:
    asked = build(a=100, b=90)

    def answer(gap: Gap) -> Look:
        if gap.conversation_id == B:
            raise RateLimited(30)
        return Look((payload("1"),), (gap,))

    asked.channel.answer = answer
    with pytest.raises(RateLimited):
        await asked.round.ask()
    assert asked.found() == 1


async def test_a_message_that_could_not_be_made_durable_is_found_again() -> None:
    asked = build(a=5)
    asked.channel.answer = lambda gap: Look((payload("1"),), (gap,))
    working = asked.round._accept

    async def refuse(_: Inbound) -> str:
        raise StoreUnavailable("away")

    asked.round._accept = refuse  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        await asked.round.ask()
    asked.round._accept = working
    asked.clock.advance(15)
    await asked.round.ask()
    assert asked.gaps()[A] == timedelta(seconds=15) + FIRST_LOOK + OVERLAP
    assert asked.found() == 1


# what becomes of the answers


async def test_twenty_messages_that_were_lost_are_found_and_answered_once_in_order() -> None:
    """F065."""
    asked = build(a=5)
    lost = tuple(payload(str(number)) for number in range(20))
    asked.channel.answer = lambda gap: Look(lost, (gap,))
    for _ in range(3):
        await asked.round.ask()
        await asked.bench.settle()  # a lease that the clock jumps over leaves a send in doubt
        asked.clock.advance(300)
    assert [text for _, text in asked.channel.sent] == [f"text {number}" for number in range(20)]
    assert asked.found() == 20


async def test_what_is_known_does_not_count_as_repeated_by_the_platform() -> None:
    """Else each round would look like a spike of duplicates."""
    asked = build(a=5)
    await asked.bench.receive("1", thread="a")
    asked.channel.answer = lambda gap: Look((payload("1"),), (gap,))
    await asked.round.ask()
    assert asked.bench.metrics.duplicates.labels(FAKE, ONE)._value.get() == 0
    assert asked.found() == 0


async def test_a_delivery_that_comes_while_the_same_message_is_found_is_one_row() -> None:
    """F061: neither knows of the other until the insert; the name decides."""
    asked = build(a=5)
    inserting = asyncio.Barrier(2)
    insert = asked.store.insert_inbox

    async def insert_together(rows: Sequence[InboxRow]) -> list[bool]:
        await inserting.wait()
        return await insert(rows)

    asked.channel.answer = lambda gap: Look((payload("1"),), (gap,))
    other = build_bench(store=asked.store, clock=asked.clock, channel=asked.channel, worker="w2")
    asked.store.insert_inbox = insert_together  # type: ignore[method-assign]
    _, delivered = await asyncio.gather(asked.round.ask(), other.receive("1", "text 1", "a"))
    await asked.bench.settle()
    await other.settle()
    assert sorted([delivered, "accepted" if asked.found() else "duplicate"]) == ["accepted", "duplicate"]
    assert len(asked.store._inbox) == 1
    assert [text for _, text in asked.channel.sent] == ["text 1"]


async def test_what_waits_at_the_platform_is_shown() -> None:
    asked = build(AS_A_WHOLE)
    asked.channel.answer = lambda gap: Look(closed=(gap,), pending=7)
    await asked.round.ask()
    assert asked.bench.metrics.pending_at_platform.labels(FAKE, ONE)._value.get() == 7


# the loop


@asynccontextmanager
async def keeping(backfill: Backfill) -> AsyncIterator[None]:
    task = asyncio.create_task(backfill.keep())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_platform_is_asked_at_the_start_and_then_again_and_again() -> None:
    asked = build(BY_CONVERSATION.model_copy(update={"every_s": 0.001}), a=5)
    async with keeping(asked.backfill()):
        await asked.channel.until_asked(3)


async def test_a_connection_that_is_back_has_its_platform_asked_at_once() -> None:
    asked = build(a=5)
    backfill = asked.backfill()
    async with keeping(backfill):
        await asked.channel.until_asked(1)
        backfill.missed(FAKE, ONE)
        await asked.channel.until_asked(2)


async def test_an_account_of_another_process_is_asked_for_only_when_its_connection_here_was_away() -> None:
    asked = build(BY_CONVERSATION.model_copy(update={"every_s": 0.001}), a=5)
    owned_by_another = asyncio.Event()

    def is_ours(key: str) -> bool:
        assert key == ACCOUNT
        owned_by_another.set()
        return False

    backfill = asked.backfill(is_ours)
    async with keeping(backfill):
        await owned_by_another.wait()
        assert asked.channel.asked == []
        backfill.missed(FAKE, ONE)
        await asked.channel.until_asked(1)


async def test_an_account_that_cannot_be_asked_has_no_loop() -> None:
    bench = build_bench()
    channels: dict[str, Channel] = {ACCOUNT: bench.channel}
    backfill = Backfill(channels, bench.store, bench.inbox.accept, bench.clock, bench.metrics, lambda _: True)
    await asyncio.wait_for(backfill.keep(), 1)
    backfill.missed(FAKE, ONE)


@pytest.mark.parametrize(
    "trouble", [AccountRefused("slack: missing_scope"), RateLimited(0.0), StoreUnavailable("away"), KeyError("a bug")]
)
async def test_the_loop_outlives_every_trouble_and_tells_it_once(trouble: Exception) -> None:
    asked = build(BY_CONVERSATION.model_copy(update={"every_s": 0.001}), a=5)

    def answer(gap: Gap) -> Look:
        raise trouble

    asked.channel.answer = answer
    with structlog.testing.capture_logs() as lines:
        async with keeping(asked.backfill()):
            await asked.channel.until_asked(4)
    told = [line for line in lines if line["event"] == "backfill_interrupted"]
    assert [line["error"] for line in told] == [type(trouble).__name__]


async def test_the_loop_outlives_a_database_that_is_away() -> None:
    asked = build(BY_CONVERSATION.model_copy(update={"every_s": 0.001}), a=5)
    asked.store.failure = StoreUnavailable("away")
    async with keeping(asked.backfill()):
        await asyncio.sleep(0.01)
        asked.store.failure = None
        await asked.channel.until_asked(1)
