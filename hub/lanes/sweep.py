"""The sweep: every two seconds, what was left behind - by a crash, by a hint that was lost, by a lane that was full."""

import asyncio
import itertools
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from core.clock import Clock
from core.ids import account_key
from core.inbox import READ_LATER, OpenRow
from core.outbox import TIME_TO_LIVE
from core.storage import Store
from hub.holds import Holds
from hub.lanes.local import ALONE, MAX_ROWS, Lanes, Place
from hub.lanes.reading import where_raised
from hub.telemetry import Metrics

log = structlog.get_logger(__name__)

SWEEP_EVERY_S = 2.0
SWEEP_ROWS = 2000
GRACE_S = 3.0
"""Rows younger than this are in a lane, or a hint is on the way (SEMANTICS section 7)."""
COUNT_EVERY_SWEEPS = 5
"""Counting rows costs the database far more than finding the few that wait."""
LOADED_AT_ONCE = 50
"""Rows whose bytes are in memory at a time; a mail may have 10 MiB."""


class Sweep:
    """Looks for what nobody works on.

    Args:
        place: tells whose a conversation is; each process sweeps its own.
        hinted: tells whether new rows are announced now; where they are not, the sweep does not spare young ones.
    """

    def __init__(
        self,
        store: Store,
        holds: Holds,
        lanes: Lanes,
        clock: Clock,
        metrics: Metrics,
        place: Place = ALONE,
        hinted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._holds = holds
        self._lanes = lanes
        self._clock = clock
        self._metrics = metrics
        self._place = place
        self._hinted = hinted
        self._nudged = asyncio.Event()

    async def once(self, *, everything: bool = False) -> None:
        """Bring back rows that nobody works on and outboxes that want attention.

        Args:
            everything: do not spare what is so fresh that its own process is at it: for the first sweep of a process.
        """
        now = self._clock.now()
        spares = (self._place.is_alone or self._hinted()) and not self._lanes.is_behind and not everything
        shed = self._lanes.shed
        is_complete = await self._rows(now, now - timedelta(seconds=GRACE_S) if spares else now)
        if is_complete and not spares and shed == self._lanes.shed:
            self._lanes.is_behind = False
        due = now + TIME_TO_LIVE if everything else now
        for name in await self._store.waking(due, SWEEP_ROWS):
            if self._is_ours(name) and not self._holds.holds(name):
                self._lanes.wake(name)

    def _is_ours(self, name: str) -> bool:
        return self._place.is_alone or self._place.owns(name)

    async def _rows(self, now: datetime, before: datetime) -> bool:
        """Bring back the oldest rows that can be worked on; those that cannot do not stand in the way of the others.

        Returns:
            Whether nothing is left that could have been brought.
        """
        for page in itertools.count():
            rows = await self._store.open_inbox(before, page * SWEEP_ROWS, SWEEP_ROWS)
            if page == 0:
                oldest = min((row.received_at for row in rows), default=now)
                self._metrics.oldest_row_age.set(max((now - oldest).total_seconds(), 0.0))
            if not await self._bring([row for row in rows if self._is_due(row, now)]):
                return False
            if len(rows) < SWEEP_ROWS:
                return True
        raise AssertionError

    def _is_due(self, row: OpenRow, now: datetime) -> bool:
        return (
            not self._lanes.has(row.id)
            and self._lanes.is_on(account_key(row.channel, row.account))
            and self._is_ours(row.conversation_id or account_key(row.channel, row.account))
            and (row.not_before is None or row.not_before <= now)
        )

    async def _bring(self, rows: list[OpenRow]) -> bool:
        """Bring rows into their lanes; False when the lanes are full."""
        if not self._place.is_alone:
            self._look_at(rows)
            return True
        later = [row for row in rows if row.channel in READ_LATER]
        self._look_at(later)
        now = [row.id for row in rows if row.channel not in READ_LATER]
        for start in range(0, len(now), LOADED_AT_ONCE):
            if self._lanes.rows >= MAX_ROWS:
                return False
            for row in await self._store.load_inbox(now[start : start + LOADED_AT_ONCE]):
                self._lanes.admit(row)
        return True

    def _look_at(self, rows: list[OpenRow]) -> None:
        for name in dict.fromkeys(row.conversation_id for row in rows):
            if name is not None:
                self._lanes.look(name)
        for account in {account_key(row.channel, row.account) for row in rows if row.conversation_id is None}:
            self._lanes.read_later(account)

    async def keep(self) -> None:
        """Sweep at once and then every two seconds, until cancelled."""
        for number in itertools.count():
            try:
                await self.once(everything=number == 0)
                if number % COUNT_EVERY_SWEEPS == 0:
                    await self._count()
            except Exception as error:  # noqa: BLE001  without the sweep nothing is ever recovered: the loop must go on
                log.warning("sweep_failed", error=type(error).__name__, where=where_raised(error))
            await self._until_next()

    async def _until_next(self) -> None:
        """Wait for the next turn of the clock, or until somebody wants it now."""
        interval_s = SWEEP_EVERY_S * random.uniform(0.8, 1.2)  # noqa: S311  keeps workers apart, no secret
        with suppress(TimeoutError):
            await asyncio.wait_for(self._nudged.wait(), interval_s)
        self._nudged.clear()

    def now(self) -> None:
        """Sweep without waiting for the clock: whose a conversation is has changed."""
        self._nudged.set()

    async def _count(self) -> None:
        counts = await self._store.counts()
        for state, count in counts.items():
            self._metrics.inbox_rows.labels(state).set(count)
        self._metrics.held.set(counts.get("held", 0))
        self._metrics.waiting.set(counts.get("waiting", 0))
        since = await self._store.first_due()
        waits_s = 0.0 if since is None else (self._clock.now() - since).total_seconds()
        self._metrics.outbox_age.set(max(waits_s, 0.0))
