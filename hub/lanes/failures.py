"""What becomes of a message whose turn failed: another try after a pause, or a dead letter and people."""

from datetime import timedelta

import structlog

from core.clock import Clock
from core.inbox import InboxState, after_failure
from core.storage import DeadLetter, Store
from hub.breaker import Breaker
from hub.holds import Hold
from hub.lanes.lane import Task
from hub.lanes.reading import where_raised
from hub.records import Records
from hub.telemetry import LogNames, Metrics
from hub.turns import Turns

log = structlog.get_logger(__name__)


class Failures:
    """Counts failures durably, and gives up at the last."""

    def __init__(
        self,
        store: Store,
        records: Records,
        turns: Turns,
        breaker: Breaker,
        clock: Clock,
        metrics: Metrics,
        names: LogNames,
    ) -> None:
        self._store = store
        self._records = records
        self._turns = turns
        self._breaker = breaker
        self._clock = clock
        self._metrics = metrics
        self._names = names

    async def note(self, hold: Hold, task: Task, error: Exception) -> float | None:
        """Write a failure down; returns the seconds until the next run, None when there is none."""
        attempts = task.row.attempts + 1
        signature = f"{type(error).__name__} at {where_raised(error)}"
        self._metrics.failures.labels(type(error).__name__).inc()
        row = self._names.row(task.row.id)
        log.error("turn_failed", conversation=self._names(hold.id), row=row, attempts=attempts, error=signature)
        pause_s = after_failure(attempts)
        if pause_s is None or task.last_error == signature:
            await self._bury(hold, task, type(error).__name__, signature, attempts)
            return None
        task.last_error = signature
        task.row = task.row.model_copy(update={"attempts": attempts})
        not_before = self._clock.now() + timedelta(seconds=pause_s)
        await self._records.mark_now(task.row.mark(InboxState.READY, attempts=attempts, not_before=not_before))
        return pause_s

    async def bury_killer(self, hold: Hold, task: Task) -> None:
        """Give up on a message that has ended the process again and again (`hub.suspects`)."""
        await self._bury(hold, task, "Crash", f"ended the process {task.row.crashes} times", task.row.attempts)

    async def _bury(self, hold: Hold, task: Task, error: str, detail: str, attempts: int) -> None:
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
        await self._records.mark_now(task.row.mark(InboxState.DEAD, reason=error, attempts=attempts))
        self._metrics.dead.labels(task.row.channel).inc()
        self._breaker.note_dead(task.row.id)
