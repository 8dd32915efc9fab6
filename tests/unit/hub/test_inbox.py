import asyncio
from collections.abc import Sequence

import pytest

from channels.inbound import Inbound
from core.errors import StoreRefused, StoreUnavailable
from core.inbox import InboxRow
from core.store.memory import MemoryStore
from hub.clock import SystemClock
from hub.inbox import KEPT_IN_QUARANTINE_BYTES, MAX_PAYLOAD_BYTES
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
    assert len(row.body) == KEPT_IN_QUARANTINE_BYTES
    assert bench.channel.sent == []


async def test_a_payload_is_journaled_as_it_came() -> None:
    bench = build_bench()
    bench.inbox._offer = lambda *_: None
    raw = b"\x00\xff\xfe not text at all"
    await bench.inbox.accept(
        Inbound(bench.channel.name, bench.channel.account, raw, bench.clock.now(), {"content-type": "x/y"})
    )
    (entry,) = await bench.store.open_inbox(bench.clock.now(), 0, 10)
    (row,) = await bench.store.load_inbox([entry.id])
    assert (row.body, row.headers) == (raw, {"content-type": "x/y"})


async def test_arrivals_are_numbered_in_order() -> None:
    bench = build_bench()
    bench.inbox._offer = lambda *_: None
    for name in "abc":
        await bench.receive(name)
    entries = await bench.store.open_inbox(bench.clock.now(), 0, 10)
    rows = await bench.store.load_inbox([entry.id for entry in entries])
    assert [row.n for row in sorted(rows, key=lambda row: row.sort_key)] == [0, 1, 2]


async def test_an_inbox_that_is_closed_refuses_so_that_the_platform_comes_again() -> None:
    """F021."""
    bench = build_bench()
    await bench.receive("1")
    await bench.settle()
    await bench.inbox.close()
    with pytest.raises(StoreUnavailable):
        await bench.receive("2")
    assert await bench.store.find_inbox("fake:2") is None


async def test_nothing_is_accepted_before_the_first_sweep_is_through() -> None:
    bench = build_bench()
    bench.inbox._opened.clear()
    waiting = asyncio.create_task(bench.receive("1"))
    await asyncio.sleep(0.02)
    assert await bench.store.find_inbox("fake:1") is None
    bench.inbox.open()
    assert await waiting == "accepted"
    await bench.settle()


class PickyStore(MemoryStore):
    """Refuses what BSON cannot hold, and with it the whole group, as the driver does."""

    async def insert_inbox(self, rows: Sequence[InboxRow]) -> list[bool]:
        if any("poison" in row.id or "\udcff" in "".join(row.headers.values()) for row in rows):
            raise StoreRefused("cannot be stored: UnicodeEncodeError")
        return await super().insert_inbox(rows)


async def test_a_payload_that_cannot_be_stored_as_it_is_harms_nobody_else_and_is_quarantined() -> None:
    """F077: no 5xx, no redelivery loop, and the neighbours in the group are accepted."""
    bench = build_bench(store=PickyStore(SystemClock()))
    results = await asyncio.gather(
        bench.receive("1", thread="a"), bench.receive("poison"), bench.receive("2", thread="b")
    )
    await bench.settle()
    assert results == ["accepted"] * 3
    assert sorted(name for name, _ in bench.channel.sent) == ["fake:one:a", "fake:one:b"]
    (row,) = await bench.store.quarantined(10)
    assert (row.reason or "").startswith("unstorable")


async def test_a_header_that_utf8_cannot_hold_is_cleaned() -> None:
    bench = build_bench(store=PickyStore(SystemClock()))
    headers = {"x-envelope-from": "a\udcff@evil.example"}
    body = b'{"id": "1", "thread": "t1", "text": "hello"}'
    await bench.inbox.accept(Inbound(bench.channel.name, bench.channel.account, body, bench.clock.now(), headers))
    await bench.settle()
    row = await bench.store.find_inbox("fake:1")
    assert row is not None
    assert row.headers == {"x-envelope-from": "a\ufffd@evil.example"}
