"""When a platform wants no calls: what it asked for, and what its silence says (SEMANTICS section 6.6)."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from core.clock import Clock
from core.errors import AccountRefused, DeliveryError, RateLimited, TemporaryFailure, UnknownOutcome
from hub.telemetry import Metrics

log = structlog.get_logger(__name__)

REFUSED_PAUSE_S = 60.0
"""Between two tries with credentials that were refused."""
FAILURES = 5
FAILURES_WITHIN_S = 30.0
SILENT_PAUSE_S = 30.0
"""Between two tries of a platform that answers nobody."""
TRIED_WITHIN_S = 10.0
"""A call has succeeded, failed or timed out by then."""


@dataclass
class _Stop:
    """An account whose calls wait; after the pause one of them is tried."""

    until: datetime
    pause: timedelta


@dataclass
class _Account:
    stop: _Stop | None = None
    failures: deque[datetime] = field(default_factory=lambda: deque(maxlen=FAILURES))
    """When the last calls failed, without a success among them."""


class Pauses:
    """Remembers who wants no calls, in this process."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._buckets: dict[tuple[str, str], datetime] = {}
        self._accounts: dict[str, _Account] = {}

    def until(self, account: str, bucket: str) -> datetime | None:
        """Return the time before which a call must not be made, None for now.

        Whoever gets None for an account that has stopped is its one try; the others ask again after it.
        """
        now = self._clock.now()
        if (paused := self._buckets.get((account, bucket))) is not None:
            if paused > now:
                return paused
            del self._buckets[account, bucket]
        stop = self._of(account).stop
        if stop is None:
            return None
        if stop.until > now:
            return stop.until
        stop.until = now + min(stop.pause, timedelta(seconds=TRIED_WITHIN_S))
        return None

    def note(self, account: str, bucket: str, error: DeliveryError | None) -> None:
        """Learn from how a call ended; None is success."""
        now = self._clock.now()
        if isinstance(error, AccountRefused):
            if self._of(account).stop is None:
                log.error("account_refused", account=account, fix="run `frontdesk doctor`")
            self._stop(account, now, REFUSED_PAUSE_S)
        elif isinstance(error, TemporaryFailure | UnknownOutcome):
            self._note_failure(account, now)
        else:
            self._answered(account)
            if isinstance(error, RateLimited):
                self._buckets[account, bucket] = now + timedelta(seconds=error.retry_after_s)

    def renewed(self, account: str) -> None:
        """Let a stopped account be tried at once: it has other credentials."""
        stop = self._of(account).stop
        if stop is not None:
            stop.until = self._clock.now()

    def _note_failure(self, account: str, now: datetime) -> None:
        known = self._of(account)
        known.failures.append(now)
        is_silent = len(known.failures) == FAILURES and now - known.failures[0] <= timedelta(seconds=FAILURES_WITHIN_S)
        if is_silent and known.stop is None:
            log.error("platform_silent", account=account, failures=FAILURES, pause_s=SILENT_PAUSE_S)
        if is_silent or known.stop is not None:
            self._stop(account, now, SILENT_PAUSE_S)

    def _stop(self, account: str, now: datetime, pause_s: float) -> None:
        pause = timedelta(seconds=pause_s)
        self._of(account).stop = _Stop(now + pause, pause)
        self._metrics.paused.labels(account).set(1)

    def _answered(self, account: str) -> None:
        known = self._of(account)
        known.failures.clear()
        if known.stop is not None:
            known.stop = None
            self._metrics.paused.labels(account).set(0)
            log.info("account_answers_again", account=account)

    def _of(self, account: str) -> _Account:
        return self._accounts.setdefault(account, _Account())
