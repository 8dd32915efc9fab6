"""`python -m tests.bench.spool`: payloads accepted through the spool, and drained into the embedded database."""

import asyncio
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from channels.inbound import Inbound
from core.errors import StoreUnavailable
from core.inbox import InboxRow
from core.store.mongo import MongoStore
from hub.clock import SystemClock
from hub.inbox import Inbox
from hub.spool.spool import Spool
from hub.telemetry import Metrics
from tests.factories import ACCOUNT, FAKE, ONE, FakeChannel
from tests.servers.database import running_database

PAYLOADS = 20_000
AT_ONCE = 64
BODY_BYTES = 1000
MAX_BYTES = 512 * 1024 * 1024


class Door:
    """A database that can be shut off, and an inbox in front of it."""

    def __init__(self, store: MongoStore, folder: Path) -> None:
        self.is_open = False
        self.metrics = Metrics()
        self._insert = store.insert_inbox
        store.insert_inbox = self._maybe  # type: ignore[method-assign]
        self.spool = Spool(folder, "bench", MAX_BYTES, self.metrics)
        channels = {ACCOUNT: FakeChannel()}
        self.inbox = Inbox(store, "bench", SystemClock(), self.metrics, channels, lambda *_: None, self.spool)

    async def _maybe(self, rows: list[InboxRow]) -> list[bool]:
        if not self.is_open:
            raise StoreUnavailable("shut off")
        return await self._insert(rows)


async def accept_all(inbox: Inbox) -> list[float]:
    """Let so many senders deliver one payload after the other; returns what each delivery took, in seconds."""
    took_s: list[float] = []
    numbers = iter(range(PAYLOADS))
    filling = "x" * BODY_BYTES

    async def sender() -> None:
        for number in numbers:
            body = f'{{"id": "{number}", "thread": "t{number % 500}", "text": "{filling}"}}'.encode()
            started = time.perf_counter()
            await inbox.accept(Inbound(FAKE, ONE, body, datetime.now(UTC), {}))
            took_s.append(time.perf_counter() - started)

    await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    return took_s


@dataclass(frozen=True)
class _Alone:
    """A beginning with nobody else and nothing left behind."""

    store: MongoStore

    async def join(self) -> bool:
        await self.store.prepare()
        return False

    async def listen(self) -> None:
        pass

    async def take_up(self) -> None:
        pass


async def measure(uri: str, folder: Path) -> None:
    store = MongoStore(uri, "bench", SystemClock())
    door = Door(store, folder / "spool")
    await door.inbox.start(_Alone(store))
    started = time.perf_counter()
    took_s = await accept_all(door.inbox)
    accepting_s = time.perf_counter() - started
    size = door.metrics.registry.get_sample_value("frontdesk_spool_bytes") or 0.0
    cuts = statistics.quantiles(took_s, n=100)
    print(f"{PAYLOADS / accepting_s:,.0f} accepted/s, {AT_ONCE} at a time, p50 {cuts[49] * 1000:.1f} ms,", end=" ")
    print(f"p99 {cuts[98] * 1000:.1f} ms; {size / PAYLOADS:.0f} bytes on disk for a payload of {BODY_BYTES}")
    door.is_open = True
    while door.spool.is_empty is False and not door.metrics.registry.get_sample_value("frontdesk_spool_drained_total"):
        await asyncio.sleep(0.001)
    started = time.perf_counter()
    while not door.spool.is_empty:
        await asyncio.sleep(0.001)
    print(f"{PAYLOADS / (time.perf_counter() - started):,.0f} drained/s into the embedded database")
    await door.inbox.close()
    store.close()


def main() -> None:
    uvloop.install()
    print(f"{os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name, running_database(Path(name) / "db") as uri:
        asyncio.run(measure(uri, Path(name)))


if __name__ == "__main__":
    main()
