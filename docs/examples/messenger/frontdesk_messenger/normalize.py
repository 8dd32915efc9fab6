"""Messenger's webhooks -> events. Pure.

One POST holds the events of several Pages and people; each becomes one event, in the order of the body, and a delivery
receipt one for each message that it names. A conversation is a person: `messenger:{account}:{page-scoped id}`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from channels.inbound import DeliveryKey, Inbound
from channels.payload import load_object
from core.errors import MalformedPayload
from core.events import (
    ChoiceMade,
    ConversationOpened,
    DeliveryStatusChanged,
    Event,
    MessageEdited,
    MessageReceived,
    ReactionChanged,
    Sender,
)
from core.ids import ChannelName, EventId, OutId, conversation_id
from pydantic import ValidationError

from frontdesk_messenger.attachments import attachments_of
from frontdesk_messenger.payloads import MAX_EVENTS, Happening, Message, Party, Postback, Reaction, Webhook

NAME = ChannelName("messenger")
ADAPTER = "messenger/1"
GET_STARTED = "GET_STARTED"
"""The payload of the Page's Get Started button, as the README has it set up: nobody has written yet."""
KINDS = frozenset({"message", "postback", "delivery", "read", "reaction", "message_edit", "referral"})
"""Events that we read; of all others nothing is asked, not even a shape."""
OURS = "frontdesk:"
"""How the metadata of our own sends begins; what follows is the out id."""


def identify(inbound: Inbound) -> DeliveryKey:
    """Name a payload: by its one event, else by a hash of the names of all events in it. Never raises.

    So the same batch keeps its name whatever else Meta writes into it.
    """
    try:
        keys = [key for _, happening in _happenings(inbound.body) for key in _keys(happening)]
    except MalformedPayload:
        keys = []
    if len(keys) == 1:
        return DeliveryKey(_named(inbound, keys[0]))
    told = "\n".join(keys).encode() if keys else inbound.body
    kind = "batch" if keys else "sha256"
    return DeliveryKey(_named(inbound, f"{kind}:{hashlib.sha256(told).hexdigest()}"))


def normalize(inbound: Inbound, page_id: str) -> tuple[Event, ...]:
    """Translate one POST; `()` for what tells us nothing (opt-ins, account links, other Pages, who reads what).

    Args:
        inbound: what Meta posted.
        page_id: our Page; what is about another one belongs to another account.

    Raises:
        MalformedPayload: not what Meta documents, or more than `MAX_EVENTS` in it.
    """
    ours = (happening for page, happening in _happenings(inbound.body) if page == page_id)
    events = tuple(event for happening in ours for event in _events(happening, inbound))
    if len(events) > MAX_EVENTS:
        raise MalformedPayload(f"{len(events)} events in one payload")
    return events


def _happenings(body: bytes) -> Iterator[tuple[str, Happening]]:
    """Yield each event of a POST with the id of its Page."""
    try:
        webhook = Webhook.model_validate(load_object(body))
    except ValidationError as error:
        raise MalformedPayload(_explain(error)) from error
    for entry in webhook.entry:
        for raw in entry.messaging:
            if KINDS & raw.keys():
                yield entry.id, _read(raw)


def _read(raw: Mapping[str, Any]) -> Happening:
    """Read one event; a message of another shape than documented is kept as one that we cannot show.

    Raises:
        MalformedPayload: it does not even say its name, when it was and who wrote.
    """
    try:
        return Happening.model_validate(raw)
    except ValidationError as error:
        message = raw.get("message")
        if not isinstance(message, dict):
            raise MalformedPayload(_explain(error)) from error
    envelope = {name: raw[name] for name in ("sender", "recipient", "timestamp") if name in raw}
    known = {name: message[name] for name in ("mid", "is_echo") if name in message}
    try:
        return Happening.model_validate(envelope | {"message": known | {"attachments": [{"type": "unreadable"}]}})
    except ValidationError as error:
        raise MalformedPayload(_explain(error)) from error


def _explain(error: ValidationError) -> str:
    names = sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})
    return f"missing or unusable: {', '.join(names)}"


def _keys(happening: Happening) -> tuple[str, ...]:
    """Return the names of what happened; each is also the end of its event's id."""
    who = happening.sender.id or happening.sender.user_ref
    if (message := happening.message) is not None:
        return (f"{message.mid}:echo" if message.is_echo else message.mid,)
    if (postback := happening.postback) is not None:
        return (postback.mid or f"postback:{who}:{happening.timestamp}",)
    if (delivery := happening.delivery) is not None:
        return tuple(f"{mid}:delivered" for mid in delivery.mids) or (f"delivered:{who}:{delivery.watermark}",)
    if (read := happening.read) is not None:
        return (f"read:{who}:{read.watermark}",)
    if (reaction := happening.reaction) is not None:
        return (f"{reaction.mid}:reaction:{happening.timestamp}",)
    if (edit := happening.message_edit) is not None:
        return (f"{edit.mid}:edit:{edit.num_edit}",)
    return (f"referral:{who}:{happening.timestamp}",) if happening.referral is not None else ()


def _events(happening: Happening, inbound: Inbound) -> tuple[Event, ...]:
    if (message := happening.message) is not None:
        return (_echo(message, happening, inbound) if message.is_echo else _message(message, happening, inbound),)
    if happening.postback is not None:
        return (_postback(happening.postback, happening, inbound),)
    if happening.delivery is not None:
        return tuple(_delivered(mid, happening, inbound) for mid in happening.delivery.mids)
    if (reaction := happening.reaction) is not None:
        return (_reaction(reaction, happening, inbound),)
    if (edit := happening.message_edit) is not None:
        return (MessageEdited(**_common(happening, inbound), message_id=edit.mid, text=edit.text),)
    if happening.referral is not None:
        return (ConversationOpened(**_common(happening, inbound), payload=happening.referral.ref),)
    return ()


def _message(message: Message, happening: Happening, inbound: Inbound) -> Event:
    common = _common(happening, inbound)
    if message.quick_reply is not None:
        return ChoiceMade(**common, token=message.quick_reply.payload, label=message.text)
    return _written(message, common)


def _written(message: Message, common: dict[str, Any], **more: Any) -> MessageReceived:
    return MessageReceived(
        **common,
        message_id=message.mid,
        text=message.text or "",
        attachments=attachments_of(message),
        in_reply_to=message.reply_to.mid if message.reply_to is not None else None,
        **more,
    )


def _echo(message: Message, happening: Happening, inbound: Inbound) -> Event:
    """Return what an echo tells: of our own send, that it was made; else what somebody wrote in the Page's inbox."""
    common = _common(happening, inbound, person=happening.recipient)
    if message.metadata is not None and message.metadata.startswith(OURS):
        out_id = OutId(message.metadata.removeprefix(OURS))
        return DeliveryStatusChanged(**common, status="sent", provider_id=message.mid, out_id=out_id)
    common["sender"] = Sender(id=happening.sender.id or "page")
    return _written(message, common, automatic="self")


def _postback(postback: Postback, happening: Happening, inbound: Inbound) -> Event:
    common = _common(happening, inbound)
    if postback.payload in (None, GET_STARTED):
        return ConversationOpened(**common, payload=postback.referral.ref if postback.referral is not None else None)
    return ChoiceMade(**common, token=postback.payload, label=postback.title)


def _reaction(reaction: Reaction, happening: Happening, inbound: Inbound) -> ReactionChanged:
    shown = reaction.emoji or reaction.reaction
    change = {"added" if reaction.action == "react" else "removed": (shown,) if shown is not None else ()}
    return ReactionChanged(**_common(happening, inbound), message_id=reaction.mid, **change)


def _delivered(mid: str, happening: Happening, inbound: Inbound) -> DeliveryStatusChanged:
    common = _common(happening, inbound) | {"id": EventId(_named(inbound, f"{mid}:delivered"))}
    return DeliveryStatusChanged(**common, status="delivered", provider_id=mid)


def _common(happening: Happening, inbound: Inbound, person: Party | None = None) -> dict[str, Any]:
    """Return the fields of every event.

    Raises:
        MalformedPayload: nothing says who the person is.
    """
    person = person or happening.sender
    thread = person.id or person.user_ref
    if thread is None:
        raise MalformedPayload("missing or unusable: sender.id")
    key = _named(inbound, _keys(happening)[0])
    return {
        "id": EventId(key),
        "channel": NAME,
        "account": inbound.account,
        "conversation_id": conversation_id(NAME, inbound.account, thread),
        "sender": Sender(id=thread),
        "sent_at": datetime.fromtimestamp(happening.timestamp / 1000, UTC),
        "received_at": inbound.received_at,
        "address": {"id": thread} if person.id is not None else {"user_ref": thread},
        "adapter": ADAPTER,
        "raw_ref": key,
    }


def _named(inbound: Inbound, key: str) -> str:
    return f"{NAME}:{inbound.account}:{key}"
