"""Accepting: raw bytes become durable before anybody looks into them, and before the platform gets its answer."""

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence

import structlog

from channels.base import Acceptance, Channel
from channels.inbound import Inbound
from channels.payload import clean_text
from core.clock import Clock
from core.errors import StoreError, StoreRefused, StoreUnavailable
from core.ids import account_key
from core.inbox import InboxRow, InboxState
from core.storage import Store
from hub.groups import GroupCommit
from hub.telemetry import Metrics

log = structlog.get_logger(__name__)

ACCEPT_WITHIN_S = 1.0
"""A platform waits 3 s at most (Slack); past one second it is told to come again."""
ACKNOWLEDGED_FIRST_S = 0.001
"""The turn begins this much after the row is durable: the platform counts the milliseconds until its answer."""
MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_MAIL_BYTES = 10 * 1024 * 1024
KEPT_IN_QUARANTINE_BYTES = 64 * 1024
"""How much is kept of a payload that is too big, to see what it was."""


class Inbox:
    """The door of the hub.

    Args:
        store: where payloads become durable.
        node: names this process in the order of arrival.
        channels: every account that is on, by `channel:account`.
        offer: called with each new row once it is durable; a process that does not take turns gives none.
    """

    def __init__(
        self,
        store: Store,
        node: str,
        clock: Clock,
        metrics: Metrics,
        channels: Mapping[str, Channel],
        offer: Callable[[InboxRow], None] | None,
    ) -> None:
        self._store = store
        self._node = node
        self._clock = clock
        self._metrics = metrics
        self._channels = channels
        self._offer = offer
        self._arrivals = itertools.count()
        self._opened = asyncio.Event()
        self._closed = False
        self._group: GroupCommit[InboxRow, bool] = GroupCommit(self._insert)

    async def accept(self, inbound: Inbound) -> Acceptance:
        """Journal a payload; returns once it is durable, or known from before.

        Raises:
            StoreUnavailable: the database did not answer within a second; the platform has to keep the payload.
        """
        if self._closed:
            raise StoreUnavailable("this process is stopping")
        labels = (inbound.channel, inbound.account)
        started = self._clock.monotonic()
        row = self._row(inbound)
        try:
            is_new = await asyncio.wait_for(self._put(row), ACCEPT_WITHIN_S)
        except (StoreError, TimeoutError) as error:
            self._metrics.refused.labels(*labels).inc()
            log.error("not_accepted", account=account_key(*labels), error=type(error).__name__)
            raise StoreUnavailable("the payload is not durable") from error
        self._metrics.accept_seconds.observe(self._clock.monotonic() - started)
        (self._metrics.accepted if is_new else self._metrics.duplicates).labels(*labels).inc()
        return Acceptance.ACCEPTED if is_new else Acceptance.DUPLICATE

    async def _put(self, row: InboxRow) -> bool:
        await self._opened.wait()
        try:
            return await self._group.put(row)
        except StoreRefused:
            return await self._group.put(self._set_aside(row, "unstorable"))

    def _row(self, inbound: Inbound) -> InboxRow:
        channel = self._channels[account_key(inbound.channel, inbound.account)]
        key = channel.identify(inbound)
        row = InboxRow(
            id=key.primary,
            second=key.second,
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
        return row if len(inbound.body) <= limit else self._set_aside(row, "too_big")

    def _set_aside(self, row: InboxRow, why: str) -> InboxRow:
        """Keep the beginning of a payload for people to see, and nothing for the bot to read."""
        self._metrics.quarantined.labels(row.channel, row.account, why).inc()
        digest = hashlib.sha256(row.body).hexdigest()
        return row.model_copy(
            update={
                "id": f"{row.channel}:{row.account}:sha256:{digest}" if why == "unstorable" else row.id,
                "second": None,
                "order": None,
                "headers": {},
                "state": InboxState.QUARANTINED,
                "body": row.body[:KEPT_IN_QUARANTINE_BYTES],
                "reason": f"{why}: {len(row.body)} bytes, sha256 {digest}",
            }
        )

    async def _insert(self, rows: Sequence[InboxRow]) -> Sequence[bool]:
        """Insert a group and pass on what is new: even where a waiter has given up, the row is durable and counts."""
        results = await self._store.insert_inbox(rows)
        if self._offer is not None:
            loop = asyncio.get_running_loop()
            for row, is_new in zip(rows, results, strict=True):
                if is_new and row.state is InboxState.RECEIVED:
                    loop.call_later(ACKNOWLEDGED_FIRST_S, self._offer, row)
        return results

    def open(self) -> None:
        """Begin to accept; what arrived before that has waited."""
        self._opened.set()

    async def close(self) -> None:
        """Take nothing new, and wait until everything that arrived is durable or refused."""
        self._closed = True
        await self._group.drain()
