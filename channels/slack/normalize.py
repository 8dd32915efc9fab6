"""Slack's payloads into events. Pure: a function of the payload.

Conversations (S13): a channel's conversation is its thread, `{channel}:{ts of the thread's first message}`. The direct
messages with a person are one conversation, `{user}`, except inside a thread of them, `{user}:{ts}`. A slash command
belongs there too, wherever it was typed. What does not tell its person in a direct message is nothing: what we said
ourselves, and a deletion without author.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from channels.inbound import Inbound
from channels.slack.forms import values_of
from channels.slack.keys import TIMESTAMP, USER_MESSAGE_SUBTYPES, identify
from channels.slack.mrkdwn import mentions, plain_text
from channels.slack.payloads import (
    ASK,
    DIRECT_IDS,
    EVENTS_API,
    FORM,
    INTERACTIVE,
    SLASH_COMMANDS,
    BlockAction,
    BlockActions,
    EventCallback,
    File,
    HomeEvent,
    LeftEvent,
    MemberEvent,
    Message,
    MessageEvent,
    Person,
    PersonEvent,
    ReactionEvent,
    Shortcut,
    SlashCommand,
    Submission,
    installation_of,
    read,
    read_payload,
    text_at,
)
from core.errors import MalformedPayload
from core.events import (
    Addressing,
    Attachment,
    Automatic,
    ChoiceMade,
    CommandGiven,
    ConversationOpened,
    Event,
    FormSubmitted,
    MembershipChanged,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
    ReactionChanged,
    Sender,
)
from core.ids import EventId, conversation_id

ADAPTER = "slack/1"
SLACKS_OWN_USERS = frozenset({"USLACKBOT", "USLACK"})
"""Slack itself speaks through these (S11)."""
NOBODY_NAMED = "unknown"
"""Sender of a deletion in a channel that does not tell whose message it was; it must still be carried out."""
ATTACHMENT_KINDS: Mapping[str, Literal["image", "audio", "video"]] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What every event of one payload shares."""

    inbound: Inbound
    id: str
    bot_user: str | None = None
    app_id: str | None = None
    installation: str | None = None
    """The workspace or organisation, where the account has many; part of every name then."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something happened, and so whose conversation it is."""

    channel: str
    """A channel's id; for direct messages theirs or the person's: Slack posts to both."""
    ts: str | None = None
    """The message; None where it is not about one."""
    thread_ts: str | None = None

    @property
    def is_direct(self) -> bool:
        """Tell whether only one person and we are there."""
        return self.channel.startswith(DIRECT_IDS)

    @property
    def parent(self) -> str | None:
        """Return the message that it stands below; None where it begins a thread or is in none."""
        return self.thread_ts if self.thread_ts != self.ts else None

    @property
    def root(self) -> str | None:
        """Return the first message of the thread; None where a direct message is not in one."""
        return self.parent if self.is_direct else self.parent or self.ts

    def thread(self, user: str) -> str:
        """Return the conversation's own part of its name; a direct message is the one with this person."""
        owner = user if self.is_direct else self.channel
        return f"{owner}:{self.root}" if self.root else owner

    def address(self, user: str) -> dict[str, str]:
        """Return where an answer goes: always below the thread's first message, never below a reply (S13)."""
        return {"channel": self.channel, "user": user} | ({"thread_ts": self.root} if self.root else {})


def normalize(inbound: Inbound, *, is_shared: bool = False) -> tuple[Event, ...]:
    """Translate what Slack handed us; `()` for what we do not handle.

    Args:
        inbound: what came.
        is_shared: the account has many workspaces: theirs becomes part of conversation and address.

    Raises:
        MalformedPayload: it lacks what Slack promises. Nothing else leaves this function.
    """
    envelope, payload = read_payload(inbound.body, inbound.headers)
    reader = _ENVELOPES.get(envelope)
    if reader is None:
        return ()
    installation = installation_of(payload) if is_shared else None
    if is_shared and installation is None:
        raise MalformedPayload("nothing tells the workspace")
    name = identify(inbound, is_shared=is_shared).primary
    return reader(Delivery(inbound, name, installation=installation), payload)


def _events_api(delivery: Delivery, payload: dict[str, Any]) -> tuple[Event, ...]:
    if "type" not in payload:
        raise MalformedPayload("an envelope without type")
    if payload["type"] != "event_callback":
        return ()  # url_verification, app_rate_limited (S8)
    envelope = read(EventCallback, payload)
    kind = text_at(envelope.event, "type")
    if kind is None:
        raise MalformedPayload("an event without type")
    handle = _EVENTS.get(kind)
    if handle is None:
        return ()
    known = replace(delivery, bot_user=envelope.bot_user, app_id=envelope.api_app_id)
    return handle(known, envelope.event)


# --- messages ---------------------------------------------------------------------------------------------------------


def _message(delivery: Delivery, payload: dict[str, Any]) -> tuple[Event, ...]:
    event = read(MessageEvent, payload)
    match event.subtype:
        case "message_changed":
            return _changed(delivery, event)
        case "message_deleted":
            return _deleted(delivery, event)
        case subtype if subtype in USER_MESSAGE_SUBTYPES or subtype == "bot_message":
            return _written(delivery, event)
        case _:
            return ()


def _written(delivery: Delivery, event: MessageEvent) -> tuple[Event, ...]:
    if event.ts is None:
        raise MalformedPayload("a message without ts")
    author = event.user or event.bot_id
    if author is None:
        raise MalformedPayload("a message without author")
    place = Place(event.channel, event.ts, event.thread_ts)
    automatic = _automatic(delivery, event)
    if place.is_direct and automatic is not None:
        return ()  # a machine wrote it, so nothing tells with whom: almost always we ourselves
    return (
        MessageReceived(
            **_base(delivery, place, author, event.ts),
            message_id=event.ts,
            text=plain_text(event.text or "", delivery.bot_user),
            attachments=tuple(_attachment(file) for file in event.files or ()),
            in_reply_to=place.parent,
            addressed=_addressed(
                delivery, event, place, named=event.type == "app_mention" or event.channel_type == "im"
            ),
            automatic=automatic,
        ),
    )


def _addressed(delivery: Delivery, message: Message, place: Place, *, named: bool = False) -> Addressing:
    if named or place.is_direct or mentions(message.text or "", delivery.bot_user):
        return "direct"
    return "thread" if place.parent else "ambient"


def _automatic(delivery: Delivery, message: Message) -> Automatic | None:
    """Tell which machine wrote a message. A look at `subtype` alone would let most bots through (S11, S12)."""
    if message.user is not None and message.user == delivery.bot_user:
        return "self"
    if message.bot_id is None and message.bot_profile is None and message.subtype != "bot_message":
        return "bot" if message.user in SLACKS_OWN_USERS else None
    app = message.app_id or (message.bot_profile.app_id if message.bot_profile else None)
    return "self" if app is not None and app == delivery.app_id else "bot"


def _changed(delivery: Delivery, event: MessageEvent) -> tuple[Event, ...]:
    """Read an edit. Unfurled links, our own edits and those of other bots look the same and are none (S10)."""
    new, old = event.message, event.previous_message
    if new is None or event.ts is None:
        raise MalformedPayload("message_changed without message or ts")
    if new.subtype == "tombstone":  # how the deletion of a message that has replies is told
        return _deleted(delivery, event)
    unchanged = new.text == old.text if old is not None else new.edited is None
    if unchanged or new.user is None or _automatic(delivery, new) is not None:
        return ()
    message_id = _message_id(event, new, old)
    place = Place(event.channel, message_id, new.thread_ts)
    return (
        MessageEdited(
            **_base(delivery, place, new.user, event.ts),
            message_id=message_id,
            text=plain_text(new.text or "", delivery.bot_user),
            addressed=_addressed(delivery, new, place),
            was_addressed=_addressed(delivery, old, place) if old is not None else None,
        ),
    )


def _deleted(delivery: Delivery, event: MessageEvent) -> tuple[Event, ...]:
    old = event.previous_message or Message()
    if event.ts is None:
        raise MalformedPayload("message_deleted without ts")
    if _automatic(delivery, old) is not None:
        return ()
    message_id = _message_id(event, old, event.message or Message(ts=event.deleted_ts))
    place = Place(event.channel, message_id, old.thread_ts)
    if place.is_direct and old.user is None:
        return ()  # whose direct message it was, nothing tells
    base = _base(delivery, place, old.user or NOBODY_NAMED, event.ts)
    return (MessageDeleted(**base, message_id=message_id, addressed=_addressed(delivery, old, place)),)


def _message_id(event: MessageEvent, message: Message, other: Message | None) -> str:
    ts = message.ts or (other.ts if other is not None else None)
    if ts is None:
        raise MalformedPayload(f"{event.subtype} without the ts of its message")
    return ts


def _attachment(file: File) -> Attachment:
    """Name a file by its id: its URLs need our token, so they never leave this channel (S15)."""
    family = (file.mimetype or "").partition("/")[0]
    return Attachment(
        reference=file.id,
        media_type=file.mimetype,
        name=file.name or file.title,
        size_bytes=file.size,
        kind="voice" if file.subtype == "slack_audio" else ATTACHMENT_KINDS.get(family, "file"),
    )


# --- other events -----------------------------------------------------------------------------------------------------


def _reaction(delivery: Delivery, payload: dict[str, Any]) -> tuple[Event, ...]:
    """Read a reaction. It does not tell the thread of its message: any of the channel's, or of the person's."""
    event = read(ReactionEvent, payload)
    item = event.item
    if item.channel is None or item.ts is None or event.user == delivery.bot_user:
        return ()  # on a file, or our own
    names = (event.reaction,)
    added = payload["type"] == "reaction_added"
    place = Place(item.channel, item.ts)
    base = _base(delivery, place, event.user, event.event_ts)
    owner = base["conversation_id"] if place.is_direct else base["conversation_id"].rpartition(":")[0]
    return (
        ReactionChanged(
            **base,
            message_id=item.ts,
            added=names if added else (),
            removed=() if added else names,
            within=f"{owner}:",
        ),
    )


def _member(delivery: Delivery, payload: dict[str, Any]) -> tuple[Event, ...]:
    event = read(MemberEvent, payload)
    return (
        MembershipChanged(
            **_base(delivery, Place(event.channel), event.user, event.event_ts),
            member_id=event.user,
            change="joined" if payload["type"] == "member_joined_channel" else "left",
            is_us=event.user == delivery.bot_user,
        ),
    )


def _left(delivery: Delivery, payload: dict[str, Any]) -> tuple[Event, ...]:
    """Read that we were removed; others who leave are told by `member_left_channel`."""
    event = read(LeftEvent, payload)
    us = delivery.bot_user or NOBODY_NAMED
    base = _base(delivery, Place(event.channel), us, event.event_ts)
    return (MembershipChanged(**base, member_id=us, change="left", is_us=True),)


def _person(delivery: Delivery, payload: dict[str, Any]) -> tuple[Event, ...]:
    """Read that somebody's account was deactivated; whoever comes back is reachable when they write."""
    event = read(PersonEvent, payload)
    if not event.user.deleted:
        return ()
    person = event.user.id
    return (ReachabilityChanged(**_base(delivery, Place(person), person, event.event_ts), change="gone"),)


def _home(delivery: Delivery, payload: dict[str, Any]) -> tuple[Event, ...]:
    event = read(HomeEvent, payload)
    if event.tab != "messages":
        return ()
    return (ConversationOpened(**_base(delivery, Place(event.channel), event.user, event.event_ts)),)


# --- interactions and commands ----------------------------------------------------------------------------------------


def _interactive(delivery: Delivery, payload: dict[str, Any]) -> tuple[Event, ...]:
    kind = text_at(payload, "type")
    if kind is None:
        raise MalformedPayload("an interaction without type")
    match kind:
        case "block_actions":
            return _pressed(delivery, read(BlockActions, payload))
        case "view_submission":
            return _filled_in(delivery, payload)
        case "shortcut":
            shortcut = read(Shortcut, payload)
            return (_command(delivery, shortcut.user, shortcut.callback_id),)
        case _:
            return ()  # dialogs, closed modals


def _pressed(delivery: Delivery, pressed: BlockActions) -> tuple[Event, ...]:
    place = _place_pressed(pressed)
    if place is None:
        return _asked(delivery, pressed)
    return tuple(
        _choice(delivery, pressed, place, action, token, part)
        for part, (action, token) in enumerate((action, _token(action)) for action in pressed.actions)
        if token
    )


def _asked(delivery: Delivery, pressed: BlockActions) -> tuple[Event, ...]:
    """Read the press of a button on the home tab: a command. A form that could not be opened comes here too."""
    asked = (action for action in pressed.actions if (action.action_id or "").startswith((ASK, FORM)))
    return tuple(_command(delivery, pressed.user, action.value) for action in asked if action.value)


def _command(delivery: Delivery, user: Person, name: str) -> CommandGiven:
    base = _base(delivery, Place(user.id), user.id, None, user.username or user.name)
    return CommandGiven(**base, name=name.lower())


def _filled_in(delivery: Delivery, payload: dict[str, Any]) -> tuple[Event, ...]:
    """Read a form. It belongs to the person's direct messages, wherever it was opened."""
    name = text_at(payload, "view", "callback_id") or ""
    if not name.startswith(FORM):
        return ()
    submission = read(Submission, payload)
    user = submission.user
    base = _base(delivery, Place(user.id), user.id, None, user.username or user.name)
    return (FormSubmitted(**base, form=name.removeprefix(FORM), fields=values_of(submission.view)),)


def _token(action: BlockAction) -> str | None:
    return action.value or (action.selected_option.value if action.selected_option else None)


def _place_pressed(pressed: BlockActions) -> Place | None:
    message = pressed.message or Message()
    channel = pressed.container.channel_id or (pressed.channel.id if pressed.channel else None)
    ts = pressed.container.message_ts or message.ts
    if channel is None or ts is None:
        return None
    return Place(channel, ts, message.thread_ts or pressed.container.thread_ts)


def _choice(
    delivery: Delivery, pressed: BlockActions, place: Place, action: BlockAction, token: str, part: int
) -> ChoiceMade:
    user = pressed.user
    base = _base(delivery, place, user.id, action.action_ts, user.username or user.name, part)
    return ChoiceMade(**base, token=token, label=_label(action), message_id=place.ts)


def _label(action: BlockAction) -> str | None:
    label = action.selected_option.text if action.selected_option else action.text
    return label.text if label is not None else None


def _slash_command(delivery: Delivery, payload: dict[str, Any]) -> tuple[Event, ...]:
    """Read a slash command. It belongs to the person's direct messages, wherever it was typed (README)."""
    command = read(SlashCommand, payload)
    name = command.command.removeprefix("/").lower()
    if not name:
        raise MalformedPayload("a command without name")
    user = command.user_id
    base = _base(delivery, Place(user), user, None, command.user_name)
    return (CommandGiven(**base, name=name, arguments=plain_text(command.text or "")),)


# --- what all share ---------------------------------------------------------------------------------------------------


def _base(
    delivery: Delivery,
    place: Place,
    sender: str,
    ts: str | None,
    display_name: str | None = None,
    part: int = 0,
) -> dict[str, Any]:
    inbound = delivery.inbound
    return {
        "id": EventId(delivery.id if part == 0 else f"{delivery.id}:{part}"),
        "channel": inbound.channel,
        "account": inbound.account,
        "conversation_id": conversation_id(inbound.channel, inbound.account, _thread(delivery, place, sender)),
        "sender": Sender(id=sender, display_name=display_name),
        "sent_at": _time(ts) if ts is not None else inbound.received_at,
        "received_at": inbound.received_at,
        "address": place.address(sender) | ({"installation": delivery.installation} if delivery.installation else {}),
        "adapter": ADAPTER,
        "raw_ref": delivery.id,
    }


def _thread(delivery: Delivery, place: Place, sender: str) -> str:
    thread = place.thread(sender)
    return f"{delivery.installation}:{thread}" if delivery.installation else thread


def _time(ts: str) -> datetime:
    """Read a `ts` as a time; as an id it stays text, for a float loses its last digits (S13)."""
    if not TIMESTAMP.fullmatch(ts):
        raise MalformedPayload("a ts that is no time")
    try:
        return datetime.fromtimestamp(float(ts), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedPayload("a ts beyond the calendar") from error


_EVENTS: Mapping[str, Callable[[Delivery, dict[str, Any]], tuple[Event, ...]]] = {
    "message": _message,
    "app_mention": _message,
    "reaction_added": _reaction,
    "reaction_removed": _reaction,
    "member_joined_channel": _member,
    "member_left_channel": _member,
    "channel_left": _left,
    "group_left": _left,
    "user_change": _person,
    "app_home_opened": _home,
}
"""The events that we handle. `tokens_revoked`, `app_uninstalled` (S17) are for `workspaces`, not for a conversation."""

_ENVELOPES: Mapping[str, Callable[[Delivery, dict[str, Any]], tuple[Event, ...]]] = {
    EVENTS_API: _events_api,
    INTERACTIVE: _interactive,
    SLASH_COMMANDS: _slash_command,
}
