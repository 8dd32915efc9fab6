"""Lanes in one process: a task for each conversation that has something to do, and a sweep for what was left behind."""

import asyncio
import heapq
import itertools
import random
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from channels.base import Channel
from channels.inbound import Inbound
from core.clock import Clock
from core.errors import MalformedPayload, StoreError, StoreUnavailable, VersionConflict
from core.events import Event
from core.ids import AccountName, ChannelName, ConversationId, account_key, account_of
from core.inbox import MAX_CRASHES, InboxMark, InboxRow, InboxState, OpenRow, after_failure
from core.outbox import TIME_TO_LIVE
from core.storage import DeadLetter, Store
from hub.holds import Hold, Holds
from hub.outbox import Outbox
from hub.records import Records
from hub.telemetry import LogNames, Metrics
from hub.turns import OutboxFull, Turns

log = structlog.get_logger(__name__)

SWEEP_EVERY_S = 2.0
SWEEP_ROWS = 2000
GRACE_S = 3.0
"""Rows younger than this are with the process that accepted them (SEMANTICS section 7)."""
NUDGES_WITHIN_S = 0.02
"""Rings that come within this time share a sweep."""
COUNT_EVERY_SWEEPS = 15
"""Counting rows costs the database far more than finding the few that wait."""
LOADED_AT_ONCE = 50
"""Rows whose bytes are in memory at a time; a mail may have 10 MiB."""
TAKE_AGAIN_AFTER_S = (0.2, 1.0, 2.0)
LONGEST_WAIT_S = 30.0
"""A hold is kept this long for a row that waits; beyond it the lease is given back and the sweep comes again."""


@dataclass(order=True)
class Task:
    """One event of one row, in the order of its conversation."""

    sort_key: tuple[str, datetime, str, int, int]
    row: InboxRow = field(compare=False)
    event: Event = field(compare=False)
    swept: bool = field(compare=False, default=False)
    """Found by the sweep: somebody may have begun it before and died of it."""
    last_error: str | None = field(compare=False, default=None)


@dataclass
class Lane:
    """What one conversation has to do."""

    tasks: list[Task] = field(default_factory=list)
    runner: asyncio.Task[None] | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class Lanes:
    """Runs turns and sends, one at a time per conversation.

    Args:
        turns: takes a turn to its commit.
        outbox: sends what is committed.
        pause: waits between two runs of a turn that raised.
        grace_s: how young a row must be to be left to the process that accepted it; 0 where rows are only swept.
    """

    def __init__(
        self,
        *,
        store: Store,
        holds: Holds,
        records: Records,
        turns: Turns,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        clock: Clock,
        metrics: Metrics,
        names: LogNames,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        grace_s: float = GRACE_S,
    ) -> None:
        self._store = store
        self._holds = holds
        self._records = records
        self._turns = turns
        self._outbox = outbox
        self._channels = channels
        self._clock = clock
        self._metrics = metrics
        self._names = names
        self._pause = pause
        self._grace_s = grace_s
        self._keeps_rows = grace_s > 0
        self._lanes: dict[ConversationId, Lane] = {}
        self._in_flight: set[str] = set()
        self._background: set[asyncio.Task[Any]] = set()
        self._nudged = asyncio.Event()
        self._closing = asyncio.Event()

    # what comes in

    def offer(self, row: InboxRow) -> None:
        """Take a row that has just become durable."""
        self._admit(row, swept=False)

    def _admit(self, row: InboxRow, *, swept: bool) -> None:
        if row.id in self._in_flight or self._closing.is_set():
            return
        self._in_flight.add(row.id)
        events = self._read(row)
        if events is None:
            self._in_flight.discard(row.id)
        elif row.part >= len(events):
            self._set_aside(row, InboxState.IGNORED, "part_gone")
            self._in_flight.discard(row.id)
        elif len(events) > 1 and row.part == 0:
            self._spawn(self._split(row, events, swept))
        else:
            self._enqueue(Task(row.sort_key, row, events[row.part], swept))

    def _read(self, row: InboxRow) -> tuple[Event, ...] | None:
        """Translate a row; None when there is nothing to take a turn for, which is written down with its reason."""
        channel = self._channels.get(account_key(row.channel, row.account))
        if channel is None:
            return None  # the account is switched off; its rows wait
        inbound = Inbound(
            channel=ChannelName(row.channel),
            account=AccountName(row.account),
            body=row.body,
            received_at=row.received_at,
            headers=row.headers,
        )
        try:
            events = channel.normalize(inbound)
        except MalformedPayload as error:
            self._set_aside(row, InboxState.QUARANTINED, f"malformed: {error}")
        except Exception as error:  # noqa: BLE001  a bug in one adapter must not stop the others, nor lose the bytes
            log.error(
                "normalize_failed", row=self._names.row(row.id), error=type(error).__name__, where=where_raised(error)
            )
            self._set_aside(row, InboxState.QUARANTINED, f"adapter_failed: {type(error).__name__}")
        else:
            if events:
                return tuple(event.model_copy(update={"raw_ref": row.id}) for event in events)
            self._set_aside(row, InboxState.IGNORED, "nothing_to_handle")
        return None

    def _set_aside(self, row: InboxRow, state: InboxState, reason: str) -> None:
        kind = reason.split(":", 1)[0]
        if state is InboxState.QUARANTINED:
            self._metrics.quarantined.labels(row.channel, row.account, kind).inc()
        else:
            self._metrics.ignored.labels(row.channel, kind).inc()
        self._records.mark(InboxMark(id=row.id, state=state, reason=reason[:500]))

    async def _split(self, row: InboxRow, events: tuple[Event, ...], swept: bool) -> None:
        """Give the further events of one payload rows of their own, durable before the first one may be done."""
        parts = [
            row.model_copy(update={"id": f"{row.id}#{part}", "second": None, "part": part})
            for part in range(1, len(events))
        ]
        try:
            are_new = await self._store.insert_inbox(parts)
        except StoreError as error:
            log.warning("split_delayed", row=self._names.row(row.id), error=type(error).__name__)
            self._in_flight.discard(row.id)
            return
        self._enqueue(Task(row.sort_key, row, events[0], swept))
        for part, is_new in zip(parts, are_new, strict=True):
            if is_new:  # the sweep has the others, with what became of them so far
                self._admit(part, swept=swept)

    def wake(self, name: ConversationId) -> None:
        """See to a conversation's outbox."""
        if self._closing.is_set() or account_of(name) not in self._channels:
            return
        lane = self._lanes.setdefault(name, Lane())
        if lane.runner is None:
            lane.runner = self._spawn(self._run(name, lane))

    def _enqueue(self, task: Task) -> None:
        name = task.event.conversation_id
        lane = self._lanes.setdefault(name, Lane())
        heapq.heappush(lane.tasks, task)
        lane.arrived.set()
        self.wake(name)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    # what a lane does

    async def _run(self, name: ConversationId, lane: Lane) -> None:
        """Work until the lane is empty.

        Where rows are offered, a lane keeps them over trouble with the database or the lease: what comes later must not
        overtake them. Where rows are only swept, it lets them go; the next sweep brings all of them in order.
        """
        try:
            for pause_s in itertools.chain(TAKE_AGAIN_AFTER_S, itertools.repeat(TAKE_AGAIN_AFTER_S[-1])):
                if await self._visit(name, lane) or not self._keeps_rows or self._closing.is_set():
                    return
                await self._nap(pause_s)
        finally:
            self._put_down(name, lane)

    async def _visit(self, name: ConversationId, lane: Lane) -> bool:
        """Take the conversation and do what there is to do; False when that could not be finished."""
        hold: Hold | None = None
        try:
            hold = await self._holds.take(name)
            if hold is None:
                return False
            if hold.is_fresh:
                await self._outbox.recover(hold)
                hold.is_fresh = False
            await self._work(hold, lane)
        except StoreError as error:
            log.warning("lane_stopped", conversation=self._names(name), error=type(error).__name__)
        except Exception as error:  # noqa: BLE001  whatever it was, the conversation must not stay held for ever
            log.error(
                "lane_broke", conversation=self._names(name), error=type(error).__name__, where=where_raised(error)
            )
        else:
            self._holds.idle(hold)
            return True
        if hold is not None:
            self._holds.forget(hold)
        return False

    def _put_down(self, name: ConversationId, lane: Lane) -> None:
        for task in lane.tasks:
            self._in_flight.discard(task.row.id)
        del self._lanes[name]

    async def _work(self, hold: Hold, lane: Lane) -> None:
        is_full = False
        while True:
            due = await self._outbox.drain(hold)
            if self._closing.is_set():  # only now: what the last turn claimed has been sent
                return
            if lane.tasks and not is_full:
                is_full = not await self._take(hold, lane)
                continue
            if due is None:
                if not is_full:
                    return
                is_full = False
                continue
            wait_s = (due - self._clock.now()).total_seconds()
            if wait_s > LONGEST_WAIT_S and not lane.tasks:
                return
            await self._wait(lane, min(wait_s, LONGEST_WAIT_S), for_tasks=not is_full)
            is_full = False

    async def _wait(self, lane: Lane, wait_s: float, *, for_tasks: bool) -> None:
        """Wait for a row's time, but not longer than until there is something else to do."""
        lane.arrived.clear()
        ends = [asyncio.ensure_future(self._closing.wait())]
        if for_tasks:
            ends.append(asyncio.ensure_future(lane.arrived.wait()))
        await asyncio.wait(ends, timeout=max(wait_s, 0.0), return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()

    async def _nap(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _take(self, hold: Hold, lane: Lane) -> bool:
        """Take the smallest task; one that fails stays until it succeeds or is dead. False: the outbox is full."""
        task = lane.tasks[0]
        try:
            if await self._survives(hold, task):
                await self._turns.take(hold, task.row, task.event)
        except (StoreUnavailable, VersionConflict, asyncio.CancelledError):
            self._uncount(task)
            raise
        except OutboxFull:
            return False
        except Exception as error:  # noqa: BLE001  a turn may fail in any way; its message must not be lost with it
            if await self._failed(hold, task, error):
                return True
        lane.tasks = [other for other in lane.tasks if other is not task]  # a smaller one may have arrived meanwhile
        heapq.heapify(lane.tasks)
        self._in_flight.discard(task.row.id)
        return True

    async def _survives(self, hold: Hold, task: Task) -> bool:
        """Count the run of a row that somebody may have died of; give up on one that ended the process repeatedly."""
        if not task.swept:
            return True
        crashes = task.row.crashes + 1
        if crashes > MAX_CRASHES:
            await self._die(hold, task, "Crash", f"{task.row.crashes} runs ended with the process", task.row.attempts)
            return False
        await self._records.mark_now(InboxMark(id=task.row.id, state=InboxState.READY, crashes=crashes))
        task.row = task.row.model_copy(update={"crashes": crashes})
        task.swept = False
        return True

    def _uncount(self, task: Task) -> None:
        """Take a counted run back: it was the database that failed, not the message."""
        if task.row.crashes and not task.swept:
            task.row = task.row.model_copy(update={"crashes": task.row.crashes - 1})
            task.swept = True
            self._records.mark(InboxMark(id=task.row.id, state=InboxState.READY, crashes=task.row.crashes))

    async def _failed(self, hold: Hold, task: Task, error: Exception) -> bool:
        """Write a failure down and wait for the next run; False when there is none."""
        attempts = task.row.attempts + 1
        signature = f"{type(error).__name__} at {where_raised(error)}"
        self._metrics.failures.labels(type(error).__name__).inc()
        row = self._names.row(task.row.id)
        log.error("turn_failed", conversation=self._names(hold.id), row=row, attempts=attempts, error=signature)
        pause_s = after_failure(attempts)
        if pause_s is None or task.last_error == signature:
            await self._die(hold, task, type(error).__name__, signature, attempts)
            return False
        task.last_error = signature
        task.row = task.row.model_copy(update={"attempts": attempts})
        not_before = self._clock.now() + timedelta(seconds=pause_s)
        await self._records.mark_now(
            InboxMark(id=task.row.id, state=InboxState.READY, attempts=attempts, not_before=not_before)
        )
        await self._pause(pause_s)
        return True

    async def _die(self, hold: Hold, task: Task, error: str, detail: str, attempts: int) -> None:
        """Bury a message: the letter first, then the notice and the person, then the mark; each may be done again."""
        letter = DeadLetter(
            id=task.row.id,
            channel=task.row.channel,
            account=task.row.account,
            conversation_id=hold.id,
            error=error,
            detail=detail,
            attempts=attempts,
            died_at=self._clock.now(),
        )
        await self._store.bury(letter)
        await self._turns.bury(hold, task.row, task.event)
        await self._records.mark_now(InboxMark(id=task.row.id, state=InboxState.DEAD, reason=error, attempts=attempts))
        self._metrics.dead.labels(task.row.channel).inc()

    # what was left behind

    async def sweep(self, *, everything: bool = False) -> None:
        """Bring back rows that nobody works on and outboxes that want attention, once.

        Args:
            everything: do not spare what is so fresh that its own process is at it: for the first sweep of a process.
        """
        now = self._clock.now()
        before = now if everything else now - timedelta(seconds=self._grace_s)
        await self._sweep_inbox(now, before)
        due = now + TIME_TO_LIVE if everything else now
        for name in await self._store.waking(due, SWEEP_ROWS):
            if not self._holds.holds(name):
                self.wake(name)

    async def _sweep_inbox(self, now: datetime, before: datetime) -> None:
        """Admit the oldest rows that can be worked on now; those that cannot do not stand in the way of the others."""
        admitted = 0
        for page in itertools.count():
            rows = await self._store.open_inbox(before, page * SWEEP_ROWS, SWEEP_ROWS)
            wanted = [row.id for row in rows if self._is_due(row, now)]
            for start in range(0, len(wanted), LOADED_AT_ONCE):
                for row in await self._store.load_inbox(wanted[start : start + LOADED_AT_ONCE]):
                    self._admit(row, swept=True)
            admitted += len(wanted)
            if len(rows) < SWEEP_ROWS or admitted >= SWEEP_ROWS:
                return

    def _is_due(self, row: OpenRow, now: datetime) -> bool:
        return (
            row.id not in self._in_flight
            and account_key(row.channel, row.account) in self._channels
            and (row.not_before is None or row.not_before <= now)
        )

    async def keep_sweeping(self) -> None:
        """Sweep at once and then every two seconds, until cancelled."""
        for number in itertools.count():
            try:
                await self.sweep(everything=number == 0)
                if number % COUNT_EVERY_SWEEPS == 0:
                    await self._count()
            except Exception as error:  # noqa: BLE001  without the sweep nothing is ever recovered: the loop must go on
                log.warning("sweep_failed", error=type(error).__name__, where=where_raised(error))
            await self._until_next_sweep()

    async def _until_next_sweep(self) -> None:
        """Wait for the next turn of the clock, or for a nudge; nudges in quick succession are one."""
        interval_s = SWEEP_EVERY_S * random.uniform(0.8, 1.2)  # noqa: S311  keeps workers apart, no secret
        with suppress(TimeoutError):
            await asyncio.wait_for(self._nudged.wait(), interval_s)
            await asyncio.sleep(NUDGES_WITHIN_S)
        self._nudged.clear()

    def sweep_now(self) -> None:
        """Sweep without waiting for the clock: somebody rang."""
        self._nudged.set()

    async def _count(self) -> None:
        for state, count in (await self._store.counts()).items():
            self._metrics.inbox_rows.labels(state).set(count)

    @property
    def busy(self) -> int:
        """Return how many conversations are being worked on."""
        return len(self._lanes)

    async def drain(self, timeout_s: float) -> None:
        """Take nothing new and let running lanes finish what they can in that time."""
        self._closing.set()
        if self._background:
            _, late = await asyncio.wait(list(self._background), timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def where_raised(error: BaseException) -> str:
    """Return file, line and function of the innermost frame: what a log may say about an error without its values."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "unknown"
    last = frames[-1]
    return f"{last.filename.rsplit('/', 2)[-2]}/{last.filename.rsplit('/', 1)[-1]}:{last.lineno} {last.name}"
