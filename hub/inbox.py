"""Accepting: raw bytes become durable before anybody looks into them, and before the platform gets its answer."""

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

import structlog

from channels.base import Acceptance, Channel
from channels.inbound import Inbound
from channels.payload import clean_text
from core.clock import Clock
from core.errors import StoreError, StoreRefused, StoreUnavailable
from core.events import Event
from core.failpoints import reach
from core.ids import account_key
from core.inbox import READ_LATER, InboxRow, InboxState
from core.storage import Store
from hub.groups import GroupCommit
from hub.spool.drainer import Beginning, Drainer
from hub.spool.spool import Spool, reach_all
from hub.telemetry import Metrics

log = structlog.get_logger(__name__)

ACCEPT_WITHIN_S = 1.0
"""The database has so long, from the arrival of the oldest payload of a group; then the spool takes them."""
GIVE_UP_AFTER_S = 2.0
"""A platform waits 3 s at most (Slack); past two seconds it is told to come again (SEMANTICS section 3)."""
ACKNOWLEDGED_FIRST_S = 0.001
"""The turn begins this much after the row is durable: the platform counts the milliseconds until its answer."""
MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_MAIL_BYTES = 10 * 1024 * 1024
KEPT_IN_QUARANTINE_BYTES = 64 * 1024
"""How much is kept of a payload that is too big, to see what it was."""


class Journaled(Enum):
    """What became of a row."""

    NEW = auto()
    KNOWN = auto()
    SPOOLED = auto()
    """Durable; whether it is new is known when it is drained."""
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A row and when it came, in monotonic seconds."""

    row: InboxRow
    at: float


class Inbox:
    """The door of the hub.

    Args:
        store: where payloads become durable.
        node: names this process in the order of arrival.
        channels: every account that is on, by `channel:account`.
        offer: called with each new row once it is durable, and with its events where they were read before.
        spool: takes what the database does not; None where nothing is accepted.
        spool_changed: called when something has come into the spool, or it has become empty.
    """

    def __init__(
        self,
        store: Store,
        node: str,
        clock: Clock,
        metrics: Metrics,
        channels: Mapping[str, Channel],
        offer: Callable[[InboxRow, tuple[Event, ...] | None], None],
        spool: Spool | None = None,
        spool_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._node = node
        self._clock = clock
        self._metrics = metrics
        self._channels = channels
        self._offer = offer
        self._arrivals = itertools.count()
        self._events: dict[str, tuple[Event, ...]] = {}
        """What was read of rows that are on their way to the database."""
        self._opened = asyncio.Event()
        self._closed = False
        self._group: GroupCommit[_Arrival, Journaled] = GroupCommit(self._journal)
        self.spool = spool
        self._is_filling = False
        self._spool_changed = spool_changed
        self._drainer = None if spool is None else Drainer(spool, store, self._unstorable, self._pass_on, spool_changed)

    async def accept(self, inbound: Inbound) -> Acceptance:
        """Journal a payload; returns once it is durable, or known from before.

        Raises:
            StoreUnavailable: neither the database nor the spool took it in time; the platform has to keep the payload.
        """
        await reach("accept.verified", inbound.channel)
        if self._closed:
            raise StoreUnavailable("this process is stopping")
        labels = (inbound.channel, inbound.account)
        started = self._clock.monotonic()
        row = self._row(inbound)
        try:
            outcome = await asyncio.wait_for(self._put(row), GIVE_UP_AFTER_S)
        except (StoreError, TimeoutError) as error:
            self._metrics.refused.labels(*labels).inc()
            log.error("not_accepted", account=account_key(*labels), error=type(error).__name__)
            raise StoreUnavailable("the payload is not durable") from error
        finally:
            self._events.pop(row.id, None)
        self._metrics.accept_seconds.observe(self._clock.monotonic() - started)
        if outcome is Journaled.KNOWN:
            self._metrics.duplicates.labels(*labels).inc()
            return Acceptance.DUPLICATE
        self._metrics.accepted.labels(*labels).inc()
        if outcome is Journaled.SPOOLED:
            self._metrics.spooled.labels(*labels).inc()
        return Acceptance.ACCEPTED

    async def _put(self, row: InboxRow) -> Journaled:
        arrived = self._clock.monotonic()
        await self._opened.wait()
        try:
            outcome = await self._group.put(_Arrival(row, arrived))
        except StoreRefused:
            outcome = await self._group.put(_Arrival(self._unstorable(row), arrived))
        if outcome is Journaled.REFUSED:
            raise StoreUnavailable("the database does not answer, and the spool cannot write")
        return outcome

    async def _journal(self, arrivals: Sequence[_Arrival]) -> list[Journaled]:
        """Make a group durable: in the database, or in the spool where that is slow, away, or behind already.

        Groups are written one after the other, so what arrives is in the spool either as a whole from some point on,
        or not at all: nothing overtakes.
        """
        rows = [arrival.row for arrival in arrivals]
        left_s = arrivals[0].at + ACCEPT_WITHIN_S - self._clock.monotonic()
        if left_s > 0 and (self._drainer is None or self._drainer.is_done):
            try:
                async with asyncio.timeout(left_s):
                    return await self._insert(rows)
            except (StoreUnavailable, TimeoutError) as error:
                log.warning("database_did_not_take", rows=len(rows), error=type(error).__name__, detail=str(error))
        if self.spool is None:
            return [Journaled.REFUSED] * len(rows)
        return [Journaled.SPOOLED if kept else Journaled.REFUSED for kept in await self._spool(self.spool, rows)]

    async def _spool(self, spool: Spool, rows: Sequence[InboxRow]) -> list[bool]:
        """Write rows into the spool; the others hear of it first: the platform may send the next message to them."""
        self._is_filling = True
        self._spool_changed()
        try:
            return await spool.append(rows)
        finally:
            self._is_filling = False
            self._spool_changed()

    @property
    def is_spooling(self) -> bool:
        """Tell whether something that was accepted here is not in the database yet."""
        return self._is_filling or (self.spool is not None and not self.spool.is_empty)

    def _row(self, inbound: Inbound) -> InboxRow:
        channel = self._channels[account_key(inbound.channel, inbound.account)]
        key = channel.identify(inbound)
        row = InboxRow(
            id=key.primary,
            channel=inbound.channel,
            account=inbound.account,
            body=inbound.body,
            headers={name: clean_text(value) for name, value in inbound.headers.items()},
            received_at=inbound.received_at,
            node=self._node,
            n=next(self._arrivals),
            order=key.order,
        )
        limit = MAX_MAIL_BYTES if inbound.channel == "email" else MAX_PAYLOAD_BYTES
        if len(inbound.body) > limit:
            return self._set_aside(row, "too_big")
        return self._with_conversation(row, channel, inbound)

    def _with_conversation(self, row: InboxRow, channel: Channel, inbound: Inbound) -> InboxRow:
        """Name the conversation of what is read now; a failure here is found again when it is handled.

        Mail waits until it is durable: its parsers are the ones that a payload could kill a process with.
        """
        name = None
        if inbound.channel not in READ_LATER:
            try:
                events = channel.normalize(inbound)
            except Exception:  # noqa: BLE001  nothing about a payload may keep it from becoming durable
                events = ()
            if events:
                name = events[0].conversation_id
                self._events[row.id] = events
        return row.model_copy(update={"conversation_id": name, "home": name or row.id})

    def _unstorable(self, row: InboxRow) -> InboxRow:
        return self._set_aside(row, "unstorable")

    def _set_aside(self, row: InboxRow, why: str) -> InboxRow:
        """Keep the beginning of a payload for people to see, and nothing for the bot to read."""
        self._metrics.quarantined.labels(row.channel, row.account, why).inc()
        digest = hashlib.sha256(row.body).hexdigest()
        return row.model_copy(
            update={
                "id": f"{row.channel}:{row.account}:sha256:{digest}" if why == "unstorable" else row.id,
                "order": None,
                "headers": {},
                "state": InboxState.QUARANTINED,
                "body": row.body[:KEPT_IN_QUARANTINE_BYTES],
                "reason": f"{why}: {len(row.body)} bytes, sha256 {digest}",
            }
        )

    async def _insert(self, rows: Sequence[InboxRow]) -> list[Journaled]:
        """Insert a group and pass on what is new: even where a waiter has given up, the row is durable and counts."""
        await reach_all("accept.batched", rows)
        are_new = await self._store.insert_inbox(rows)
        await reach_all("accept.inserted", rows)
        self._pass_on([row for row, is_new in zip(rows, are_new, strict=True) if is_new])
        return [Journaled.NEW if is_new else Journaled.KNOWN for is_new in are_new]

    def _pass_on(self, rows: Sequence[InboxRow]) -> None:
        """Have turns taken for rows that are in the database."""
        loop = asyncio.get_running_loop()
        for row in rows:
            events = self._events.pop(row.id, None)
            if row.state is InboxState.RECEIVED:
                loop.call_later(ACKNOWLEDGED_FIRST_S, self._offer, row, events)

    async def start(self, beginning: Beginning) -> None:
        """Join the others, listen, take up what was left behind.

        Nothing comes before the others know us: they might answer the next message of a person whose last one came
        here. While the database is away nobody answers, and what comes waits in the spool.
        """
        if self.spool is None or self._drainer is None:
            with suppress(StoreError):  # nothing is accepted here; the regular beat and sweep try again
                await beginning.join()
            await beginning.listen()
            with suppress(StoreError):
                await beginning.take_up()
        else:
            await self.spool.open()
            await self._drainer.join(beginning)
            await beginning.listen()
            if self.spool.problem is None:
                self.open()
            await self._drainer.start()
        self.open()

    def open(self) -> None:
        """Begin to accept; what arrived before that has waited."""
        self._opened.set()

    async def close(self) -> None:
        """Take nothing new, and wait until everything that arrived is durable or refused."""
        self._closed = True
        await self._group.drain()
        if self._drainer is not None:
            await self._drainer.stop()
