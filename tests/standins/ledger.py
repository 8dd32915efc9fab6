"""The ground truth: what a platform took, in the order it took it. Appended to, never changed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sent:
    """One send that a platform accepted, or that a web client was shown."""

    channel: str
    place: str
    """What the platform calls the conversation: chat id, channel and thread, number, address, session."""
    text: str
    provider_id: str
    out_id: str | None
    """The hub's own name of the send, where the platform carries one."""
    at: float
    """Monotonic seconds."""


@dataclass
class Ledger:
    """Every accepted send of every platform."""

    _lines: list[Sent] = field(default_factory=list)

    def record(self, channel: str, place: str, text: str, provider_id: str, out_id: str | None = None) -> None:
        """Add a line; this is the moment at which the platform has taken the message."""
        self._lines.append(Sent(channel, place, text, provider_id, out_id, time.monotonic()))

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Sent]:
        return iter(tuple(self._lines))
