import asyncio
from collections.abc import Sequence

import pytest

from channels.inbound import Inbound
from core.errors import StoreUnavailable
from core.inbox import InboxRow
from core.store.memory import MemoryStore
from hub.clock import SystemClock
from hub.inbox import KEPT_OF_OVERSIZED_BYTES, MAX_PAYLOAD_BYTES
from tests.factories import build_bench


class SilentStore(MemoryStore):
    """A database that does not answer."""

    async def insert_inbox(self, rows: Sequence[InboxRow]) -> list[bool]:
        await asyncio.sleep(60)
        return []


class RefusingStore(MemoryStore):
    async def insert_inbox(self, rows: Sequence[InboxRow]) -> list[bool]:
        raise StoreUnavailable("no primary")


@pytest.mark.parametrize("store_type", [RefusingStore, SilentStore])
async def test_nothing_is_accepted_that_is_not_durable(
    store_type: type[MemoryStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """F031, M2: no success before the insert."""
    monkeypatch.setattr("hub.inbox.ACCEPT_WITHIN_S", 0.05)
    bench = build_bench(store=store_type(SystemClock()))
    with pytest.raises(StoreUnavailable):
        await bench.receive("1")
    assert bench.channel.sent == []


async def test_an_oversized_payload_is_kept_in_part_and_never_read() -> None:
    """F074: quarantined, acknowledged, no redelivery loop."""
    bench = build_bench()
    body = b'{"id": "big", "thread": "t1", "text": "' + b"x" * MAX_PAYLOAD_BYTES + b'"}'
    assert await bench.receive_raw(body) == "accepted"
    assert await bench.receive_raw(body) == "duplicate"
    await bench.settle()
    (row,) = await bench.store.quarantined(10)
    assert row.reason is not None
    assert row.reason.startswith("too_big")
    assert len(row.body) == KEPT_OF_OVERSIZED_BYTES
    assert bench.channel.sent == []


async def test_a_payload_is_journaled_as_it_came() -> None:
    bench = build_bench()
    bench.inbox._offer = None
    raw = b"\x00\xff\xfe not text at all"
    await bench.inbox.accept(
        Inbound(bench.channel.name, bench.channel.account, raw, bench.clock.now(), {"content-type": "x/y"})
    )
    (row,) = await bench.store.open_inbox(bench.clock.now(), bench.clock.now(), 10)
    assert (row.body, row.headers) == (raw, {"content-type": "x/y"})


async def test_arrivals_are_numbered_in_order() -> None:
    bench = build_bench()
    bench.inbox._offer = None
    for name in "abc":
        await bench.receive(name)
    rows = await bench.store.open_inbox(bench.clock.now(), bench.clock.now(), 10)
    assert [row.n for row in sorted(rows, key=lambda row: row.sort_key)] == [0, 1, 2]


async def test_an_inbox_that_is_closed_refuses_so_that_the_platform_comes_again() -> None:
    """F021."""
    bench = build_bench()
    await bench.receive("1")
    await bench.inbox.close()
    with pytest.raises(StoreUnavailable):
        await bench.receive("2")
    assert await bench.store.find_inbox("fake:2") is None
