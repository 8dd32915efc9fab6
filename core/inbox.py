"""The life of something a platform handed us, from its raw bytes to its end. Pure: the store applies what this decides.

    RECEIVED -> READY -> HANDLED -> DONE          every accepted payload ends on the right-hand side
        |         |--> READY (attempts + 1)       a turn raised: again after 1, 5, 30, 120 seconds
        |         |--> DEAD                       the fifth failure, or the third crash
        |         `--> IGNORED                    not ours to answer, with the reason
        |--> QUARANTINED                          cannot be read, with the reason
        `--> IGNORED                              holds no event that we handle

Which worker holds a READY row is told by the lease on its conversation, not by the row: one write fewer per message.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.ids import ConversationId
from core.model import AwareDatetime, Model

RETRY_AFTER_S = (1.0, 5.0, 30.0, 120.0)
"""Pause before the second, third, ... run of a turn that raised (SEMANTICS section 3)."""
MAX_CRASHES = 3
"""Runs that ended without an outcome: the process died. After so many the message is DEAD without another run."""


class InboxState(StrEnum):
    """Where an accepted payload stands."""

    RECEIVED = "received"
    READY = "ready"
    HANDLED = "handled"
    DONE = "done"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"
    DEAD = "dead"


READ_LATER = frozenset({"email"})
"""Channels whose payloads are read only when they are durable: their parsers are the ones that one could kill."""

OPEN_STATES = (InboxState.RECEIVED, InboxState.READY)
"""What the sweep looks for."""

ENDED_STATES = (InboxState.HANDLED, InboxState.DONE, InboxState.IGNORED)
"""Nobody reads the bytes of such a row again."""

TRANSITIONS: Mapping[InboxState, frozenset[InboxState]] = {
    InboxState.RECEIVED: frozenset(
        {InboxState.READY, InboxState.HANDLED, InboxState.DONE}
        | {InboxState.IGNORED, InboxState.QUARANTINED, InboxState.DEAD}
    ),
    InboxState.READY: frozenset(
        {InboxState.READY, InboxState.HANDLED, InboxState.DONE, InboxState.IGNORED, InboxState.DEAD}
    ),
    InboxState.HANDLED: frozenset({InboxState.DONE}),
    InboxState.DEAD: frozenset({InboxState.READY, InboxState.IGNORED}),
    InboxState.QUARANTINED: frozenset({InboxState.RECEIVED, InboxState.IGNORED}),
    InboxState.DONE: frozenset(),
    InboxState.IGNORED: frozenset(),
}
"""Every legal step. DEAD -> READY and QUARANTINED -> RECEIVED are replays by a person, -> IGNORED is a discard."""


def sources_of(state: InboxState) -> list[str]:
    """Return the states from which a row may enter `state`: the filter of the compare-and-set.

    >>> sources_of(InboxState.QUARANTINED)
    ['received']
    """
    return [str(source) for source, targets in TRANSITIONS.items() if state in targets]


class InboxRow(Model):
    """One accepted payload, or one of several events of one payload (`part` > 0)."""

    id: str
    """The provider's key, so that inserting is also the check for duplicates."""
    channel: str
    account: str
    body: bytes
    headers: dict[str, str] = {}
    received_at: AwareDatetime
    node: str
    n: int
    """Counts arrivals at that node; with `received_at` it orders what the platform does not order."""
    order: str | None = None
    """The platform's own order inside a conversation, comparable as text."""
    conversation_id: ConversationId | None = None
    """Whose it is; None until somebody has read it (mail is read after it is durable)."""
    home: str | None = None
    """What the row is sharded by: its conversation, or its own id where that is not known on arrival. Never changes."""
    part: int = 0
    state: InboxState = InboxState.RECEIVED
    attempts: int = 0
    crashes: int = 0
    not_before: AwareDatetime | None = None
    reason: str | None = None
    replayed: bool = False
    """Brought back by a person after it was dead."""

    @property
    def sort_key(self) -> tuple[str, datetime, str, int, int]:
        """Order inside one conversation (SEMANTICS section 4)."""
        return (self.order or "", self.received_at, self.node, self.n, self.part)

    def mark(self, state: InboxState, **changes: Any) -> "InboxMark":
        """Return the change of this row to a state, with further fields of `InboxMark`."""
        return InboxMark(id=self.id, home=self.home, state=state, **changes)


class InboxMark(Model):
    """A change of one row's state, applied as a compare-and-set."""

    id: str
    home: str | None = None
    """The row's, so that a sharded database need not ask everywhere."""
    state: InboxState
    conversation_id: ConversationId | None = None
    """Set when a row that was read later has found its conversation."""
    reason: str | None = None
    attempts: int | None = None
    crashes: int | None = None
    not_before: AwareDatetime | None = None
    forget: bool = False
    """Empty the raw bytes: they hold words that somebody took back."""


class OpenRow(Model):
    """An open row without its bytes: what the sweep looks at first."""

    id: str
    channel: str
    account: str
    received_at: AwareDatetime
    conversation_id: ConversationId | None = None
    not_before: AwareDatetime | None = None


def after_failure(attempts: int) -> float | None:
    """Return the seconds to wait after the `attempts`-th failed run, or None when the row is DEAD.

    >>> [after_failure(n) for n in (1, 2, 3, 4, 5)]
    [1.0, 5.0, 30.0, 120.0, None]
    """
    return RETRY_AFTER_S[attempts - 1] if attempts <= len(RETRY_AFTER_S) else None
