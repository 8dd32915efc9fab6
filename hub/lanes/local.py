"""Lanes in one process: a task for each conversation that has something to do."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from math import inf
from typing import Any, Protocol

import structlog

from channels.base import Channel
from core.clock import Clock
from core.errors import StoreError, StoreUnavailable, VersionConflict
from core.events import Event
from core.failpoints import reach
from core.ids import ConversationId, account_of
from core.inbox import MAX_CRASHES, OPEN_STATES, InboxRow, InboxState
from core.storage import Store
from hub.breaker import Breaker
from hub.groups import GroupCommit
from hub.holds import Hold, Holds
from hub.lanes import albums
from hub.lanes.albums import album_of, gathered
from hub.lanes.failures import Failures
from hub.lanes.lane import Lane, Task
from hub.lanes.reading import Reader, named, where_raised
from hub.limits import SenderLimits
from hub.outbox import Outbox
from hub.records import Records
from hub.settings import Limits
from hub.suspects import Handling, unnoted
from hub.tasks import end
from hub.telemetry import LogNames, Metrics
from hub.turns import OutboxFull, Turns

log = structlog.get_logger(__name__)

MAX_ROWS = 5000
"""Rows in memory at a time; what is beyond them stays in the database until the sweep comes for it."""
TAKEN_KEPT = 10_000
"""Rows remembered as taken until the database knows it: more than are marked in a second."""
MARKED_WITHIN_S = 6.0
"""A lazy mark is written by then, or has failed: longer than the database has for one operation."""
UNREAD_AT_ONCE = 2000
"""Names of rows that were accepted unread: finding them costs a database as much as there are, however few it tells."""
READ_AT_ONCE = 20
"""Rows read together that were accepted unread; a mail may have 10 MiB."""
LOOK_AT_SPOOLS_EVERY_S = 0.1
TAKE_AGAIN_AFTER_S = (0.2, 1.0, 2.0)
LONGEST_WAIT_S = 30.0
"""A hold is kept this long for a row that waits; beyond it the lease is given back and the sweep comes again."""


class Place(Protocol):
    """Where this process stands among others: `hub.lanes.members.Members`."""

    @property
    def is_alone(self) -> bool:
        """Tell whether nobody else accepts or takes turns."""
        ...

    def owns(self, name: str) -> bool:
        """Tell whether a conversation, or an account whose rows are read later, is ours to see to."""
        ...

    async def has_undrained(self) -> bool:
        """Tell whether earlier rows than those in the database may still be in somebody's spool.

        Raises:
            StoreError: the database does not answer.
        """
        ...


class _Alone:
    is_alone = True

    def owns(self, _name: str) -> bool:
        return True

    async def has_undrained(self) -> bool:
        return False


ALONE: Place = _Alone()


class Lanes:
    """Runs turns and sends, one at a time per conversation.

    Args:
        turns: takes a turn to its commit.
        outbox: sends what is committed.
        place: tells whose a conversation is, where there are several processes.
        limits: how much one sender may ask for; what is more waits.
        breaker: whether turns are taken at all.
        handling: notes which row is being read.
        pause: waits between two runs of a turn that raised.
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
        place: Place = ALONE,
        limits: SenderLimits | None = None,
        breaker: Breaker | None = None,
        handling: Handling = unnoted,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
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
        self._place = place
        self._limits = limits or SenderLimits(Limits(), clock, metrics)
        self._breaker = breaker or Breaker(clock, metrics)
        self._failures = Failures(store, records, turns, self._breaker, clock, metrics, names)
        self.call: Callable[[ConversationId], None] = self.look
        """Has the process look at a conversation whose it is; the wiring knows the others."""
        self._lanes: dict[ConversationId, Lane] = {}
        self._in_flight: set[str] = set()
        self._background: set[asyncio.Task[Any]] = set()
        self._looking: GroupCommit[ConversationId, list[InboxRow]] = GroupCommit(self._open_rows)
        self._put_off: set[ConversationId] = set()
        """Conversations with rows in the database whose turn is later; a new row must not overtake them."""
        self._taken: dict[str, float] = {}
        """Rows that were taken lately and when, in monotonic seconds; oldest first."""
        self._reader = Reader(channels, records, metrics, names, handling)
        self._unread: set[str] = set()
        self._reading: set[str] = set()
        self.shed = 0
        """How many rows were left to the sweep because too many were here."""
        self.is_behind = False
        """The sweep has to find rows that were left to it; until then a new one might overtake them."""
        self._closing = asyncio.Event()

    # what comes in

    def offer(self, row: InboxRow, events: tuple[Event, ...] | None = None) -> None:
        """Take a row that has just become durable, read already or not; with too many here it is left to the sweep."""
        if row.conversation_id is not None and row.conversation_id in self._put_off:
            self.look(row.conversation_id)
        elif self.is_behind or self.rows >= MAX_ROWS:
            self.is_behind = True
            self.shed += 1
        else:
            self.admit(row, events)

    def look(self, name: ConversationId) -> None:
        """See to the open rows that the database has of a conversation."""
        if self._closing.is_set() or account_of(name) not in self._channels:
            return
        lane = self._lanes.setdefault(name, Lane())
        lane.look = True
        lane.arrived.set()
        self.wake(name)

    def read_later(self, account: str) -> None:
        """Read what an account (`channel:account`) has accepted unread, in order, and have the conversations looked at.

        One process reads all of an account, one row after the other: two mails of a thread keep their order.
        """
        if self._closing.is_set() or account not in self._channels:
            return
        self._unread.add(account)
        if account not in self._reading:
            self._reading.add(account)
            self._spawn(self._read_account(account))

    async def _read_account(self, account: str) -> None:
        try:
            while account in self._unread and not self._closing.is_set():
                self._unread.discard(account)
                channel, _, name = account.partition(":")
                names = await self._store.unread_of(channel, name, UNREAD_AT_ONCE)
                for start in range(0, len(names), READ_AT_ONCE):
                    if not await self._read(names[start : start + READ_AT_ONCE]):
                        return  # the sweep comes again
                await self._records.drain()  # what was set aside must not be found again
                if len(names) == UNREAD_AT_ONCE:
                    self._unread.add(account)
        except StoreError as error:
            log.warning("reading_delayed", account=account, error=type(error).__name__)
        finally:
            self._reading.discard(account)

    async def _read(self, names: Sequence[str]) -> bool:
        """Read rows of one account, in order; False when the rest has to wait."""
        rows = sorted(await self._store.load_inbox(names), key=lambda row: row.sort_key)
        for row in rows:
            if row.conversation_id is not None or row.state not in OPEN_STATES:
                continue  # somebody else has read it since
            if self._closing.is_set() or self._limits.due_to_read(row.channel, row.account) is not None:
                return False
            await self._find_conversation(row)
        return True

    async def _find_conversation(self, row: InboxRow) -> None:
        events = self._reader.read(row)
        if events is None:
            return
        if row.part >= len(events):
            self._reader.set_aside(row, InboxState.IGNORED, "part_gone")
            return
        if await self._turns.take_report(row, events[row.part]):
            self._limits.note_report(row)
            return
        name = events[row.part].conversation_id
        await self._records.mark_now(row.mark(InboxState.READY, conversation_id=name))
        self.call(name)

    @property
    def rows(self) -> int:
        """Return how many rows are here."""
        return len(self._in_flight)

    def has(self, row_id: str) -> bool:
        """Tell whether a row is here."""
        return row_id in self._in_flight

    def is_on(self, account: str) -> bool:
        """Tell whether an account (`channel:account`) is switched on here."""
        return account in self._channels

    def admit(self, row: InboxRow, events: tuple[Event, ...] | None = None) -> None:
        """Take a row into its conversation's lane, unless it is there."""
        if row.id in self._in_flight or self._closing.is_set():
            return
        self._in_flight.add(row.id)
        events = named(row, events) if events else self._reader.read(row)
        if events is None:
            self._in_flight.discard(row.id)
        elif row.part >= len(events):
            self._reader.set_aside(row, InboxState.IGNORED, "part_gone")
            self._in_flight.discard(row.id)
        elif len(events) > 1 and row.part == 0:
            self._spawn(self._split(row, events))
        else:
            self._enqueue(Task(row.sort_key, row, events[row.part]))

    async def _split(self, row: InboxRow, events: tuple[Event, ...]) -> None:
        """Give the further events of one payload rows of their own, durable before the first one may be done."""
        parts = [_part(row, part, events[part].conversation_id) for part in range(1, len(events))]
        try:
            are_new = await self._store.insert_inbox(parts)
        except StoreError as error:
            log.warning("split_delayed", row=self._names.row(row.id), error=type(error).__name__)
            self._in_flight.discard(row.id)
            return
        self._enqueue(Task(row.sort_key, row, events[0]))
        for part, event, is_new in zip(parts, events[1:], are_new, strict=True):
            if not self._place.is_alone:
                self.call(event.conversation_id)
            elif is_new:  # the sweep has the others, with what became of them so far
                self.admit(part, events)

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

        A lane keeps its rows over trouble with the database or the lease: what comes later must not overtake them. One
        whose conversation belongs to another process by now lets them go; that one reads them, in order.
        """
        try:
            for pause_s in itertools.chain(TAKE_AGAIN_AFTER_S, itertools.repeat(TAKE_AGAIN_AFTER_S[-1])):
                if await self._visit(name, lane) or self._closing.is_set():
                    return
                if not self._place.is_alone and not self._place.owns(name):
                    self.call(name)
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
                await reach("parse.done", name.partition(":")[0])
                await self._outbox.recover(hold)
                hold.is_fresh = False
                lane.look = lane.look or not self._place.is_alone
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
            if lane.look:
                lane.look = False
                await self._gather(hold.id, lane)
            turn_due = self._turn_due(hold, lane) if lane.tasks and not is_full else None
            if lane.tasks and not is_full and turn_due is None:
                is_full = not await self._take(hold, lane)
                continue
            if turn_due is not None:
                if (turn_due - self._clock.now()).total_seconds() > LONGEST_WAIT_S and due is None:
                    await self._put_rows_off(hold, lane, turn_due)
                    return
                due = min(due or turn_due, turn_due)
            if due is None:
                if not is_full and not lane.look:
                    return
                is_full = False
                continue
            wait_s = (due - self._clock.now()).total_seconds()
            if wait_s > LONGEST_WAIT_S and not lane.tasks:
                return
            await self._wait(lane, min(wait_s, LONGEST_WAIT_S), for_tasks=not is_full)
            is_full = False

    def _turn_due(self, hold: Hold, lane: Lane) -> datetime | None:
        """Return None when the first row may have its turn now, else when to ask again."""
        task = lane.tasks[0]
        if hold.conversation is not None and hold.conversation.remembers(task.event.id):
            return None  # it had its turn
        if task.row.not_before is not None and task.row.not_before > self._clock.now():
            return task.row.not_before
        if (more_until := albums.due(self._album(hold, lane), self._clock.now())) is not None:
            return more_until
        due = None if task.is_let_in or task.row.replayed else self._limits.due(task.event)
        task.is_let_in = due is None
        return due or self._breaker.due()

    async def _put_rows_off(self, hold: Hold, lane: Lane, due: datetime) -> None:
        """Leave the rows of a conversation to the database for so long that keeping its lease is not worth it."""
        self._put_off.add(hold.id)
        for task in lane.tasks:
            state = InboxState.READY
            mark = task.row.mark(state, conversation_id=hold.id, not_before=due)
            await self._records.mark_now(mark)

    async def _gather(self, name: ConversationId, lane: Lane) -> None:
        """Take in every open row of the conversation, so that the next one taken is the first of all."""
        try:
            rows = await self._looking.put(name)
        except StoreError:
            lane.look = True
            raise
        for row in rows:
            if row.replayed or not self._is_being_marked(row.id):
                self.admit(row)
        self._put_off.discard(name)

    def _is_being_marked(self, row_id: str) -> bool:
        """Tell whether a row was taken a moment ago; one that is still open later lost its mark, and gets it again."""
        return self._clock.monotonic() - self._taken.get(row_id, -inf) < MARKED_WITHIN_S

    async def _open_rows(self, names: Sequence[ConversationId]) -> list[list[InboxRow]]:
        rows = await self._store.open_of(list(dict.fromkeys(names)))
        while not self._place.is_alone and await self._place.has_undrained() and not self._closing.is_set():
            await self._nap(LOOK_AT_SPOOLS_EVERY_S)
            rows = await self._store.open_of(list(dict.fromkeys(names)))
        return [[row for row in rows if row.conversation_id == name] for name in names]

    async def _wait(self, lane: Lane, wait_s: float, *, for_tasks: bool) -> None:
        """Wait for a row's time, but not longer than until there is something else to do."""
        lane.arrived.clear()
        ends = [asyncio.ensure_future(self._closing.wait())]
        if for_tasks:
            ends.append(asyncio.ensure_future(lane.arrived.wait()))
        await asyncio.wait(ends, timeout=max(wait_s, 0.0), return_when=asyncio.FIRST_COMPLETED)
        for one in ends:
            one.cancel()

    async def _nap(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _take(self, hold: Hold, lane: Lane) -> bool:
        """Take the smallest task; one that fails stays until it succeeds or is dead. False: the outbox is full."""
        task = lane.tasks[0]
        try:
            if task.row.crashes >= MAX_CRASHES:
                await self._failures.bury_killer(hold, task)
            else:
                await reach("claim.done", task.row.channel)
                self._note_wait(task)
                await self._turns.take(hold, task.row, self._whole(hold, lane), lane.changes)
                self._breaker.note_handled()
        except (StoreUnavailable, VersionConflict):
            raise
        except OutboxFull:
            return False
        except Exception as error:  # noqa: BLE001  a turn may fail in any way; its message must not be lost with it
            if (pause_s := await self._failures.note(hold, task, error)) is not None:
                await self._pause(pause_s)
                return True
        lane.tasks = [other for other in lane.tasks if other is not task]  # a smaller one may have arrived meanwhile
        heapq.heapify(lane.tasks)
        self._in_flight.discard(task.row.id)
        self._taken[task.row.id] = self._clock.monotonic()
        if len(self._taken) > TAKEN_KEPT:
            del self._taken[next(iter(self._taken))]
        return True

    def _album(self, hold: Hold, lane: Lane) -> list[Task]:
        conversation = hold.conversation
        return album_of(lane.tasks, lambda name: conversation is not None and conversation.remembers(name))

    def _whole(self, hold: Hold, lane: Lane) -> Event:
        """Return the first task's event, with what belongs to it; the others' turns are then found to be taken."""
        album = self._album(hold, lane)
        return gathered(album) if len(album) > 1 else album[0].event

    def _note_wait(self, task: Task) -> None:
        waited = self._clock.now() - task.row.received_at
        self._metrics.lane_wait_seconds.observe(max(waited.total_seconds(), 0.0))

    @property
    def busy(self) -> int:
        """Return how many conversations are being worked on."""
        return len(self._lanes)

    async def drain(self, timeout_s: float) -> None:
        """Take nothing new and let running lanes finish what they can in that time."""
        self._closing.set()
        if self._background:
            _, late = await asyncio.wait(list(self._background), timeout=timeout_s)
            await end(late)


def _part(row: InboxRow, part: int, name: ConversationId) -> InboxRow:
    """Return the row of a further event of a payload."""
    known = row.home is not None and row.conversation_id is not None
    own = {"id": f"{row.id}#{part}", "part": part, "conversation_id": name}
    return row.model_copy(update=own | {"home": name if known else f"{row.id}#{part}"})
