"""The real clock."""

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOLLOWED_BACK_AFTER_S = 300.0
"""A wall clock that was set back is believed after so long: until then what is under way keeps its order (F033).

It is as much as Slack forgives a signature (CHANNELS 1.2): a clock that was ahead does not refuse requests for longer.
"""


class SystemClock:
    """Satisfies `core.clock.Clock`. Its time goes back only after the machine's has for five minutes."""

    def __init__(self) -> None:
        self._ahead = _wall_ahead()
        self._behind_since: float | None = None

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        ahead, monotonic = _wall_ahead(), time.monotonic()
        if ahead >= self._ahead:
            self._ahead, self._behind_since = ahead, None
        elif self._behind_since is None:
            self._behind_since = monotonic
        elif monotonic - self._behind_since > FOLLOWED_BACK_AFTER_S:
            self._ahead, self._behind_since = ahead, None
        return EPOCH + timedelta(seconds=self._ahead + monotonic)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


def _wall_ahead() -> float:
    """Return by how much the wall clock is ahead of the monotonic one, in seconds."""
    return time.time() - time.monotonic()
