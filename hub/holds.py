"""The conversations this process holds: leased, loaded, renewed, saved and given back.

While a hold is good this process alone writes the conversation, so its copy is the truth and needs no reading. Every
save carries the fence of the lease: a hold that went stale without knowing it can do no harm.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from core.clock import Clock
from core.conversation import Conversation
from core.errors import StoreUnavailable, VersionConflict
from core.failpoints import reach
from core.ids import ConversationId, OutId
from core.outbox import OutboxRow, SendState
from core.storage import Held, Leased, Save, Store, TranscriptRow
from core.store.documents import earliest_wake
from hub.groups import MAX_GROUP, GroupCommit
from hub.telemetry import Metrics

log = structlog.get_logger(__name__)

LEASE_S = 15.0
RECORDED_WITHIN = timedelta(seconds=30)
"""Lines that the transcript still has not by then are written again by who finds the conversation waking."""
RENEW_EVERY_S = 5.0
WORK_WITHOUT_RENEWAL_S = 10.0
"""A holder stops after so long without a renewal: well before another can take the lease (SEMANTICS section 5)."""


@dataclass(eq=False)
class Hold:
    """One leased conversation. `conversation` is None until the first event gives it a desk and an address."""

    id: ConversationId
    fence: int
    rev: int
    conversation: Conversation | None
    out: tuple[OutboxRow, ...]
    good_until: float
    """Monotonic seconds; past it nothing may be committed or sent."""
    is_fresh: bool = True
    """Just read from the store: what its last owner left in doubt is still to be settled."""
    busy: bool = True
    said: tuple[TranscriptRow, ...] = ()
    """Lines of people that the transcript may not have yet; they travel in the conversation until it has."""
    recorded: set[OutId] = field(default_factory=set)
    """Finished rows whose transcript line is on its way."""
    is_dirty: bool = False
    """Something has finished that is not written yet: it goes with the next commit, or when the lease is given back."""

    @property
    def open_rows(self) -> list[OutboxRow]:
        """Return the rows that still want something done, in order; what waits for the person to write is not one."""
        return [row for row in self.out if not row.is_terminal and row.state is not SendState.WAITING]

    def put(self, changed: OutboxRow) -> None:
        """Replace a row by its next state."""
        self.out = tuple(changed if row.id == changed.id else row for row in self.out)

    def drop(self, done: OutboxRow) -> None:
        """Take a row out that the transcript has."""
        self.recorded.discard(done.id)
        self.out = tuple(row for row in self.out if row.id != done.id)

    def heard(self, line: TranscriptRow) -> None:
        """Take a line off that the transcript has."""
        self.said = tuple(other for other in self.said if other.id != line.id)
        self.is_dirty = True

    @property
    def lease(self) -> Held:
        """Return the lease by its name."""
        return Held(self.id, self.fence, is_empty=self.rev == 0 and self.conversation is None)


class Holds:
    """Leases for this worker.

    Args:
        store: where conversations live.
        worker: names this process for as long as it lives; never used twice.
        clock: monotonic time for deadlines.
        node: a name that survives restarts; what it held before is taken back at once.
        keeps: tells which conversations may be kept warm; those that belong to another process are given back at once.
    """

    def __init__(
        self,
        store: Store,
        worker: str,
        clock: Clock,
        metrics: Metrics,
        node: str | None = None,
        keeps: Callable[[ConversationId], bool] = lambda _: True,
    ) -> None:
        self._node = node
        self._keeps = keeps
        self._store = store
        self._worker = worker
        self._clock = clock
        self._metrics = metrics
        self._held: dict[ConversationId, Hold] = {}
        self._moving = asyncio.Event()
        self._abandoned: dict[ConversationId, Held] = {}
        """Leases that may still be ours in the database, and that we no longer work under."""
        self._unheard: set[ConversationId] = set()
        """What was asked for without an answer: it may be ours and we do not know its fence."""
        self._acquiring: GroupCommit[ConversationId, Leased | None] = GroupCommit(self._acquire)
        self._saving: GroupCommit[Hold, bool] = GroupCommit(self._save)

    async def take(self, name: ConversationId) -> Hold | None:
        """Hold a conversation; None while somebody else does.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        known = self._held.get(name)
        if known is not None and self._clock.monotonic() < known.good_until:
            known.busy = True
            return known
        if known is not None:
            self.forget(known)
        if (ours := self._abandoned.pop(name, None)) is not None:
            await self._store.release([ours], self._worker)
        asked = self._clock.monotonic()
        leased = await self._ask_for(name)
        if leased is None:
            return None
        hold = Hold(
            id=name,
            fence=leased.fence,
            rev=leased.rev,
            conversation=leased.conversation,
            out=leased.out,
            said=leased.said,
            good_until=asked + WORK_WITHOUT_RENEWAL_S,
        )
        self._held[name] = hold
        return hold

    async def _ask_for(self, name: ConversationId) -> Leased | None:
        """Ask for a lease; one whose answer we never heard is given back first, or it would keep ourselves out."""
        was_unheard = name in self._unheard
        self._unheard.add(name)
        leased = await self._acquiring.put(name)
        self._unheard.discard(name)
        if leased is None and was_unheard:
            await self._store.release([Held(name, fence=None)], self._worker)
        return leased

    async def _acquire(self, names: Sequence[ConversationId]) -> list[Leased | None]:
        leased = {lease.id: lease for lease in await self._store.acquire(names, self._worker, LEASE_S, self._node)}
        return [leased.get(name) for name in names]

    async def save(self, hold: Hold) -> None:
        """Make the hold's state durable, as it is when the group leaves.

        Raises:
            VersionConflict: the lease is lost; the hold is dropped and its work is void.
            StoreUnavailable: nobody knows whether the write applied; the hold is dropped, recovery reads it again.
            StoreRefused: this state can never be written; the hold stays as it was.
        """
        if self._clock.monotonic() >= hold.good_until:
            self.forget(hold)
            self._metrics.leases_lost.inc()
            raise VersionConflict("the lease could not be renewed in time")
        try:
            applied = await self._saving.put(hold)
        except StoreUnavailable:
            self.forget(hold)
            raise
        if not applied:
            self.forget(hold)
            self._metrics.leases_lost.inc()
            raise VersionConflict("another worker holds this conversation")

    async def _save(self, holds: Sequence[Hold]) -> list[bool]:
        """Write each hold once, however often it stands in the group: the state written is the latest of all."""
        distinct = list(dict.fromkeys(holds))
        now = self._clock.now()
        results = dict(
            zip(distinct, await self._store.save([self._as_save(hold, now) for hold in distinct]), strict=True)
        )
        for hold, applied in results.items():
            hold.rev += int(applied)
            had_finished = hold.is_dirty
            hold.is_dirty = hold.is_dirty and not applied
            if had_finished and applied:
                await reach("relay.pulled", hold.id.partition(":")[0])
        return [results[hold] for hold in holds]

    @staticmethod
    def _as_save(hold: Hold, now: datetime, *, release: bool = False) -> Save:
        assert hold.conversation is not None  # noqa: S101  only a turn, or rows that one left, make a hold worth saving
        wake_at = earliest_wake(hold.out, now)
        if wake_at is None and (hold.said or hold.out):
            wake_at = now + RECORDED_WITHIN
        return Save(hold.conversation, hold.out, hold.fence, hold.rev, wake_at, hold.said, release, now)

    def idle(self, hold: Hold) -> None:
        """Say that nothing is being done with a hold; it is kept warm for a while and then given back."""
        hold.busy = False
        if not self._keeps(hold.id):
            self._moving.set()

    async def move(self) -> None:
        """Give back what belongs to another process as soon as nobody works on it, until cancelled."""
        while True:
            await self._moving.wait()
            self._moving.clear()
            try:
                await self.give_back_foreign()
            except Exception as error:  # noqa: BLE001  the lease runs out by itself; the loop must go on
                log.warning("leases_not_moved", error=type(error).__name__)

    def give_back_soon(self) -> None:
        """Have `move` look: whose a conversation is has changed."""
        self._moving.set()

    async def give_back_foreign(self) -> None:
        """Release idle holds that belong to another process by now."""
        foreign = [hold for hold in self._held.values() if not hold.busy and not self._keeps(hold.id)]
        for hold in foreign:
            del self._held[hold.id]
        await self._give_back(foreign, [])

    def forget(self, hold: Hold) -> None:
        """Drop a hold whose state is no longer known; its lease is given back before it is taken again."""
        if self._held.get(hold.id) is hold:
            del self._held[hold.id]
            self._abandoned[hold.id] = hold.lease

    def holds(self, name: ConversationId) -> bool:
        """Tell whether this process holds a conversation."""
        return name in self._held

    async def keep(self) -> None:
        """Renew what is in use and give back what is not, until cancelled."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self.renew()
                await self.give_back_idle()
            except Exception as error:  # noqa: BLE001  without renewal every lease is lost: the loop must go on
                log.warning("leases_not_renewed", error=type(error).__name__, held=len(self._held))

    async def renew(self) -> None:
        """Prolong every lease once."""
        holds = list(self._held.values())
        if not holds:
            return
        asked = self._clock.monotonic()
        ours = await self._store.renew([hold.lease for hold in holds], self._worker, LEASE_S)
        for hold in holds:
            if hold.id in ours:
                hold.good_until = asked + WORK_WITHOUT_RENEWAL_S
            else:
                self.forget(hold)
                self._metrics.leases_lost.inc()

    async def give_back_idle(self) -> None:
        """Release what nobody works on, and what a failure left behind."""
        idle = [hold for hold in self._held.values() if not hold.busy]
        for hold in idle:
            del self._held[hold.id]
        abandoned, self._abandoned = list(self._abandoned.values()), {}
        await self._give_back(idle, abandoned)

    async def _give_back(self, holds: Sequence[Hold], abandoned: Sequence[Held]) -> None:
        """Release leases; what is not written yet goes with it."""
        now = self._clock.now()
        dirty = [self._as_save(hold, now, release=True) for hold in holds if hold.is_dirty]
        clean = [hold.lease for hold in holds if not hold.is_dirty] + list(abandoned)
        for start in range(0, len(clean), MAX_GROUP):
            await self._store.release(clean[start : start + MAX_GROUP], self._worker)
        for start in range(0, len(dirty), MAX_GROUP):
            await self._store.save(dirty[start : start + MAX_GROUP])

    async def close(self) -> None:
        """Finish what is being written and give every lease back."""
        await self._saving.drain()
        held = list(self._held.values())
        self._held.clear()
        await self._give_back(held, list(self._abandoned.values()))
