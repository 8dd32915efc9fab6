"""Parrot's webhooks -> events. Pure. A conversation is a chat: `parrot:{account}:{chat}`."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from channels.inbound import DeliveryKey, Inbound
from channels.payload import load_object
from core.errors import MalformedPayload
from core.events import ChoiceMade, Event, MessageReceived, Sender
from core.ids import ChannelName, EventId, conversation_id
from pydantic import ValidationError

from frontdesk_parrot.payloads import Update

NAME = ChannelName("parrot")
ADAPTER = "parrot/1"
"""Raise the number when the same payload would become another event."""


def identify(inbound: Inbound) -> DeliveryKey:
    """Name a payload by Parrot's id of it, or by a hash where it cannot be read. Never raises."""
    try:
        return DeliveryKey(_named(inbound, _read(inbound.body).id))
    except MalformedPayload:
        return DeliveryKey(_named(inbound, f"sha256:{hashlib.sha256(inbound.body).hexdigest()}"))


def normalize(inbound: Inbound, bot_id: str) -> tuple[Event, ...]:
    """Translate a payload; `()` for what tells us nothing.

    Args:
        inbound: what Parrot posted.
        bot_id: who we are there.

    Raises:
        MalformedPayload: not what Parrot documents.
    """
    update = _read(inbound.body)
    common: dict[str, Any] = {
        "id": EventId(_named(inbound, update.id)),
        "channel": NAME,
        "account": inbound.account,
        "conversation_id": conversation_id(NAME, inbound.account, update.chat),
        "sender": Sender(id=update.sender.id, display_name=update.sender.name),
        "sent_at": datetime.fromtimestamp(update.at, UTC),
        "received_at": inbound.received_at,
        "address": {"chat": update.chat},
        "adapter": ADAPTER,
        "raw_ref": _named(inbound, update.id),
    }
    if update.kind == "message":
        automatic = "self" if update.sender.id == bot_id else None
        return (MessageReceived(**common, message_id=update.id, text=update.text, automatic=automatic),)
    if update.kind == "press" and update.token is not None:
        return (ChoiceMade(**common, token=update.token, label=update.text or None),)
    return ()


def _read(body: bytes) -> Update:
    try:
        return Update.model_validate(load_object(body))
    except ValidationError as error:
        names = sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})
        raise MalformedPayload(f"missing or unusable: {', '.join(names)}") from error


def _named(inbound: Inbound, key: str) -> str:
    return f"{NAME}:{inbound.account}:{key}"
