"""How often somebody may do something: a token bucket for each key."""

from core.clock import Clock

MESSAGES_PER_S = 5.0
"""Of one session; then 429 or close 1008 (FAULTS F097)."""
UPLOADS_PER_MIN = 10.0
"""Of one session: each may fill a document of the database."""
SESSIONS_PER_MIN = 10.0
"""New ones from one network address (SECURITY section 6)."""
SWEEP_AT = 10_000
"""Keys kept before those that have recovered are forgotten."""


class Buckets:
    """Token buckets by key, in this process.

    Args:
        per_s: tokens that flow back each second.
        burst: tokens of a full bucket.
        clock: the monotonic one is used.
    """

    def __init__(self, per_s: float, burst: float, clock: Clock) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> float:
        """Take one token; return 0.0, or the seconds until there is one."""
        now = self._clock.monotonic()
        level = self._level(key, now)
        if level < 1.0:
            return (1.0 - level) / self._per_s
        self._levels[key] = (level - 1.0, now)
        if len(self._levels) > SWEEP_AT:
            self._forget_full(now)
        return 0.0

    def _level(self, key: str, now: float) -> float:
        level, since = self._levels.get(key, (self._burst, now))
        return min(self._burst, level + (now - since) * self._per_s)

    def _forget_full(self, now: float) -> None:
        self._levels = {key: kept for key, kept in self._levels.items() if self._level(key, now) < self._burst}
