"""What a hub's own database says once it should have nothing left to do."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from core.errors import StoreUnavailable
from core.inbox import InboxState
from core.storage import TranscriptRow
from core.store.mongo import MongoStore
from hub.clock import SystemClock

LOOK_EVERY_S = 0.25
FAR = timedelta(days=7)
MANY = 10_000
ASKED_AT_ONCE = 1000


@asynccontextmanager
async def opened_store(port: int) -> AsyncIterator[MongoStore]:
    """Open the embedded database of a running hub, beside it."""
    store = MongoStore(f"mongodb://127.0.0.1:{port}/?retryWrites=false", "frontdesk", SystemClock())
    try:
        yield store
    finally:
        store.close()


async def until_quiet(store: MongoStore, is_all_accepted: Callable[[], bool], within_s: float) -> None:
    """Wait until every message is accepted, no row of the inbox is open, and no outbox holds anything to send.

    Raises:
        AssertionError: it does not become quiet in time; says what is left.
    """
    deadline = time.monotonic() + within_s
    while not (is_all_accepted() and await _left(store) == (0, 0)):
        if time.monotonic() > deadline:
            raise AssertionError(f"not quiet after {within_s} s: open rows, waking conversations {await _left(store)}")
        await asyncio.sleep(LOOK_EVERY_S)


async def _left(store: MongoStore) -> tuple[int, int]:
    now = datetime.now(UTC)
    try:
        return len(await store.open_inbox(now + FAR, 0, MANY)), len(await store.waking(now + FAR, MANY))
    except StoreUnavailable:
        return (MANY, MANY)


async def until_held(store: MongoStore, count: int, within_s: float) -> list[TranscriptRow]:
    """Wait until so many replies are held, and return them.

    Raises:
        AssertionError: there are fewer in time.
    """
    deadline = time.monotonic() + within_s
    while len(lines := await store.held_lines(MANY)) < count:
        assert time.monotonic() < deadline, f"{len(lines)} of {count} replies are held after {within_s} s"
        await asyncio.sleep(LOOK_EVERY_S)
    return lines


async def unfinished(store: MongoStore, event_ids: Collection[str]) -> list[str]:
    """Return the events whose row in the inbox has not come to its end."""
    rows = [(event_id, await store.find_inbox(event_id)) for event_id in event_ids]
    return [event_id for event_id, row in rows if row is None or row.state is not InboxState.DONE]


async def unwritten(store: MongoStore, event_ids: Collection[str]) -> list[str]:
    """Return the events of which the transcript has no line."""
    ids, missing = sorted(event_ids), set(event_ids)
    for start in range(0, len(ids), ASKED_AT_ONCE):
        named = {"_id": {"$in": ids[start : start + ASKED_AT_ONCE]}}
        missing -= {line["_id"] async for line in store._database["messages"].find(named, {"_id": 1})}
    return sorted(missing)
