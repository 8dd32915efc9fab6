"""The life of one api call of a plan. Pure: the hub sends, this decides what follows.

    QUEUED -> SENDING -> SENT                      definite success
                 |-----> FAILED                    definite refusal
                 |-----> QUEUED (retry_at)         definitely not sent
                 `-----> UNKNOWN -> SENT           proof that it arrived
                             |----> QUEUED         proof that it did not, or resending is the lesser harm
                             `----> HELD           no proof possible: a person decides
    QUEUED -> CANCELLED                            a person took over, the conversation was erased, too old
    QUEUED -> UNDELIVERABLE                        the person blocked us, opted out or is gone
    QUEUED -> WAITING -> QUEUED                    the service window is shut; the person wrote again
                 `-----> FAILED                    they did not

SENDING is journaled before the socket opens. A row found in SENDING without a living owner is UNKNOWN, never QUEUED.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from core.errors import AccountRefused, DeliveryError, PermanentFailure, RateLimited, TemporaryFailure
from core.ids import EventId, OutId
from core.model import AwareDatetime, Model
from core.replies import ApiCall, ReplyKind
from core.window import WINDOW_CLOSED, OutsidePolicy, Went

MAX_OUTBOX_ROWS = 16
"""Rows of a conversation that want to leave; a plan that does not fit waits until the line has moved.

Those that wait for their person to write (`core.window.MAX_WAITING`) come on top."""

SEQ_STEP = 32
"""Sequence numbers set aside for one turn: its event and up to 31 api calls."""

RETRY_SCHEDULE_S = (1.0, 5.0, 30.0, 120.0, 600.0, 1800.0)
"""Pauses after the first, second, ... definite failure to send; then hourly (SEMANTICS section 6.6)."""
RETRY_HOURLY_S = 3600.0
TIME_TO_LIVE = timedelta(hours=24)
"""A reply older than this answers nobody any more."""

RETRY_AFTER_DEFAULT_S = 5.0
RETRY_AFTER_MIN_S = 1.0
RETRY_AFTER_MAX_S = 3600.0


class SendState(StrEnum):
    """Where one api call stands."""

    QUEUED = "queued"
    WAITING = "waiting"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SENT = "sent"
    FAILED = "failed"
    HELD = "held"
    CANCELLED = "cancelled"
    UNDELIVERABLE = "undeliverable"


TERMINAL = frozenset({SendState.SENT, SendState.FAILED, SendState.HELD, SendState.CANCELLED, SendState.UNDELIVERABLE})

UnknownSends = Literal["idempotent", "provable", "unprovable"]
"""What to do about a send in doubt. `idempotent`: sending again cannot double. `provable`: the platform can be
asked. `unprovable`: neither."""


class OutboxRow(Model):
    """One api call of a plan, inside its conversation's document."""

    id: OutId
    event_id: EventId
    inbox_id: str
    """The inbox row whose plan this is part of; DONE once all of its rows are terminal."""
    inbox_home: str | None = None
    """That row's `home`."""
    call: ApiCall
    epoch: int
    """The conversation's epoch when the reply was planned."""
    seq: int
    """Rises over the whole conversation: the order of replies, and what a web client remembers."""
    created_at: AwareDatetime
    state: SendState = SendState.QUEUED
    attempt: int = 0
    started_at: AwareDatetime | None = None
    retry_at: AwareDatetime | None = None
    provider_id: str | None = None
    reason: str | None = None
    first: OutId | None = None
    """The first call of the same reply; None: this is it."""
    approved: ApiCall | None = None
    """What says the whole reply when the service window is shut: an approved template."""
    went: Went | None = None
    """What the shut window made of it."""
    words: str | None = None
    """What a template says in the reply's own words, for the transcript."""
    replanned: bool = False
    """The platform has said that the window was shut: it is planned anew once, not twice."""

    @property
    def is_first(self) -> bool:
        """Tell whether the answer begins with this call."""
        return self.seq % SEQ_STEP == 1

    @property
    def is_terminal(self) -> bool:
        """Tell whether nothing more will happen to this row by itself."""
        return self.state in TERMINAL

    def sending(self, now: datetime) -> "OutboxRow":
        """Return the row as it must be journaled before the first byte leaves."""
        return self.model_copy(update={"state": SendState.SENDING, "attempt": self.attempt + 1, "started_at": now})

    def sent(self, provider_id: str) -> "OutboxRow":
        """Return the row after definite success."""
        return self.model_copy(update={"state": SendState.SENT, "provider_id": provider_id, "reason": None})

    def ended(self, state: SendState, reason: str) -> "OutboxRow":
        """Return the row in a state that it will not leave by itself."""
        return self.model_copy(update={"state": state, "reason": reason})

    def redirected(self, place: Mapping[str, str], bucket: str) -> "OutboxRow":
        """Return the row with its call going elsewhere."""
        call = self.call.model_copy(update={"params": {**self.call.params, **place}, "bucket": bucket})
        return self.model_copy(update={"call": call})

    def waiting(self, until: datetime) -> "OutboxRow":
        """Return the row waiting for the person to write, until then at most."""
        change = {"state": SendState.WAITING, "retry_at": until, "reason": WINDOW_CLOSED, "went": "waited"}
        return self.model_copy(update=change)

    def released(self, now: datetime) -> "OutboxRow":
        """Return the row after the person wrote; it is as young as if it were said now."""
        change = {"state": SendState.QUEUED, "retry_at": None, "reason": None, "created_at": now}
        return self.model_copy(update=change)

    def as_template(self, words: str) -> "OutboxRow":
        """Return the row with the approved template in place of what it would say."""
        assert self.approved is not None  # noqa: S101  the caller has looked
        return self.model_copy(update={"call": self.approved, "approved": None, "went": "template", "words": words})

    def queued(self, retry_at: datetime | None, reason: str) -> "OutboxRow":
        """Return the row waiting for its next try."""
        return self.model_copy(update={"state": SendState.QUEUED, "retry_at": retry_at, "reason": reason})


def retry_pause_s(attempt: int) -> float:
    """Return the pause after the `attempt`-th try that was certainly not sent.

    >>> [retry_pause_s(n) for n in (1, 2, 6, 7, 30)]
    [1.0, 5.0, 1800.0, 3600.0, 3600.0]
    """
    return RETRY_SCHEDULE_S[attempt - 1] if attempt <= len(RETRY_SCHEDULE_S) else RETRY_HOURLY_S


def retry_after_s(header: str | None) -> float:
    """Read a `Retry-After` of whole or decimal seconds; rubbish and absence mean the default, extremes are clamped.

    >>> [retry_after_s(value) for value in ("7", None, "-5", "1e9", "Wed, 21 Oct 2026", "nan")]
    [7.0, 5.0, 1.0, 3600.0, 5.0, 5.0]
    """
    try:
        seconds = float(header) if header is not None else RETRY_AFTER_DEFAULT_S
    except ValueError:
        seconds = RETRY_AFTER_DEFAULT_S
    if seconds != seconds:  # NaN
        seconds = RETRY_AFTER_DEFAULT_S
    return min(max(seconds, RETRY_AFTER_MIN_S), RETRY_AFTER_MAX_S)


def after_error(row: OutboxRow, error: DeliveryError, now: datetime) -> OutboxRow:
    """Decide what becomes of a row whose send ended in an error; an unknown kind of error is an unknown outcome."""
    match error:
        case RateLimited(retry_after_s=pause):
            return row.queued(now + timedelta(seconds=pause), "rate_limited")
        case AccountRefused():
            return row.queued(now + timedelta(seconds=retry_pause_s(row.attempt)), "account_refused")
        case TemporaryFailure():
            return row.queued(now + timedelta(seconds=retry_pause_s(row.attempt)), "not_sent")
        case PermanentFailure(code=code):
            return row.ended(SendState.FAILED, code or "refused")
        case _:
            return row.model_copy(update={"state": SendState.UNKNOWN, "reason": "unknown_outcome"})


def outside_window(row: OutboxRow, policy: OutsidePolicy, words: str, now: datetime) -> OutboxRow:
    """Decide what becomes of a row that is due while its person's service window is shut.

    Args:
        row: QUEUED.
        policy: of its account.
        words: what it says, for the transcript.
        now: the time.

    Returns:
        QUEUED with a template that may leave at any time, WAITING, or FAILED.
    """
    for way in policy.ways(row.call.kind):
        if way == "template" and row.approved is not None:
            return row.as_template(words)
        if way == "wait":
            return row.waiting(now + timedelta(seconds=policy.waits_s))
    return row.ended(SendState.FAILED, WINDOW_CLOSED)


RESEND_WHEN_IN_DOUBT: Mapping[ReplyKind, bool] = {
    "answer": False,
    "question": False,
    "side_effect": False,
    "handoff_notice": True,  # harmless twice, harmful if missing
    "agent": False,
}
"""Whether a reply that can be neither proven nor repeated safely is sent again rather than held for a person."""


WhenLost = Literal["show", "hand_over"]
"""What happens when a reply certainly did not reach its person.

- `show`: it stands on the list of `frontdesk undelivered`, and is counted
- `hand_over`: the conversation is given to people as well, if the bot has it
"""


class LostPolicy(Model):
    """What happens to a conversation when a reply of each kind is lost."""

    answer: WhenLost = "show"
    question: WhenLost = "show"
    side_effect: WhenLost = "hand_over"
    handoff_notice: WhenLost = "show"
    agent: WhenLost = "hand_over"

    def of(self, kind: ReplyKind) -> WhenLost:
        """Return what is done."""
        chosen: WhenLost = getattr(self, kind)
        return chosen


def in_doubt(row: OutboxRow, ability: UnknownSends, now: datetime) -> OutboxRow:
    """Decide about an UNKNOWN row that no proof has settled."""
    if row.call.role == "aside":
        return row.ended(SendState.CANCELLED, "aside_in_doubt")
    if ability == "idempotent" or RESEND_WHEN_IN_DOUBT[row.call.kind]:
        return row.queued(now, "resent_in_doubt")
    return row.ended(SendState.HELD, "unknown_outcome")
