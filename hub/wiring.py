"""The composition root: settings in, a running hub out. The one place where every part is known."""

import asyncio
import contextlib
import importlib
import os
import secrets
import socket
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog

from channels.base import Accept, Acceptance, Channel, Resources
from channels.inbound import Inbound
from core.clock import Clock
from core.errors import ConfigError, StoreError
from core.ids import AccountName, DeskName
from core.ports import Action, Responder
from core.storage import Store
from core.store.mongo import MongoStore
from hub.clock import SystemClock
from hub.connectors.orders import ACTION, Orders
from hub.connectors.sample_orders import SAMPLE_PATH
from hub.content import Content, build_responders, load_content
from hub.database import EmbeddedDatabase
from hub.holds import Holds
from hub.inbox import Inbox
from hub.lanes.local import GRACE_S, Lanes
from hub.lanes.rings import Rings
from hub.mailbox import StoreMailbox
from hub.outbox import Outbox
from hub.records import Records
from hub.settings import Role, Settings
from hub.telemetry import LogNames, Metrics
from hub.templating import Templates
from hub.turns import Turns

log = structlog.get_logger(__name__)

KNOWN_ACTIONS = frozenset({ACTION})
"""What `build_actions` offers to flows."""
LISTEN_AGAIN_AFTER_S = 5.0
DRAIN_WITHIN_S = 4.0
"""A stop waits this long for running turns; with the rest it ends within the ten seconds that an orchestrator gives."""


def build_channels(settings: Settings, accept: Accept, mailbox: StoreMailbox, clock: Clock) -> dict[str, Channel]:
    """Build every account that is set up; a platform's library is imported only where an account uses it."""
    resources = Resources(clock=clock, accept=accept, public_url=settings.origin, mailbox=mailbox)
    channels: dict[str, Channel] = {}
    for plan in settings.accounts:
        if plan.settings is not None:
            module = importlib.import_module(f"channels.{plan.channel}.channel")
            channels[plan.key] = module.build(AccountName(plan.name), plan.settings, resources)
    return channels


def build_actions(settings: Settings, session: aiohttp.ClientSession) -> dict[str, Action]:
    """Join the names that flows use to the systems behind them."""
    base_url = settings.connectors.orders_url or f"http://{settings.server.host}:{settings.server.port}{SAMPLE_PATH}"
    return {ACTION: Orders(base_url, session, timeout_s=settings.connectors.timeout_s)}


@dataclass
class App:
    """A hub: everything it is made of, and how it starts and stops."""

    settings: Settings
    role: Role
    store: Store
    database: EmbeddedDatabase | None
    metrics: Metrics
    content: Content
    session: aiohttp.ClientSession
    channels: Mapping[str, Channel]
    inbox: Inbox
    holds: Holds
    records: Records
    lanes: Lanes | None
    rings: Rings | None
    ready: bool = False
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    async def start(self) -> None:
        """Take up what was left behind, then open the inbox: nothing new may overtake it."""
        self._say_what_is_off()
        if self.lanes is not None:
            with contextlib.suppress(StoreError):  # the regular sweep tries again
                await self.lanes.sweep(everything=True)
        self.inbox.open()
        if self.rings is not None:
            await self.rings.start()
        if self.lanes is not None:
            self._go(self.holds.keep())
            self._go(self.lanes.keep_sweeping())
            if self.rings is not None:
                self._go(self.rings.listen(self.lanes.sweep_now))
        if self.role != "worker":
            for key, channel in self.channels.items():
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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.rings is not None:
            await self.rings.close()
        await self.records.drain()
        with contextlib.suppress(Exception):  # leases run out by themselves where the database is gone already
            await self.holds.close()
        for channel in self.channels.values():
            await channel.close()
        await self.session.close()
        self.store.close()
        if self.database is not None:
            await self.database.stop()


async def build_app(settings: Settings, role: Role = "all", clock: Clock | None = None) -> App:
    """Start the database if it is ours, and put the hub together.

    Raises:
        ConfigError: something in the configuration or the content cannot work; the message says what to change.
        StoreUnavailable: the database named by FRONTDESK_MONGO_URI does not answer.
    """
    clock = clock or SystemClock()
    metrics = Metrics()
    mind = asyncio.create_task(asyncio.to_thread(read_mind, settings, role))  # while the database starts
    database = None
    store: MongoStore | None = None
    try:
        database = await _start_database(settings, metrics)
        store = MongoStore(settings.database.uri or (database.uri if database else ""), settings.database.name, clock)
        await store.prepare()
        if database is not None:
            await store.release_all()  # nobody else can reach our own database: leases in it are a dead process's
        return assemble(settings, role, await mind, store, clock, metrics, database)
    except BaseException:
        await asyncio.gather(mind, return_exceptions=True)
        if store is not None:
            store.close()
        if database is not None:
            await database.stop()
        raise


@dataclass(frozen=True)
class Mind:
    """What the bot knows: its content, and one responder for each desk (none where no turns are taken)."""

    content: Content
    responders: Mapping[DeskName, Responder]


def read_mind(settings: Settings, role: Role) -> Mind:
    """Read the content and build the bots.

    Raises:
        ConfigError: the content does not fit together, or wants an action that nobody offers.
    """
    content = load_content(settings.content)
    if unknown := content.actions - KNOWN_ACTIONS:
        raise ConfigError(f"a flow uses {', '.join(sorted(unknown))}; there are {', '.join(sorted(KNOWN_ACTIONS))}")
    if role == "web":
        return Mind(content, {})
    return Mind(content, build_responders(content, settings.desks, settings.data / "models"))


async def _start_database(settings: Settings, metrics: Metrics) -> EmbeddedDatabase | None:
    if settings.database.uri:
        return None
    database = EmbeddedDatabase(settings.data / "db", settings.database.embedded_port, metrics)
    await database.start()
    return database


def assemble(
    settings: Settings,
    role: Role,
    mind: Mind,
    store: Store,
    clock: Clock,
    metrics: Metrics,
    database: EmbeddedDatabase | None = None,
) -> App:
    """Join the parts around a store; called inside the running event loop."""
    worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    session = aiohttp.ClientSession()
    door = _Door()
    channels = build_channels(settings, door.accept, StoreMailbox(store, clock), clock)
    holds, records = Holds(store, worker, clock, metrics), Records(store)
    lanes = None
    if role != "web":
        grace_s = GRACE_S if role == "all" else 0.0
        lanes = _build_lanes(
            settings, store, clock, metrics, holds, records, channels, mind.responders, session, grace_s
        )
    rings = Rings(settings.nats_url) if settings.nats_url else None
    offer = lanes.offer if role == "all" and lanes is not None else rings.ring if rings is not None else None
    door.inbox = Inbox(store, worker, clock, metrics, channels, offer)
    return App(
        settings=settings,
        role=role,
        store=store,
        database=database,
        metrics=metrics,
        content=mind.content,
        session=session,
        channels=channels,
        inbox=door.inbox,
        holds=holds,
        records=records,
        lanes=lanes,
        rings=rings,
    )


def _build_lanes(
    settings: Settings,
    store: Store,
    clock: Clock,
    metrics: Metrics,
    holds: Holds,
    records: Records,
    channels: Mapping[str, Channel],
    responders: Mapping[DeskName, Responder],
    session: aiohttp.ClientSession,
    grace_s: float,
) -> Lanes:
    """Build what takes turns and sends."""
    names = LogNames(settings.log_key)
    actions = build_actions(settings, session)
    outbox = Outbox(store, holds, records, clock, metrics, names, channels, settings.outgoing.absence_proven_after_s)
    turns = Turns(
        store=store,
        holds=holds,
        records=records,
        clock=clock,
        metrics=metrics,
        names=names,
        channels=channels,
        desks=settings.desk_of,
        responders=responders,
        actions=actions,
        templates=Templates(settings.templates),
        outbox=outbox,
    )
    return Lanes(
        store=store,
        holds=holds,
        records=records,
        turns=turns,
        outbox=outbox,
        channels=channels,
        clock=clock,
        metrics=metrics,
        names=names,
        grace_s=grace_s,
    )


class _Door:
    """Lets channels be built before the inbox that needs to know them."""

    inbox: Inbox

    async def accept(self, inbound: Inbound) -> Acceptance:
        return await self.inbox.accept(inbound)
