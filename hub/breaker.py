"""Stops taking turns when so many messages die that the messages cannot be at fault (SEMANTICS section 8.5).

One bad message dies and its conversation goes to a person. When many different ones die it is a release, a template or
a system behind the bot: every further turn would only make another dead letter. Turns then wait, messages are accepted
as ever, and one turn in thirty seconds is let through to see whether it is over.
"""

from collections import deque
from datetime import datetime, timedelta

import structlog

from core.clock import Clock
from hub.telemetry import Metrics

log = structlog.get_logger(__name__)

WINDOW_S = 300.0
LEAST_DEAD = 20
"""Different messages; fewer may be bad luck."""
MOST_DEAD_SHARE = 0.01
PROBE_EVERY_S = 30.0


class Breaker:
    """Counts how turns end, in this process; a new process begins closed."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._dead: deque[tuple[float, str]] = deque()
        self._handled: deque[tuple[int, int]] = deque()
        """Monotonic second, and how many were handled in it."""
        self._next_probe_at: float | None = None
        self._is_probing = False
        metrics.claims_paused.set(0)

    @property
    def is_open(self) -> bool:
        """Tell whether turns wait."""
        return self._next_probe_at is not None

    def due(self) -> datetime | None:
        """Return None when a turn may be taken now, else when to ask again.

        While turns wait, one asker in thirty seconds gets None: its turn shows whether it is over.
        """
        now = self._clock.monotonic()
        if self._next_probe_at is None:
            return None
        if now < self._next_probe_at:
            return self._clock.now() + timedelta(seconds=self._next_probe_at - now)
        self._next_probe_at = now + PROBE_EVERY_S
        self._is_probing = True
        log.warning("claims_probed")
        return None

    def note_handled(self) -> None:
        """A turn came to its end; after a probe this is the sign that the others may go on.

        The dead of the last five minutes still count: should another one follow, turns wait again at once.
        """
        now = self._clock.monotonic()
        second = int(now)
        count = self._handled.pop()[1] if self._handled and self._handled[-1][0] == second else 0
        self._handled.append((second, count + 1))
        self._forget(now - WINDOW_S)
        if self._is_probing:
            self._close()

    def note_dead(self, row_id: str) -> None:
        """A message is dead."""
        now = self._clock.monotonic()
        self._dead.append((now, row_id))
        self._forget(now - WINDOW_S)
        self._is_probing = False
        if not self.is_open and self._too_many():
            self._next_probe_at = now + PROBE_EVERY_S
            self._metrics.claims_paused.set(1)
            log.error("claims_paused", dead=len(self._dead), fix="see docs/runbooks/claims-paused.md")

    def _too_many(self) -> bool:
        dead = len({row_id for _, row_id in self._dead})
        handled = sum(count for _, count in self._handled)
        return dead >= LEAST_DEAD and dead > MOST_DEAD_SHARE * (dead + handled)

    def _forget(self, before: float) -> None:
        while self._dead and self._dead[0][0] <= before:
            self._dead.popleft()
        while self._handled and self._handled[0][0] <= before:
            self._handled.popleft()

    def _close(self) -> None:
        self._next_probe_at = None
        self._is_probing = False
        self._metrics.claims_paused.set(0)
        log.warning("claims_resumed")
