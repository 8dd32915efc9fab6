import asyncio
from datetime import timedelta

import pytest

from core.conversation import Conversation
from core.errors import (
    AccountRefused,
    DeliveryError,
    PermanentFailure,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
    VersionConflict,
)
from core.ids import ConversationId
from core.outbox import OutboxRow, SendState, after_error, in_doubt
from core.replies import ApiCall, ReplyKind
from core.storage import Save
from hub.holds import LEASE_S, WORK_WITHOUT_RENEWAL_S
from tests.contract.store_contract import conversation, out_row
from tests.factories import Bench, FakeChannel, build_bench
from tests.fakes import START, FakeClock

T1 = ConversationId("fake:one:t1")


def channel_that(*outcomes: BaseException | None, **more: object) -> FakeChannel:
    return FakeChannel(outcomes=list(outcomes), **more)  # type: ignore[arg-type]


async def said(bench: Bench) -> list[str]:
    await bench.settle()
    return [text for _, text in bench.channel.sent]


async def state_of_reply(bench: Bench, index: int = -1) -> str | None:
    await bench.settle()
    lines = [line for line in await bench.store.transcript(T1, 0, 100) if line.direction == "out"]
    return lines[index].state


async def test_a_platform_that_asks_for_a_pause_gets_it_and_order_is_kept() -> None:
    """F042."""
    bench = build_bench(channel=channel_that(RateLimited(0.2)))
    started = bench.clock.monotonic()
    await bench.receive("1", "one")
    await bench.receive("2", "two")
    assert await said(bench) == ["one", "two"]
    assert bench.clock.monotonic() - started >= 0.2


async def test_a_pause_of_one_recipient_does_not_hold_up_another() -> None:
    bench = build_bench(channel=channel_that(RateLimited(0.3)))
    await bench.receive("1", "one", "a")
    await asyncio.sleep(0.05)
    await bench.receive("2", "two", "b")
    await asyncio.sleep(0.05)
    assert [text for _, text in bench.channel.sent] == ["two"]
    assert await said(bench) == ["two", "one"]


async def test_a_refusal_is_final_and_the_line_moves_on() -> None:
    """F048, F052."""
    bench = build_bench(channel=channel_that(PermanentFailure("gone", code="channel_not_found")))
    await bench.receive("1", "one")
    await bench.receive("2", "two")
    assert await said(bench) == ["two"]
    assert await state_of_reply(bench, 0) == "failed"
    assert await bench.state_of("1") == "done"


async def test_a_send_in_doubt_is_held_where_nothing_can_be_proven() -> None:
    """F010 on Telegram: no double, and visible."""
    bench = build_bench(channel=channel_that(UnknownOutcome("timeout"), acts_before_failing=True))
    await bench.receive("1", "one")
    assert await said(bench) == ["one"]
    (held,) = await bench.store.held_lines(10)
    assert (held.text, held.reason, held.state) == ("one", "unknown_outcome", "held")
    assert held.call is not None, "a person may send it again"


async def test_a_send_in_doubt_is_proven_where_the_platform_can_be_asked() -> None:
    bench = build_bench(channel=channel_that(UnknownOutcome("timeout"), acts_before_failing=True, ability="provable"))
    await bench.receive("1", "one")
    assert await said(bench) == ["one"]
    assert await state_of_reply(bench) == "sent"


async def test_a_send_proven_absent_is_sent_again() -> None:
    """F009."""
    bench = build_bench(channel=channel_that(UnknownOutcome("timeout"), ability="provable"))
    await bench.receive("1", "one")
    assert await said(bench) == ["one"]
    assert await state_of_reply(bench) == "sent"


async def test_absence_does_not_count_while_a_request_may_still_be_under_way() -> None:
    """The platform is asked at once; a no counts only when no request can be under way any more."""
    bench = build_bench(channel=channel_that(UnknownOutcome("timeout"), ability="provable"), absence_proven_after_s=30)
    await bench.receive("1", "one")
    await asyncio.sleep(0.05)
    found = await bench.store.load(T1)
    assert found is not None
    assert [(row.state, row.attempt) for row in found.out] == [(SendState.UNKNOWN, 1)]
    assert await bench.store.waking(bench.clock.now() + timedelta(seconds=31), 10) == [T1]
    await bench.lanes.drain(0.1)
    assert bench.channel.sent == []


async def test_a_send_in_doubt_is_repeated_where_that_cannot_double() -> None:
    bench = build_bench(channel=channel_that(UnknownOutcome("timeout"), ability="idempotent"))
    await bench.receive("1", "one")
    assert await said(bench) == ["one"]


async def test_an_adapter_that_breaks_counts_as_doubt_and_never_as_unsent() -> None:
    bench = build_bench(channel=channel_that(KeyError("a bug")))
    await bench.receive("1", "one")
    await bench.settle()
    assert len(await bench.store.held_lines(10)) == 1


async def test_a_row_found_in_sending_is_in_doubt_and_never_queued() -> None:
    """F009: the owner died between its claim and the answer. Kills M5."""
    bench = build_bench(channel=FakeChannel())
    (lease,) = await bench.store.acquire([T1], "dead", 0.0)
    await bench.receive("0", "first", "elsewhere")
    state = build_conversation()
    sending = out_row("o1", SendState.SENDING, started_at=bench.clock.now())
    await bench.store.save([Save(state, (sending,), lease.fence, lease.rev, bench.clock.now())])
    await asyncio.sleep(0.01)
    await bench.sweep.once(everything=True)
    await bench.settle()
    assert [name for name, _ in bench.channel.sent] == ["fake:one:elsewhere"]
    assert [line.id for line in await bench.store.held_lines(10)] == ["o1"]


def build_conversation() -> Conversation:
    return conversation(T1, version=1, channel="fake", account="one")


async def test_a_reply_planned_before_a_person_took_over_is_cancelled() -> None:
    bench = build_bench()
    (lease,) = await bench.store.acquire([T1], "dead", 0.0)
    owned = build_conversation().model_copy(update={"owner": "agent", "epoch": 1})
    rows = (out_row("o1", created_at=bench.clock.now()), out_row("o2", created_at=bench.clock.now(), epoch=1))
    await bench.store.save([Save(owned, rows, lease.fence, lease.rev, bench.clock.now())])
    await asyncio.sleep(0.01)
    await bench.sweep.once(everything=True)
    await bench.settle()
    states = {line.id: line.state for line in await bench.store.transcript(T1, 0, 10)}
    assert states == {"o1": "cancelled", "o2": "sent"}


async def test_a_reply_that_is_a_day_old_is_not_sent() -> None:
    bench = build_bench()
    (lease,) = await bench.store.acquire([T1], "dead", 0.0)
    old = out_row("o1", created_at=bench.clock.now() - timedelta(hours=25))
    await bench.store.save([Save(build_conversation(), (old,), lease.fence, lease.rev, bench.clock.now())])
    await asyncio.sleep(0.01)
    await bench.sweep.once(everything=True)
    assert await said(bench) == []
    assert await state_of_reply(bench) == "cancelled"


async def test_refused_credentials_pause_the_account_and_lose_nothing() -> None:
    """F051."""
    bench = build_bench(channel=channel_that(AccountRefused("token revoked")))
    await bench.receive("1", "one")
    await asyncio.sleep(0.05)
    await bench.receive("2", "two", "t2")
    await asyncio.sleep(0.05)
    assert bench.channel.sent == []
    found = await bench.store.load(T1)
    assert found is not None
    assert [row.state for row in found.out] == [SendState.QUEUED]
    await bench.lanes.drain(0.1)


async def test_a_reply_of_several_calls_is_sent_one_after_the_other_and_stops_at_a_pause() -> None:
    bench = build_bench(channel=channel_that(None, RateLimited(0.1)))
    await bench.receive("1", "a|b|c")
    assert await said(bench) == ["a", "b", "c"]


async def test_a_process_that_slept_through_its_claim_does_not_send_under_it() -> None:
    """F026: the deadline is checked right before the first byte."""
    bench = build_bench()
    hold = await bench.holds.take(T1)
    assert hold is not None
    hold.conversation = build_conversation()
    long_ago = bench.clock.now() - timedelta(seconds=11)
    hold.out = (out_row("o1", SendState.SENDING, started_at=long_ago, created_at=bench.clock.now()),)
    hold.is_fresh = False
    await bench.outbox._send(hold, hold.out[0])
    assert bench.channel.sent == []
    assert hold.out[0].state is SendState.QUEUED


ROW = out_row("o1").sending(START)
CALL = ApiCall(method="say", params={}, bucket="b")


@pytest.mark.parametrize(
    ("error", "state", "wait_s"),
    [
        (RateLimited(7.0), SendState.QUEUED, 7.0),
        (TemporaryFailure("refused"), SendState.QUEUED, 1.0),
        (AccountRefused("token"), SendState.QUEUED, 1.0),
        (PermanentFailure("no"), SendState.FAILED, None),
        (UnknownOutcome("?"), SendState.UNKNOWN, None),
        (DeliveryError("of a kind nobody knows"), SendState.UNKNOWN, None),
    ],
)
def test_every_error_has_one_consequence(error: DeliveryError, state: SendState, wait_s: float | None) -> None:
    changed = after_error(ROW, error, START)
    assert changed.state is state
    assert changed.retry_at == (None if wait_s is None else START + timedelta(seconds=wait_s))


@pytest.mark.parametrize(
    ("kind", "ability", "state"),
    [
        ("answer", "unprovable", SendState.HELD),
        ("question", "unprovable", SendState.HELD),
        ("side_effect", "provable", SendState.HELD),
        ("agent", "unprovable", SendState.HELD),
        ("handoff_notice", "unprovable", SendState.QUEUED),
        ("answer", "idempotent", SendState.QUEUED),
    ],
)
def test_doubt_is_settled_by_the_lesser_harm(kind: ReplyKind, ability: str, state: SendState) -> None:
    """SEMANTICS section 6.4."""
    row = ROW.model_copy(update={"call": CALL.model_copy(update={"kind": kind})})
    assert in_doubt(row, ability, START).state is state  # type: ignore[arg-type]


def test_an_aside_in_doubt_is_let_go() -> None:
    row: OutboxRow = ROW.model_copy(update={"call": CALL.model_copy(update={"role": "aside"})})
    assert in_doubt(row, "idempotent", START).state is SendState.CANCELLED


async def test_a_lease_that_is_not_renewed_stops_the_work() -> None:
    """F029: a worker cut off from the database stops before another may take over."""
    clock = FakeClock()
    bench = build_bench(clock=clock)
    hold = await bench.holds.take(T1)
    assert hold is not None
    hold.conversation = build_conversation()
    await bench.holds.save(hold)
    clock.advance(WORK_WITHOUT_RENEWAL_S)
    assert WORK_WITHOUT_RENEWAL_S < LEASE_S
    with pytest.raises(VersionConflict):
        await bench.holds.save(hold)
    assert not bench.holds.holds(T1)


async def test_a_renewed_lease_goes_on_and_an_idle_one_is_given_back() -> None:
    clock = FakeClock()
    bench = build_bench(clock=clock)
    hold = await bench.holds.take(T1)
    assert hold is not None
    clock.advance(WORK_WITHOUT_RENEWAL_S - 1)
    await bench.holds.renew()
    clock.advance(WORK_WITHOUT_RENEWAL_S - 1)
    hold.conversation = build_conversation()
    await bench.holds.save(hold)
    bench.holds.idle(hold)
    await bench.holds.give_back_idle()
    assert [lease.fence for lease in await bench.store.acquire([T1], "next", LEASE_S)] != []


async def test_a_reply_of_an_account_that_is_switched_off_waits_and_is_not_doubted() -> None:
    bench = build_bench(channel=channel_that(RateLimited(20.0)))
    await bench.receive("1", "one")
    await asyncio.sleep(0.05)
    await bench.lanes.drain(0.2)
    await bench.holds.close()
    off = build_bench(store=bench.store, worker="off")
    off.outbox.channels = {}
    off.lanes._channels = {}
    await off.sweep.once(everything=True)
    await off.settle()
    found = await bench.store.load(T1)
    assert found is not None
    assert [row.state for row in found.out] == [SendState.QUEUED]


async def test_a_status_right_behind_the_send_is_not_lost() -> None:
    """F056."""
    bench = build_bench()
    await bench.receive("1", "one")
    while not bench.channel.sent:
        await asyncio.sleep(0)
    (line,) = [row.id for hold in bench.holds._held.values() for row in hold.out] or [None]
    await bench.receive("2", "status", status="failed", out_id=line)
    await bench.settle()
    assert await state_of_reply(bench, 0) == "failed"


@pytest.mark.parametrize("status", ["delivered", "read", "failed"])
async def test_a_status_of_a_send_in_doubt_is_told_once_the_send_is_written_down(status: str) -> None:
    """F056: it proves that the send arrived, and says more than that."""
    bench = build_bench(channel=channel_that(UnknownOutcome("timeout"), ability="provable"), absence_proven_after_s=30)
    await bench.receive("1", "one")
    while not (doubtful := [row for hold in bench.holds._held.values() for row in hold.out if row.state == "unknown"]):
        await asyncio.sleep(0)
    await bench.receive("2", "status", status=status, out_id=doubtful[0].id)
    await bench.settle()
    assert await state_of_reply(bench, 0) == status
    assert bench.channel.sent == [], "it is not sent again"
