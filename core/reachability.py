"""Whether a person can be written to: who says that they cannot, and what ends it. Pure.

What waits to be sent to somebody who cannot be reached is ended as undeliverable (`hub.outbox`), never tried on.
"""

from datetime import datetime

from core.conversation import Conversation, Unreachable
from core.events import (
    ChoiceMade,
    CommandGiven,
    ConversationOpened,
    Event,
    FormSubmitted,
    MembershipChanged,
    MessageReceived,
    ReachabilityChanged,
)
from core.outbox import OutboxRow

REMOVED = "removed"
"""We are no longer in the group or channel."""


def heard_from(conversation: Conversation, event: Event) -> Conversation:
    """Return the conversation after an event; whoever writes to us can be answered, whatever was known before."""
    if not _is_from_the_person(event):
        return conversation
    return conversation.model_copy(update={"unreachable": None, "heard_at": event.received_at})


def _is_from_the_person(event: Event) -> bool:
    match event:
        case MessageReceived():
            return event.automatic is None and event.addressed != "ambient" and not event.is_deleted
        case ChoiceMade() | CommandGiven() | FormSubmitted() | ConversationOpened():
            return True
        case _:
            return False


def told(conversation: Conversation, event: ReachabilityChanged | MembershipChanged) -> Conversation:
    """Return the conversation after its person, or its platform, said whether we may write there."""
    reason = REMOVED if isinstance(event, MembershipChanged) else event.change
    if reason in {"unblocked", "opted_in"} or (isinstance(event, MembershipChanged) and event.change == "joined"):
        return conversation.model_copy(update={"unreachable": None})
    gone = Unreachable(reason=reason, since=event.received_at, event_id=event.id)
    return conversation.model_copy(update={"unreachable": gone})


def refused(conversation: Conversation, code: str, now: datetime) -> Conversation:
    """Return the conversation after its platform refused a message because nobody can be reached."""
    if conversation.unreachable is not None:
        return conversation
    return conversation.model_copy(update={"unreachable": Unreachable(reason=code or "refused", since=now)})


def why_undeliverable(conversation: Conversation | None, row: OutboxRow) -> str | None:
    """Say why a row has nobody to go to; None while it has."""
    gone = conversation.unreachable if conversation is not None else None
    if gone is None or row.event_id == gone.event_id:
        return None
    return gone.reason
