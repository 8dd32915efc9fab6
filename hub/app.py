"""A running hub: how it starts, in which order its parts begin, and how it stops."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog

from channels.base import Channel
from core.clock import Clock
from core.errors import StoreUnavailable
from core.storage import Store
from core.store.mongo import MongoStore
from hub.backfill import Backfill
from hub.content import Content
from hub.database import EmbeddedDatabase
from hub.holds import Holds
from hub.inbox import Inbox
from hub.lanes.dispatch import Dispatch
from hub.lanes.hints import Hints
from hub.lanes.local import Lanes
from hub.lanes.members import Members
from hub.lanes.sweep import Sweep
from hub.media.shelf import Shelf
from hub.records import Records
from hub.settings import Role, Settings
from hub.suspects import Suspects
from hub.tasks import end
from hub.telemetry import Metrics
from hub.typing_signs import TypingSigns

log = structlog.get_logger(__name__)

LISTENS: Mapping[Role, Callable[[str], bool]] = {
    "all": lambda _: True,
    "web": lambda channel: channel != "email",
    "mail": lambda channel: channel == "email",
    "worker": lambda _: False,
}
"""Which role polls, holds sockets or reads mailboxes for which channel."""
CLOCK_EVERY_S = 30.0
LISTEN_AGAIN_AFTER_S = 5.0
READY_WITHIN_S = 1.0
"""A database that has not answered by then counts as away, for a start as for the readiness check."""
DRAIN_WITHIN_S = 4.0
"""A stop waits this long for running turns; with the rest it ends within the ten seconds that an orchestrator gives."""


@dataclass
class App:
    """A hub: everything it is made of, and how it starts and stops."""

    settings: Settings
    role: Role
    store: Store
    database: EmbeddedDatabase | None
    clock: Clock
    metrics: Metrics
    content: Content
    session: aiohttp.ClientSession
    channels: Mapping[str, Channel]
    inbox: Inbox
    holds: Holds
    records: Records
    members: Members
    lanes: Lanes | None
    sweep: Sweep | None
    hints: Hints | None
    dispatch: Dispatch
    backfill: Backfill
    suspects: Suspects | None
    shelf: Shelf
    signs: TypingSigns
    ready: bool = False
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    async def start(self, listen: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Join the others, then have platforms reach us, and take up what was left behind: nothing new may overtake it.

        Args:
            listen: begins to take connections.
        """
        self._say_what_is_off()
        if self.hints is not None:
            await self.hints.start()
        if self.suspects is not None:
            self.suspects.open()
        await self.inbox.start(_Beginning(self, listen))
        self._go(self.members.keep())
        self._go(self.members.spools.tell())
        self._go(self.members.spools.look_out())
        self._go(_watch_clock(self.store, self.metrics))
        if self.sweep is not None:
            self._go(self.holds.keep())
            self._go(self.holds.move())
            self._go(self.sweep.keep())
            if self.hints is not None:
                self._go(self.hints.follow(lambda: self.members.mine, self.dispatch.hear))
        self._go(self.backfill.keep())
        for key, channel in self.channels.items():
            if LISTENS[self.role](channel.name):
                self._go(self._listen(key, channel))
        self.ready = True

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as the hub lives; should it end by itself with an error, say so."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("background_task_ended", task=str(task.get_coro()), error=type(error).__name__)

        task = asyncio.create_task(work)
        task.add_done_callback(ended)
        self._tasks.append(task)

    def _say_what_is_off(self) -> None:
        for plan in self.settings.accounts:
            if plan.settings is None:
                log.warning("channel_off", account=plan.key, missing=list(plan.missing), switch_on=plan.switch_on)

    async def _listen(self, key: str, channel: Channel) -> None:
        """Keep an account listening; one that cannot must not take the others down."""
        gauge = self.metrics.channel_up.labels(channel.name, channel.account)
        while True:
            try:
                gauge.set(1)
                await channel.listen()
            except Exception as error:  # noqa: BLE001  whatever a platform's library raises, the account comes back
                gauge.set(0)
                log.error("listening_failed", account=key, error=type(error).__name__)
                await asyncio.sleep(LISTEN_AGAIN_AFTER_S)
            else:
                return  # this account is called by its platform

    async def stop(self) -> None:
        """Take nothing new, finish what runs, give everything back."""
        self.ready = False
        await self.inbox.close()
        if self.lanes is not None:
            await self.lanes.drain(DRAIN_WITHIN_S)
        await end(self._tasks)
        await self.signs.close()
        if self.hints is not None:
            await self.hints.close()
        await self.records.drain()
        with contextlib.suppress(Exception):  # leases run out by themselves where the database is gone already
            await self.holds.close()
            await self.members.leave()
        for channel in self.channels.values():
            await channel.close()
        await self.session.close()
        await self.shelf.downloader.close()
        self.store.close()
        if self.suspects is not None:
            self.suspects.close()
        if self.database is not None:
            await self.database.stop()


@dataclass(frozen=True)
class _Beginning:
    """How a hub begins (`hub.spool.drainer.Beginning`)."""

    app: App
    listen: Callable[[], Coroutine[Any, Any, None]]

    async def join(self) -> bool:
        try:
            await asyncio.wait_for(self.app.store.ping(), READY_WITHIN_S)
        except TimeoutError as error:
            raise StoreUnavailable("the database does not answer") from error
        await self.app.store.prepare()
        if self.app.suspects is not None:
            await self.app.suspects.count(self.app.store)
        await self.app.members.join()
        return not self.app.members.is_alone

    async def take_up(self) -> None:
        if self.app.sweep is not None:
            await self.app.sweep.once(everything=True)


async def _watch_clock(store: Store, metrics: Metrics) -> None:
    """Go on comparing, until cancelled."""
    while isinstance(store, MongoStore):
        await asyncio.sleep(CLOCK_EVERY_S)
        with contextlib.suppress(StoreUnavailable):
            metrics.clock_skew.set(await store.clock_skew_s())
