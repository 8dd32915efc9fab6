"""Edits and deletions that meet their message before it has its turn: one that waits behind it, or came before it.

Pure. What happens to a message that had its turn is for the bot (`Bot.respond`) and for the transcript.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from core.conversation import Conversation, EarlyChange, Place
from core.events import ConversationMoved, Event, EventBase, MessageDeleted, MessageEdited, MessageReceived

EARLY_KEPT = timedelta(hours=24)
"""How long a change waits for its message: as long as platforms try to deliver one (SEMANTICS section 2)."""
EARLY_AT_MOST = 16
"""Changes that wait in one conversation; the oldest goes."""


def kept_early(conversation: Conversation, change: MessageEdited | MessageDeleted, now: datetime) -> Conversation:
    """Return the conversation with a change that waits for its message; the same one counts once."""
    if any(known.event_id == change.id for known in conversation.early):
        return conversation
    early = EarlyChange(
        event_id=change.id,
        message_id=change.message_id,
        text=change.text if isinstance(change, MessageEdited) else None,
        at=change.received_at,
    )
    return conversation.model_copy(update={"early": (*_still_waiting(conversation, now), early)[-EARLY_AT_MOST:]})


def _still_waiting(conversation: Conversation, now: datetime) -> tuple[EarlyChange, ...]:
    return tuple(change for change in conversation.early if now - change.at < EARLY_KEPT)


def met(conversation: Conversation, event: Event, behind: Iterable[Event], now: datetime) -> tuple[Conversation, Event]:
    """Return a message as it reads by now, and the conversation without the changes that had waited for it.

    Args:
        conversation: may know of changes that came before the message.
        event: whose turn it is; anything but a message stays as it is.
        behind: what waits for its turn in the same conversation, in order.
        now: changes that have waited too long are forgotten.
    """
    if not isinstance(event, MessageReceived):
        return conversation, event
    if conversation.early:
        waiting = _still_waiting(conversation, now)
        for early in waiting:
            if early.message_id == event.message_id:
                event = _taken_back(event) if early.text is None else _reworded(event, early.text)
        rest = tuple(change for change in waiting if change.message_id != event.message_id)
        conversation = conversation.model_copy(update={"early": rest})
    for change in behind:
        if isinstance(change, MessageEdited | MessageDeleted) and change.message_id == event.message_id:
            event = _taken_back(event) if isinstance(change, MessageDeleted) else _reworded(event, change.text)
    return conversation, event


def in_order(conversation: Conversation, event: Event, order: str | None) -> tuple[Conversation, Event]:
    """Return a message with the mark that it came late, and the conversation with how far it has come.

    Nothing waits for what may be under way; what comes late is handled next (SEMANTICS section 4, FAULTS F062).
    """
    if order is None or not isinstance(event, MessageReceived):
        return conversation, event
    if conversation.latest is not None and conversation.latest.is_behind(order, event.sent_at):
        return conversation, event.model_copy(update={"is_late": True})
    return conversation.model_copy(update={"latest": Place(order=order, at=event.sent_at)}), event


def moved(conversation: Conversation, event: ConversationMoved, old: Conversation | None) -> Conversation:
    """Return a conversation after its platform renamed it: the new one goes on from where the old one stands (T10).

    Args:
        conversation: in which it is told.
        event: that it is told.
        old: where a new conversation comes from; None if that was never begun.
    """
    if event.goes_to is not None:
        return conversation.model_copy(update={"goes_to": event.goes_to, "address": event.address})
    if conversation.version > 0 or old is None:
        return conversation.model_copy(update={"came_from": event.came_from})
    own = {"id": conversation.id, "version": conversation.version, "recent": conversation.recent}
    begun = {"address": event.address, "came_from": old.id, "goes_to": None, "early": (), "unreachable": None}
    return old.model_copy(update={**own, **begun})


def as_message(edit: MessageEdited) -> MessageReceived:
    """Return what an edit says, as if it had just been written."""
    shared = {name: getattr(edit, name) for name in EventBase.model_fields}
    return MessageReceived(**shared, message_id=edit.message_id, text=edit.text, addressed=edit.addressed)


def _reworded(event: MessageReceived, text: str) -> MessageReceived:
    if event.is_deleted or event.text == text:
        return event
    return event.model_copy(update={"text": text, "full_text": None, "versions": (*event.versions, event.text)})


def _taken_back(event: MessageReceived) -> MessageReceived:
    """Return a message that says nothing any more: the fact stays, the content goes."""
    gone = {
        "text": "",
        "full_text": None,
        "quoted": None,
        "subject": None,
        "attachments": (),
        "versions": (),
        "is_deleted": True,
    }
    return event.model_copy(update=gone)
