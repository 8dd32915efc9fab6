"""The real clock."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Satisfies `core.clock.Clock`."""

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()
