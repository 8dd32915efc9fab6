"""Meta's webhooks -> events. Pure.

One POST holds any number of messages and statuses; each becomes one event, in the order of the body. The conversation
is named as it is with Twilio: after the person's number (`+4915...`), or their business-scoped user id where they hide
it. So it goes on when an account changes its provider.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from channels.inbound import NAMELESS_ALBUM, DeliveryKey, Inbound
from channels.payload import load_object
from channels.whatsapp.cloud.content import attachments_of, text_of
from channels.whatsapp.cloud.failures import OUTSIDE_WINDOW, UNREACHABLE
from channels.whatsapp.cloud.payloads import MAX_THINGS, Contact, Message, Status, Value, Webhook
from channels.whatsapp.optout import wish_of
from core.errors import MalformedPayload
from core.events import (
    Addressing,
    ChoiceMade,
    DeliveryStatusChanged,
    Event,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
    ReactionChanged,
    Sender,
)
from core.ids import ChannelName, EventId, OutId, conversation_id

ADAPTER = "whatsapp-cloud/1"
NAME = ChannelName("whatsapp")
MESSAGES = "messages"
ECHOES = "smb_message_echoes"
"""What our own people wrote with the WhatsApp Business app on the same number."""
STATUSES: Mapping[str, Literal["sent", "delivered", "read", "failed"]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}
"""`played`: a voice message was listened to."""
CALL_PERMISSION = "call_permission_reply"
"""About voice calls, which we do not make."""
SENT_SEVERAL_AT_ONCE = frozenset({"image", "video", "document"})
"""Types of which a person may pick several: WhatsApp sends a message for each, and names no album."""
ENVELOPE = ("id", "timestamp", "from", "from_user_id", "to", "to_user_id", "group_id")
"""What a message needs to be kept when the rest of it cannot be read."""


def identify(inbound: Inbound) -> DeliveryKey:
    """Name a payload: `wa:{account}:{wamid}` for one message, with `:{status}` for one status. Never raises.

    A batch is named by a hash of the names in it, so the same batch keeps its name whatever else Meta writes into it.
    """
    try:
        keys = list(_keys(inbound))
    except MalformedPayload:
        keys = []
    if len(keys) == 1:
        return DeliveryKey(keys[0])
    told = "\n".join(keys).encode() if keys else inbound.body
    kind = "batch" if keys else "sha256"
    return DeliveryKey(f"whatsapp:{inbound.account}:{kind}:{hashlib.sha256(told).hexdigest()}")


def _keys(inbound: Inbound) -> Iterator[str]:
    for value, _ in _values(inbound.body):
        for raw in (*value.messages, *value.message_echoes):
            yield _key(inbound.account, str(raw.get("id")))
        for status in value.statuses:
            yield _key(inbound.account, status.id, status.status)


def normalize(inbound: Inbound, phone_number_id: str) -> tuple[Event, ...]:
    """Translate one POST; `()` for what tells us nothing (templates, calls, the account, other numbers).

    Args:
        inbound: what Meta posted.
        phone_number_id: our number; what is about another one belongs to another account.

    Raises:
        MalformedPayload: not what Meta documents, or more than `MAX_THINGS` in it.
    """
    events: list[Event] = []
    for value, field in _values(inbound.body):
        if value.metadata is not None and value.metadata.phone_number_id == phone_number_id:
            events += _events(value, field, inbound)
    if len(events) > MAX_THINGS:
        raise MalformedPayload(f"{len(events)} messages and statuses in one payload")
    return tuple(events)


def _values(body: bytes) -> Iterator[tuple[Value, str]]:
    try:
        webhook = Webhook.model_validate(load_object(body))
        for entry in webhook.entry:
            for change in entry.changes:
                if change.field in (MESSAGES, ECHOES):
                    yield Value.model_validate(change.value), change.field
    except ValidationError as error:
        raise MalformedPayload(_explain(error)) from error


def _explain(error: ValidationError) -> str:
    names = sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})
    return f"missing or unusable: {', '.join(names)}"


def _events(value: Value, field: str, inbound: Inbound) -> Iterator[Event]:
    for raw in value.messages if field == MESSAGES else value.message_echoes:
        message = _read(raw)
        reading = _Reading(message, _contact(value.contacts, message), value, inbound, is_echo=field == ECHOES)
        if (event := reading.event()) is not None:
            yield event
    for status in value.statuses:
        if (event := _status(status, value.contacts, inbound)) is not None:
            yield event


def _read(raw: Mapping[str, Any]) -> Message:
    """Read a message; one whose content has another shape than documented is kept as something we cannot show.

    Raises:
        MalformedPayload: it does not even say what its name is, when it was written and by whom.
    """
    try:
        return Message.model_validate(raw)
    except ValidationError:
        known = {name: raw[name] for name in ENVELOPE if name in raw}
        try:
            return Message.model_validate(known | {"type": str(raw.get("type", "unknown"))[:64]})
        except ValidationError as error:
            raise MalformedPayload(_explain(error)) from error


def _contact(contacts: tuple[Contact, ...], message: Message) -> Contact:
    """Return what the payload says about the writer of a message; of several contacts, the one with that id."""
    for contact in contacts:
        if {contact.wa_id, contact.user_id} & ({message.from_, message.from_user_id} - {None}):
            return contact
    return contacts[0] if len(contacts) == 1 else Contact()


def thread_of_party(number: str | None, user_id: str | None) -> str | None:
    """Name the conversation with a person; None when nothing says who they are.

    >>> [thread_of_party(*who) for who in (("4915112345678", "DE.1"), (None, "US.13491208655302741918"), (None, None))]
    ['+4915112345678', 'US.13491208655302741918', None]
    """
    if number is None:
        return user_id
    return f"+{number}" if number.isdecimal() else number


def _key(account: str, wamid: str, status: str | None = None) -> str:
    key = f"wa:{account}:{wamid}"
    return f"{key}:{status}" if status else key


def wamid_of(event_id: EventId) -> str:
    """Return Meta's name of the message that an event is about.

    >>> wamid_of(EventId("wa:main:wamid.HBgM"))
    'wamid.HBgM'
    """
    return event_id.split(":", 2)[2]


class _Reading:
    """One message, and what the payload says around it."""

    def __init__(self, message: Message, contact: Contact, value: Value, inbound: Inbound, *, is_echo: bool) -> None:
        self._message = message
        self._contact = contact
        self._value = value
        self._inbound = inbound
        self._is_echo = is_echo

    def event(self) -> Event | None:
        """Return what happened; None where it means nothing to us.

        Raises:
            MalformedPayload: nothing says who wrote.
        """
        message = self._message
        if message.reaction is not None:
            return self._reaction(message.reaction.message_id, message.reaction.emoji)
        if message.revoke is not None:
            original = message.revoke.original_message_id
            return MessageDeleted(**self._common(), message_id=original, addressed=self._addressed())
        if message.edit is not None:
            text = text_of(message.edit.message)
            automatic = "self" if self._is_echo else None
            return MessageEdited(
                **self._common(),
                message_id=message.edit.original_message_id,
                text=text,
                addressed=self._addressed(),
                automatic=automatic,
            )
        if message.interactive is not None and message.interactive.type == CALL_PERMISSION:
            return None
        return self._choice() or self._wish() or self._written()

    def _reaction(self, message_id: str, emoji: str | None) -> ReactionChanged:
        """Return a reaction. Meta does not say which emoji was removed; a person has at most one under a message."""
        added = (emoji,) if emoji else ()
        return ReactionChanged(**self._common(), message_id=message_id, added=added, is_whole=True)

    def _choice(self) -> ChoiceMade | None:
        message = self._message
        if message.button is not None:
            token, label = message.button.payload, message.button.text
        elif message.interactive and (picked := message.interactive.button_reply or message.interactive.list_reply):
            token, label = picked.id, picked.title
        else:
            return None
        return ChoiceMade(**self._common(), token=token, label=label, message_id=message.context.id)

    def _wish(self) -> ReachabilityChanged | None:
        """Return that a person wants no more messages, or wants them again: Meta acts on no word, so we do."""
        message = self._message
        wish = wish_of(text_of(message)) if message.type == "text" else None
        if wish not in ("stop", "start") or message.group_id or self._automatic() is not None:
            return None
        change: Literal["opted_out", "opted_in"] = "opted_out" if wish == "stop" else "opted_in"
        return ReachabilityChanged(**self._common(), change=change, text=text_of(message))

    def _written(self) -> MessageReceived:
        message = self._message
        return MessageReceived(
            **self._common(),
            message_id=message.id,
            text=text_of(message),
            attachments=attachments_of(message),
            album=NAMELESS_ALBUM if message.type in SENT_SEVERAL_AT_ONCE else None,
            in_reply_to=message.context.id,
            is_quote=message.context.id is not None,
            addressed=self._addressed(),
            automatic=self._automatic(),
        )

    def _addressed(self) -> Addressing:
        return "ambient" if self._message.group_id else "direct"

    def _automatic(self) -> Literal["self", "auto_generated"] | None:
        if self._is_echo or self._is_our_number():
            return "self"
        return "auto_generated" if self._message.type == "system" else None

    def _is_our_number(self) -> bool:
        ours = self._value.metadata.display_phone_number if self._value.metadata else None
        return ours is not None and self._message.from_ == "".join(filter(str.isdecimal, ours))

    def _common(self) -> dict[str, Any]:
        message, inbound = self._message, self._inbound
        number, user_id = (message.to, message.to_user_id) if self._is_echo else self._writer()
        party = thread_of_party(number, user_id)
        if party is None:
            raise MalformedPayload("missing or unusable: from, from_user_id")
        thread = f"group:{message.group_id}" if message.group_id else party
        who = thread_of_party(message.from_, message.from_user_id) or party
        key = _key(inbound.account, message.id)
        return {
            **_names(inbound, key, thread, message.timestamp),
            "sender": Sender(id=who, display_name=None if self._is_echo else self._display_name()),
            "address": {"to": number} if number is not None else {"recipient": user_id},
        }

    def _writer(self) -> tuple[str | None, str | None]:
        """Return number and user id of who wrote: of the message, else of the payload's contact."""
        message, contact = self._message, self._contact
        if message.from_ is None and message.from_user_id is None:
            return contact.wa_id, contact.user_id
        return message.from_, message.from_user_id

    def _display_name(self) -> str | None:
        return self._contact.profile.name or self._contact.profile.username


def _names(inbound: Inbound, key: str, thread: str, seconds: int) -> dict[str, Any]:
    return {
        "id": EventId(key),
        "channel": NAME,
        "account": inbound.account,
        "conversation_id": conversation_id(NAME, inbound.account, thread),
        "sent_at": datetime.fromtimestamp(seconds, UTC),
        "received_at": inbound.received_at,
        "adapter": ADAPTER,
        "raw_ref": key,
    }


def _status(status: Status, contacts: tuple[Contact, ...], inbound: Inbound) -> DeliveryStatusChanged | None:
    """Return a delivery state, in the conversation that we named when we sent; else in the recipient's.

    Raises:
        MalformedPayload: nothing says whom the message was for.
    """
    state = STATUSES.get(status.status)
    if state is None:
        return None
    only = contacts[0] if len(contacts) == 1 else Contact()
    out_id, _, ours = (status.biz_opaque_callback_data or "").partition(":")
    thread = ours or thread_of_party(status.recipient_id or only.wa_id, status.recipient_user_id or only.user_id)
    if thread is None:
        raise MalformedPayload("missing or unusable: recipient_id, recipient_user_id")
    return DeliveryStatusChanged(
        **_names(inbound, _key(inbound.account, status.id, status.status), thread, status.timestamp),
        sender=Sender(id=thread),
        status=state,
        provider_id=status.id,
        out_id=OutId(out_id) if ours else None,
        error_code=str(status.errors[0].code) if status.errors else None,
        unreachable=bool(status.errors) and status.errors[0].code in UNREACHABLE,
        window_closed=any(str(error.code) == OUTSIDE_WINDOW for error in status.errors),
    )


def callback_data(out_id: OutId, thread: str) -> str:
    """Write what Meta brings back with each status of a send: our name of it, and of its conversation.

    >>> callback_data(OutId("out1"), "+4915112345678")
    'out1:+4915112345678'
    """
    return f"{out_id}:{thread}"
