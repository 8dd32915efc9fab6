"""The hub under test: how it is started, asked whether it is at rest, and looked into."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from core.ids import ConversationId
from core.inbox import InboxState
from core.storage import TranscriptRow
from core.store.mongo import MongoStore
from hub.clock import SystemClock
from tests.servers.hub import Hub

WITHIN_S = 20.0
LOOK_AGAIN_S = 0.05
UNFINISHED = [str(state) for state in (InboxState.RECEIVED, InboxState.READY, InboxState.HANDLED)]

Seen = TypeVar("Seen")


@contextmanager
def started(hub: Hub) -> Iterator[Hub]:
    """Run a hub while the block lasts. Its port is known before, so that a platform can be told where it will be."""
    try:
        yield hub.start()
    finally:
        if hub.process is not None and hub.process.poll() is None:
            hub.stop()


async def until(look: Callable[[], Awaitable[Seen]], holds: Callable[[Seen], bool]) -> Seen:
    """Look at something outside of this process again and again until a condition holds."""
    deadline = time.monotonic() + WITHIN_S
    while not holds(seen := await look()):
        assert time.monotonic() < deadline, f"after {WITHIN_S:.0f} s it is still {seen!r}"
        await asyncio.sleep(LOOK_AGAIN_S)
    return seen


@asynccontextmanager
async def store_of(hub: Hub) -> AsyncIterator[MongoStore]:
    """Open the hub's own database."""
    store = MongoStore(f"mongodb://127.0.0.1:{hub.database_port}/?retryWrites=false", "frontdesk", SystemClock())
    try:
        yield store
    finally:
        store.close()


async def at_rest(hub: Hub) -> None:
    """Wait until everything that was accepted has come to its end: nothing more will be said of it."""
    async with store_of(hub) as store:
        unfinished = {"state": {"$in": UNFINISHED}}
        await until(lambda: store._collection("inbox").count_documents(unfinished), lambda count: count == 0)


async def accepted(hub: Hub) -> int:
    """Count the payloads that the hub has ever accepted."""
    async with store_of(hub) as store:
        return int(await store._collection("inbox").count_documents({}))


async def transcript_around(hub: Hub, provider_id: str) -> list[TranscriptRow]:
    """Return the transcript of the conversation that one of our messages stands in, by the platform's id of it."""
    async with store_of(hub) as store:
        line = await store._collection("messages").find_one({"provider_id": provider_id})
        return [] if line is None else await store.transcript(ConversationId(line["conversation_id"]), -1, 1000)


async def state_of(hub: Hub, provider_id: str) -> str | None:
    """Return how far one of our messages has come."""
    lines = await transcript_around(hub, provider_id)
    return next((line.state for line in lines if line.provider_id == provider_id), None)


async def exactly(hub: Hub, count: int, look: Callable[[], Awaitable[list[Seen]]]) -> list[Seen]:
    """Wait for a number of replies at the platform, and see that there are no more once the hub is at rest."""
    await until(look, lambda seen: len(seen) >= count)
    await at_rest(hub)
    seen = await look()
    assert len(seen) == count, f"{len(seen)} replies instead of {count}: {seen}"
    return seen
