"""The port of time: `core` asks, `hub` knows."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for records and signatures, monotonic seconds for deadlines."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""
        ...
