"""Moves what the spool holds to the database, in order, and passes it on from there."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from core.errors import StoreError, StoreRefused
from core.inbox import InboxRow, InboxState
from core.storage import Store
from hub.spool.spool import Spool, reach_all
from hub.tasks import end

log = structlog.get_logger(__name__)

AGAIN_AFTER_S = 0.5
"""Between two tries while the database or the disk does not answer."""
LOOK_AROUND_EVERY_S = 10.0
"""How soon a living process finds what a dead one left."""
MEND_EVERY_S = 1.0
"""How soon a spool that could not write is tried again."""
PASSED_ON_ROWS = 5000
PASSED_ON_BYTES = 64 * 1024 * 1024
"""Turns begin when so much is drained, or everything: they take longer than inserts and would hold the drain up."""
FIRST_WITHIN_S = 1.0
"""A start waits so long for what was left to be drained; the rest is drained while new payloads queue up behind it."""


def _is_much(rows: Sequence[InboxRow]) -> bool:
    return len(rows) >= PASSED_ON_ROWS or sum(len(row.body) for row in rows) >= PASSED_ON_BYTES


class Beginning(Protocol):
    """What a process does before it handles anything new; each step is tried again while the database is away."""

    async def join(self) -> bool:
        """Tell the others that we are here; returns whether there are any.

        Raises:
            StoreError: the database does not answer.
        """
        ...

    async def listen(self) -> None:
        """Let platforms reach us; called once, with the database or without it."""
        ...

    async def take_up(self) -> None:
        """See to what was left behind.

        Raises:
            StoreError: the database does not answer.
        """
        ...


class Drainer:
    """Empties the spool.

    Args:
        set_aside: makes of a row that the database refuses one that it can hold.
        pass_on: is given what is durable and open, in order.
        emptied: called when nothing is left.
    """

    def __init__(
        self,
        spool: Spool,
        store: Store,
        set_aside: Callable[[InboxRow], InboxRow],
        pass_on: Callable[[Sequence[InboxRow]], None],
        emptied: Callable[[], None] = lambda: None,
    ) -> None:
        self._spool = spool
        self._store = store
        self._set_aside = set_aside
        self._pass_on = pass_on
        self._emptied = emptied
        self._beginning: Beginning | None = None
        self._has_joined = self._has_begun = False
        self._is_among_others = False
        self._stuck: str | None = None
        """Why nothing moves on; None while it does."""
        self._task: asyncio.Task[None] | None = None

    @property
    def is_done(self) -> bool:
        """Tell whether what comes now may go to the database at once: nothing that came before it waits here.

        Beside others, whoever takes a conversation reads its rows in order: it needs not wait for what was left behind.
        """
        return (self._has_begun or self._is_among_others) and self._spool.is_empty

    async def join(self, beginning: Beginning) -> None:
        """Join the others, or find the database away; then this is done once it is back."""
        self._beginning = beginning
        try:
            await self._join()
        except StoreError as error:
            log.warning("started_without_database", error=type(error).__name__)

    async def _join(self) -> None:
        if self._beginning is not None and not self._has_joined:
            self._is_among_others = await self._beginning.join()
            self._has_joined = True

    async def start(self) -> None:
        """Take up what was left behind, drain for a moment, and go on with both in the background."""
        try:
            await self._begin()
            async with asyncio.timeout(FIRST_WITHIN_S):
                await self.drain()
        except (StoreError, OSError, TimeoutError) as error:
            log.error("spool_not_drained_at_start", error=type(error).__name__, detail=str(error))
        self._task = asyncio.create_task(self._keep())

    async def _begin(self) -> None:
        await self._join()
        if self._beginning is not None and not self._has_begun:
            await self._beginning.take_up()
            self._has_begun = True

    async def _keep(self) -> None:
        """Drain whenever there is something, and see to what dead processes left, until cancelled."""
        while True:
            try:
                await self._begin()
                await self.drain()
            except Exception as error:  # noqa: BLE001  whatever it was, what is accepted must leave the spool
                self._say(type(error).__name__)
                await asyncio.sleep(AGAIN_AFTER_S)
            else:
                self._say(None)
                await self._wait()
            if self._spool.problem is not None:
                await self._spool.probe()

    def _say(self, stuck: str | None) -> None:
        if stuck != self._stuck:
            log.warning("spool_moves_again" if stuck is None else "spool_stuck", reason=stuck or self._stuck)
        self._stuck = stuck

    async def _wait(self) -> None:
        """Wait for something to drain; now and then look for what others left."""
        look_again_s = LOOK_AROUND_EVERY_S if self._spool.problem is None else MEND_EVERY_S
        try:
            await asyncio.wait_for(self._spool.filled.wait(), look_again_s)
        except TimeoutError:
            await self._spool.adopt()
        self._spool.filled.clear()

    async def stop(self) -> None:
        """End what runs in the background and close the spool; what is left in it stays for the next process."""
        if self._task is not None:
            await end([self._task])
        await self._spool.close()

    async def drain(self) -> None:
        """Drain until the spool is empty.

        Raises:
            StoreUnavailable: the database does not answer; what is not in it stays in the spool.
            OSError: the disk does not; the same.
        """
        drained: list[InboxRow] = []
        try:
            while (batch := await self._spool.take()) is not None:
                drained += await self._insert(batch.rows)
                await reach_all("drain.inserted", batch.rows)
                if batch.is_last or _is_much(drained):
                    self._pass_on(drained)  # before the last segment goes, and with it what holds up new payloads
                    drained = []
                await self._spool.forget(batch)
        finally:
            self._pass_on(drained)
        self._emptied()

    async def _insert(self, rows: Sequence[InboxRow]) -> list[InboxRow]:
        """Insert rows under their own ids; returns those whose turn is still to come, in order.

        One that is known already may be a row whose insert applied although we never heard so.
        """
        are_new = await self._insert_each(rows)
        known = [row.id for row, is_new in zip(rows, are_new, strict=True) if not is_new]
        stored = {row.id: row for row in await self._store.load_inbox(known)} if known else {}
        found: dict[str, InboxRow] = {}
        for row, is_new in zip(rows, are_new, strict=True):
            current = row if is_new else stored.get(row.id)
            if current is not None and current.state is InboxState.RECEIVED:
                found.setdefault(row.id, current)
        return list(found.values())

    async def _insert_each(self, rows: Sequence[InboxRow]) -> list[bool]:
        """Insert a group; if something in it is refused, insert each row alone, so that only that one is set aside."""
        if not rows:
            return []
        try:
            return await self._store.insert_inbox(rows)
        except StoreRefused:
            if len(rows) > 1:
                return [is_new for row in rows for is_new in await self._insert_each([row])]
        try:
            await self._store.insert_inbox([self._set_aside(rows[0])])
        except StoreRefused:
            await self._spool.keep(rows[0])
        return [False]  # nothing to take a turn for
