"""The composition root: settings in, a running hub out. The one place where every part is known."""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import aiohttp
import structlog

from channels.base import Accept, Acceptance, Channel, Resources
from channels.inbound import Inbound
from core import failpoints
from core.clock import Clock
from core.errors import ConfigError, StoreUnavailable
from core.ids import AccountName, ChannelName, DeskName, account_key
from core.ports import Action, MediaShelf, Offers, Responder
from core.storage import Member, Store
from core.store.mongo import MongoStore
from hub.adapters import build_channel, template_folders
from hub.app import App
from hub.backfill import Backfill
from hub.breaker import Breaker
from hub.changes import Changes
from hub.clock import SystemClock
from hub.connectors.orders import ACTION, Orders
from hub.connectors.sample_orders import SAMPLE_PATH
from hub.content import Content, build_responders, load_content
from hub.correspondents import Correspondents
from hub.database import EmbeddedDatabase
from hub.encoders import load_encoder
from hub.failpoints import read_failpoints
from hub.holds import Holds
from hub.inbox import Inbox
from hub.lanes.dispatch import Dispatch
from hub.lanes.hints import Hints
from hub.lanes.local import Lanes
from hub.lanes.members import TAKES_TURNS, Members
from hub.lanes.sweep import Sweep
from hub.limits import SenderLimits
from hub.mailbox import StoreMailbox
from hub.media.download import Downloader
from hub.media.shelf import Shelf
from hub.offers import DeskOffers
from hub.outbox import Outbox
from hub.records import Records
from hub.renewal import Renewal
from hub.settings import Role, Settings, account_anew
from hub.spool.spool import Spool
from hub.suspects import Suspects
from hub.telemetry import LogNames, Metrics
from hub.templating import Templates
from hub.turns import Turns
from hub.typing_signs import TypingSigns

log = structlog.get_logger(__name__)

KNOWN_ACTIONS = frozenset({ACTION})
"""What `build_actions` offers to flows."""
CLOCK_WARNED_S, CLOCK_REFUSED_S = 2.0, 60.0
"""SEMANTICS section 10."""


def build_channels(
    settings: Settings,
    accept: Accept,
    mailbox: StoreMailbox,
    clock: Clock,
    missed: Callable[[ChannelName, AccountName], None] = lambda _channel, _account: None,
    media: MediaShelf | None = None,
    offers: Callable[[ChannelName, AccountName], Offers | None] = lambda _channel, _account: None,
) -> dict[str, Channel]:
    """Build every account that is set up; a platform's library is imported only where an account uses it."""
    resources = Resources(
        clock=clock,
        accept=accept,
        public_url=settings.origin,
        mailbox=mailbox,
        missed=missed,
        installations=mailbox.store,
        media=media,
        offers=offers,
    )
    channels: dict[str, Channel] = {}
    for plan in settings.accounts:
        if plan.settings is not None:
            channels[plan.key] = build_channel(plan.channel, AccountName(plan.name), plan.settings, resources)
    return channels


def build_shelf(
    settings: Settings, store: Store, channels: Mapping[str, Channel], clock: Clock, metrics: Metrics
) -> Shelf:
    """Build what fetches and keeps the files that people send; `channels` may be filled later."""
    return Shelf(store, channels, Downloader(), settings.media, clock, metrics, LogNames(settings.log_key))


def build_actions(settings: Settings, session: aiohttp.ClientSession) -> dict[str, Action]:
    """Join the names that flows use to the systems behind them."""
    base_url = settings.connectors.orders_url or f"http://{settings.server.host}:{settings.server.port}{SAMPLE_PATH}"
    return {ACTION: Orders(base_url, session, timeout_s=settings.connectors.timeout_s)}


async def build_app(settings: Settings, role: Role = "all", clock: Clock | None = None) -> App:
    """Start the database if it is ours, and put the hub together.

    Raises:
        ConfigError: something in the configuration or the content cannot work; the message says what to change.
        StoreUnavailable: a worker's database does not answer; there is nothing that it could do.
    """
    clock = clock or SystemClock()
    metrics = Metrics()
    if settings.failpoints:
        failpoints.install(read_failpoints(settings.failpoints, settings.data / "failpoints.txt"))
    mind = asyncio.create_task(asyncio.to_thread(read_mind, settings, role))  # while the database starts
    database = None
    store: MongoStore | None = None
    try:
        database = await _start_database(settings, metrics)
        store = MongoStore(settings.database.uri or (database.uri if database else ""), settings.database.name, clock)
        try:
            await _check_clock(store, metrics)
        except StoreUnavailable:
            if role == "worker":
                raise
        if database is not None or role == "worker":
            await store.prepare()  # the others start without their database, and the spool takes what comes
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
    if role not in TAKES_TURNS:
        return Mind(content, {})
    encoder = load_encoder(settings.understanding)
    return Mind(content, build_responders(content, settings.desks, settings.data / "models", encoder=encoder))


async def _check_clock(store: MongoStore, metrics: Metrics) -> None:
    """Compare our clock with the database's: signatures carry times, and a wrong clock would refuse every webhook.

    Raises:
        ConfigError: they are more than a minute apart.
    """
    skew_s = await store.clock_skew_s()
    metrics.clock_skew.set(skew_s)
    if abs(skew_s) > CLOCK_REFUSED_S:
        raise ConfigError(
            f"this machine's clock is {skew_s:+.0f} s from the database's: set both by NTP; signed requests would fail"
        )
    if abs(skew_s) > CLOCK_WARNED_S:
        log.warning("clock_skew", seconds=round(skew_s, 1), fix="set the clocks of both machines by NTP")


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
    channels: dict[str, Channel] = {}
    shelf = build_shelf(settings, store, channels, clock, metrics)
    templates, signs = Templates(settings.templates, template_folders()), TypingSigns(channels, metrics)

    def offers(channel: ChannelName, account: AccountName) -> Offers:
        desk = settings.desk_of[account_key(channel, account)]
        return DeskOffers(mind.content, desk, templates, channel)

    channels |= build_channels(settings, door.accept, StoreMailbox(store, clock), clock, door.missed, shelf, offers)
    members = Members(store, Member(worker, role, settings.node), clock, metrics)
    holds, records = Holds(store, worker, clock, metrics, settings.node, members.owns), Records(store)
    lanes, sweep, suspects = None, None, None
    hints = Hints(settings.nats_url, metrics) if settings.nats_url else None
    if role in TAKES_TURNS:
        suspects = Suspects(settings.data / "handling", worker)
        lanes = _build_lanes(
            settings,
            store,
            clock,
            metrics,
            holds,
            records,
            channels,
            mind,
            templates,
            signs,
            session,
            members,
            suspects,
        )
        sweep = Sweep(store, holds, lanes, clock, metrics, members, lambda: hints is not None and hints.is_settled)
    dispatch = Dispatch(members, lanes, hints)
    if lanes is not None and sweep is not None:
        lanes.call = dispatch.call
        members.on_change += [holds.give_back_soon, sweep.now]
    spool = None if role == "worker" else Spool(settings.spool_folder, worker, settings.spool.max_bytes, metrics)
    door.inbox = Inbox(store, worker, clock, metrics, channels, dispatch.offer, spool, members.spools.changed)
    members.spools.ours = lambda: door.inbox.is_spooling
    door.backfill = Backfill(
        channels,
        store,
        door.accept,
        clock,
        metrics,
        is_ours=lambda key: lanes is not None and (members.is_alone or members.owns(key)),
    )
    return App(
        settings=settings,
        role=role,
        store=store,
        database=database,
        clock=clock,
        metrics=metrics,
        content=mind.content,
        session=session,
        channels=channels,
        inbox=door.inbox,
        holds=holds,
        records=records,
        members=members,
        lanes=lanes,
        sweep=sweep,
        hints=hints,
        dispatch=dispatch,
        backfill=door.backfill,
        suspects=suspects,
        shelf=shelf,
        signs=signs,
    )


def _build_lanes(
    settings: Settings,
    store: Store,
    clock: Clock,
    metrics: Metrics,
    holds: Holds,
    records: Records,
    channels: Mapping[str, Channel],
    mind: Mind,
    templates: Templates,
    signs: TypingSigns,
    session: aiohttp.ClientSession,
    members: Members,
    suspects: Suspects,
) -> Lanes:
    """Build what takes turns and sends."""
    names = LogNames(settings.log_key)
    actions = build_actions(settings, session)
    correspondents = Correspondents(
        store, clock, names, channels, settings.limits.answers_per_day, settings.limits.answers_per_domain
    )
    outbox = Outbox(
        store,
        holds,
        records,
        clock,
        metrics,
        names,
        channels,
        correspondents,
        settings.outgoing.absence_proven_after_s,
        settings.limits.pace_factor,
        settings.outgoing.when_lost,
    )
    known = {plan.key: plan.settings for plan in settings.accounts if plan.settings is not None}
    outbox.renew = Renewal(channels, known, partial(account_anew, settings)).look
    turns = Turns(
        store=store,
        holds=holds,
        records=records,
        clock=clock,
        metrics=metrics,
        names=names,
        channels=channels,
        desks=settings.desk_of,
        responders=mind.responders,
        actions=actions,
        templates=templates,
        outbox=outbox,
        correspondents=correspondents,
        changes=Changes(store, holds, records, clock),
        signs=signs,
        approved=mind.content.approved,
        handling=suspects.handling,
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
        place=members,
        limits=SenderLimits(settings.limits, clock, metrics),
        breaker=Breaker(clock, metrics),
        handling=suspects.handling,
    )


class _Door:
    """Lets channels be built before the inbox and the backfill that need to know them."""

    inbox: Inbox
    backfill: Backfill

    def missed(self, channel: ChannelName, account: AccountName) -> None:
        self.backfill.missed(channel, account)

    async def accept(self, inbound: Inbound) -> Acceptance:
        return await self.inbox.accept(inbound)
