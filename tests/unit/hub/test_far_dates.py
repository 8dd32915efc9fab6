"""Clocks that show dates nobody has tried (F034)."""

from datetime import UTC, datetime, timedelta

import pytest

from core.ids import ConversationId
from core.outbox import SendState
from core.storage import Save
from core.store.documents import earliest_wake
from core.store.memory import MemoryStore
from tests.contract.store_contract import conversation, out_row
from tests.factories import build_bench
from tests.fakes import FakeClock

T1 = ConversationId("fake:one:t1")
DATES = [
    datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC),  # the last second of a signed 32-bit time
    datetime(2038, 1, 20, tzinfo=UTC),
    datetime(2106, 2, 7, 6, 28, 16, tzinfo=UTC),  # behind the last second of an unsigned one
    datetime(9999, 1, 1, tzinfo=UTC),
]


@pytest.mark.parametrize("at", DATES, ids=str)
async def test_a_message_is_answered_whatever_the_date(at: datetime) -> None:
    """F034."""
    bench = build_bench(clock=FakeClock(at))
    for number in range(3):
        await bench.receive(str(number), f"text {number}")
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == ["text 0", "text 1", "text 2"]
    await bench.sweep.once(everything=True)
    (first, *_) = await bench.store.transcript(T1, 0, 10)
    assert first.at == at


@pytest.mark.parametrize("at", DATES, ids=str)
async def test_a_pause_that_crosses_the_date_ends(at: datetime) -> None:
    """F034: what is to be sent again behind the date is found by the sweep behind it, and not before."""
    clock = FakeClock(at - timedelta(seconds=1))
    store = MemoryStore(clock)
    (lease,) = await store.acquire([T1], "w0", 0.0)
    state = conversation(T1, version=1, channel="fake", account="one", address={"to": "t1"})
    row = out_row("o1", SendState.QUEUED, created_at=clock.now(), retry_at=at + timedelta(seconds=2))
    wake_at = earliest_wake((row,), clock.now())
    await store.save([Save(state, (row,), lease.fence, lease.rev, wake_at, release=True)])
    assert await store.waking(clock.now(), 10) == []
    clock.advance(5.0)
    assert await store.waking(clock.now(), 10) == [T1]
    bench = build_bench(clock=clock, store=store)
    await bench.sweep.once()
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == ["hello"]
