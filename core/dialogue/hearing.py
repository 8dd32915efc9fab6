"""What an event tells us, whichever way it was told: typed, pressed, commanded, or not told at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.conversation import Conversation
from core.dialogue.choices import came_late, is_label, picked_by_text, picked_by_token
from core.dialogue.desk import Desk
from core.events import (
    AttachmentKind,
    ChoiceMade,
    CommandGiven,
    ConversationMoved,
    ConversationOpened,
    Event,
    FormSubmitted,
    MembershipChanged,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
)
from core.ports import Understander
from core.replies import Choice
from core.understanding import Moment, Understanding

TYPED_COMMAND = re.compile(r"/(\w{1,32})(?:@\w+)?(?:\s+(.*))?", re.DOTALL)
"""`/help` typed where the platform has no commands; `/help@our_bot` as Telegram writes it in groups."""
OPENING_COMMAND = "start"
"""Opening a conversation says the same as this command."""
TOO_LATE = "choice_expired"
"""The template that answers a choice that expired, was used, or is no longer ours to offer."""
NO_WORDS = "empty_message"
TROUBLES: Mapping[AttachmentKind, str] = {
    "voice": "voice_not_understood",
    "audio": "voice_not_understood",
    "file": "attachment_not_understood",
    "image": "attachment_not_understood",
    "video": "attachment_not_understood",
    "location": "location_not_understood",
    "contact": "contact_not_understood",
    "sticker": "sticker_not_understood",
    "other": "kind_not_understood",
}
"""The template that answers a message without words, by what it holds; of several kinds the first of these."""
LOST_COMMAND = "help"
"""What a command means that nobody knows and that carries no words."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the person told us."""

    understanding: Understanding
    picked: str | None = None
    """The intent that was chosen beyond doubt: by button, number, label or command."""
    trouble: str | None = None
    """The template that says why nothing can be understood."""
    slots: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return the person's own words."""
        return self.understanding.text


def why_ignored(conversation: Conversation, event: Event) -> str | None:
    """Return why an event needs nothing from the bot, or None when it does."""
    if conversation.remembers(event.id):
        return "already_taken"
    match event:
        case MessageReceived():
            return _why_unheard(conversation, event)
        case ConversationOpened() if conversation.version > 0:
            return "already_open"
        case ChoiceMade() | CommandGiven() | FormSubmitted() | ConversationOpened():
            return None
        case _:
            return None if _is_worth_noting(conversation, event) else event.kind


def _why_unheard(conversation: Conversation, message: MessageReceived) -> str | None:
    if message.automatic is not None:
        return f"automatic:{message.automatic}"
    if message.answered_by_platform:
        return "answered_by_platform"
    if message.addressed == "ambient":
        return "ambient"
    return "not_addressed" if message.addressed == "thread" and conversation.version == 0 else None


def _is_worth_noting(conversation: Conversation, event: Event) -> bool:
    """Tell whether something that is no message is about a conversation that we have, or ought to begin."""
    match event:
        case MessageEdited():
            return event.automatic is None and event.was is not None
        case MessageDeleted():
            return event.was is not None
        case ReachabilityChanged():
            return conversation.version > 0 or event.change in {"opted_out", "opted_in"}
        case ConversationMoved():
            return conversation.version > 0 or conversation.came_from is not None
        case MembershipChanged():
            return event.is_us and (conversation.version > 0 or event.change == "joined")
        case _:
            return False


def hear(conversation: Conversation, event: Event, now: datetime, desk: Desk, understander: Understander) -> Heard:
    """Read an event that is not ignored."""
    match event:
        case ChoiceMade():
            choice = picked_by_token(conversation.session.offered, event.token, now)
            if choice is None:
                return Heard(Understanding(text=event.label or ""), trouble=TOO_LATE)
            return _picked(choice, Understanding(text=choice.label), desk)
        case CommandGiven():
            return _hear_command(event.name, event.arguments, now, desk, understander)
        case FormSubmitted():
            return _hear_form(event, desk)
        case MessageReceived():
            return _hear_message(conversation, event, now, desk, understander)
        case _:
            return _hear_command(OPENING_COMMAND, "", now, desk, understander)


def _hear_command(name: str, arguments: str, now: datetime, desk: Desk, understander: Understander) -> Heard:
    intent = desk.by_command(name.lower())
    if intent is None and arguments.strip():
        return _understood(arguments, now, desk, understander)
    intent = intent or desk.by_command(LOST_COMMAND)
    return Heard(Understanding(text=arguments), picked=intent.name if intent else None)


def _hear_form(event: FormSubmitted, desk: Desk) -> Heard:
    """Take all fields at once; a form of content that is gone is only words."""
    intent = desk.intent(event.form)
    words = "\n".join(event.fields.values())
    return Heard(Understanding(text=words), picked=intent.name if intent else None, slots=event.fields)


def _hear_message(
    conversation: Conversation, event: MessageReceived, now: datetime, desk: Desk, understander: Understander
) -> Heard:
    offers = conversation.session.offered
    names_one = is_label(offers, event.text, now)
    if not names_one and (command := TYPED_COMMAND.fullmatch(event.text.strip())):
        return _hear_command(command[1], command[2] or "", now, desk, understander)
    text = event.text if names_one else _words_of(conversation, event)
    if not text.strip():
        return Heard(Understanding(text=""), trouble=_trouble_of(event))
    own = _understood(text, now, desk, understander)
    heard = _with_quote(own, conversation, event, now, desk, understander)
    if own.slots and not names_one:
        return heard
    words = desk.choice_words_in(conversation.session.language)
    if (choice := picked_by_text(offers, text, now, words)) is not None:
        return _picked(choice, heard.understanding, desk)
    if came_late(offers, text, now, words):
        return Heard(Understanding(text=text), trouble=TOO_LATE)
    return heard


def _with_quote(
    heard: Heard,
    conversation: Conversation,
    event: MessageReceived,
    now: datetime,
    desk: Desk,
    understander: Understander,
) -> Heard:
    """Add what the quoted message says of the slots, where the person's own words say nothing of them.

    Not while the bot waits for an answer: its question may hold an example, and is what people quote then.
    """
    if not event.quoted or conversation.session.position is not None:
        return heard
    quoted = _understood(event.quoted, now, desk, understander)
    return replace(heard, slots={**quoted.slots, **heard.slots})


def _picked(choice: Choice, understanding: Understanding, desk: Desk) -> Heard:
    """Take a choice, unless the content that was released meanwhile no longer knows what it stands for."""
    if desk.intent(choice.value) is None:
        return Heard(understanding, trouble=TOO_LATE)
    return Heard(understanding, picked=choice.value)


def _understood(text: str, now: datetime, desk: Desk, understander: Understander) -> Heard:
    understanding = understander.understand(text, Moment(now=now, time_zone=desk.time_zone))
    return Heard(understanding, slots=desk.slots_in(understanding))


def _words_of(conversation: Conversation, event: MessageReceived) -> str:
    """Add the subject of a first mail: the wish often stands there. Later subjects only repeat ours."""
    if event.subject and conversation.version == 0:
        return f"{event.subject}\n{event.text}"
    return event.text


def _trouble_of(event: MessageReceived) -> str:
    """Name the answer to a message without words (row 5: a voice note gets a defined answer)."""
    kinds = {attachment.kind for attachment in event.attachments}
    return next((TROUBLES[kind] for kind in TROUBLES if kind in kinds), NO_WORDS)
