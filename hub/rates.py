"""How often something may happen: a leaky bucket for each key, in bounded memory. Pure: the time is an argument.

Libraries for this read a clock of their own (`limits`: `time.time`, `aiolimiter`: the event loop's) and none books a
turn ahead. The generic cell rate algorithm needs one number for each key.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

from channels.inbound import Pace

Key = TypeVar("Key", bound=Hashable)
MAX_KEYS = 100_000
"""Keys remembered; beyond it those that have recovered are forgotten, then those that were seen first."""

ROUNDING_S = 1e-6
"""Sums of many intervals are this exact at least; a shorter wait is none."""


class Buckets(Generic[Key]):
    """Buckets of one size, by key. `now` is in monotonic seconds everywhere.

    A key is remembered by the time at which its bucket will be empty; one that is empty is as good as unknown.
    """

    def __init__(self, pace: Pace, max_keys: int = MAX_KEYS) -> None:
        self._interval_s = 1.0 / pace.per_s
        self._tolerance_s = (pace.burst - 1) * self._interval_s
        self._max_keys = max_keys
        self._empty_at: dict[Key, float] = {}

    def wait_s(self, key: Key, now: float) -> float:
        """Return 0.0 when there is room now, else the seconds until there is."""
        wait_s = self._empty_at.get(key, now) - self._tolerance_s - now
        return wait_s if wait_s > ROUNDING_S else 0.0

    def book(self, key: Key, now: float) -> float:
        """Put one into the bucket and return the seconds until its turn, 0.0 for now: no two get the same turn."""
        wait_s = self.wait_s(key, now)
        self._empty_at[key] = max(self._empty_at.get(key, now), now) + self._interval_s
        if len(self._empty_at) > self._max_keys:
            self._make_room(now)
        return wait_s

    def give_back(self, key: Key) -> None:
        """Take one out again that does not count after all."""
        if key in self._empty_at:
            self._empty_at[key] -= self._interval_s

    def _make_room(self, now: float) -> None:
        """Forget who has recovered; where that is not enough, the older half, who then begin anew."""
        kept = {key: at for key, at in self._empty_at.items() if at > now}
        surplus = len(kept) - self._max_keys // 2 if len(kept) > self._max_keys else 0
        self._empty_at = dict(list(kept.items())[surplus:])

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._empty_at)
