"""Two workers that believe to have been told to do the same thing (F020, F041)."""

import asyncio

import pytest

from core.ids import ConversationId
from core.store.memory import MemoryStore
from hub.clock import SystemClock
from tests.factories import Bench, build_bench

T1 = ConversationId("fake:one:t1")
HEARD = 20


class Shared:
    """Not alone, and everything is ours: what both of two workers believe while hints overlap."""

    is_alone = False

    def owns(self, _name: str) -> bool:
        return True

    async def has_undrained(self) -> bool:
        return False


@pytest.mark.parametrize("worst", ["at once", "one after the other"])
async def test_a_hint_that_both_workers_hear_is_worked_on_by_one_and_in_order(worst: str) -> None:
    """F041: a late ack had NATS bring it again, to somebody else. The lease decides, whatever both believe."""
    clock = SystemClock()
    store = MemoryStore(clock)
    workers = [build_bench(store=store, clock=clock, worker=name, place=Shared()) for name in ("w1", "w2")]
    for seq in range(5):
        await store_row(workers[0], seq)
    for _ in range(HEARD):
        for worker in workers:
            worker.lanes.look(T1)
            if worst != "at once":
                await asyncio.sleep(0.001)
    await quiet(workers)
    sent = [text for worker in workers for _, text in worker.channel.sent]
    assert sent == [f"text {seq}" for seq in range(5)]


async def test_hints_for_what_is_done_do_nothing() -> None:
    """F020: a hundred of them, again."""
    clock = SystemClock()
    bench = build_bench(clock=clock, place=Shared())
    await store_row(bench, 0)
    bench.lanes.look(T1)
    await bench.settle()
    for _ in range(100):
        bench.lanes.look(T1)
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == ["text 0"]


async def store_row(bench: Bench, seq: int) -> None:
    """Accept a message that nobody is told of."""
    bench.inbox._offer = lambda *_: None
    await bench.receive(f"m{seq}", f"text {seq}")


async def quiet(workers: list[Bench]) -> None:
    """Wait until every message has an answer, and then stop both."""
    async with asyncio.timeout(5):
        while sum(len(worker.channel.sent) for worker in workers) < 5:
            await asyncio.sleep(0.01)
    for worker in workers:
        await worker.lanes.drain(1.0)
