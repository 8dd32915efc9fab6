"""A journaled body becomes an event."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from channels.payload import load_object
from channels.web.payloads import Journaled, JournaledFile
from core.errors import MalformedPayload
from core.events import Attachment, ChoiceMade, Event, MessageReceived, Sender
from core.ids import AccountName, ChannelName, EventId, conversation_id

CHANNEL = ChannelName("web")
ADAPTER = "web/1"
KEPT = "kept:"
"""Begins the reference of an upload: it is kept already, under the hash that follows."""
KINDS: Mapping[str, Literal["image", "audio", "video"]] = {"image": "image", "audio": "audio", "video": "video"}


def read_journaled(body: bytes) -> Journaled:
    """Read what `journal.write` wrote.

    Raises:
        MalformedPayload: it is not that.
    """
    try:
        return Journaled.model_validate(load_object(body))
    except ValidationError as error:
        raise MalformedPayload(f"not a journaled web message: {error.error_count()} errors") from error


def identify(body: bytes, account: str) -> str:
    """Name a payload `web:{account}:{session}:{client id}` (SEMANTICS section 2). Never raises.

    >>> identify(b"?", "site")[:17]
    'web:site:sha256:8'
    """
    try:
        said = read_journaled(body)
    except MalformedPayload:
        return f"{CHANNEL}:{account}:sha256:{hashlib.sha256(body).hexdigest()}"
    return f"{CHANNEL}:{account}:{said.session}:{said.id}"


def normalize(body: bytes, *, account: AccountName, received_at: datetime) -> tuple[Event, ...]:
    """Translate a journaled body.

    The visitor's clock is not asked: `sent_at` is our own time of reception.

    Raises:
        MalformedPayload: not a body that we journaled.
    """
    said = read_journaled(body)
    event_id = EventId(identify(body, account))
    common: dict[str, Any] = {
        "id": event_id,
        "channel": CHANNEL,
        "account": account,
        "conversation_id": conversation_id(CHANNEL, account, said.session),
        "sender": Sender(id=said.session, verified_by="signed_token"),
        "sent_at": received_at,
        "received_at": received_at,
        "locale": said.locale,
        "address": {"session": said.session},
        "adapter": ADAPTER,
        "raw_ref": event_id,
    }
    if said.choice is not None:
        return (ChoiceMade(**common, token=said.choice, label=said.label),)
    files = tuple(map(_attachment, said.uploaded))
    return (MessageReceived(**common, message_id=said.id, text=said.text or "", attachments=files),)


def _attachment(file: JournaledFile) -> Attachment:
    return Attachment(
        reference=f"{KEPT}{file.sha256}",
        media_type=file.media_type,
        name=file.name,
        size_bytes=file.size_bytes,
        kind=KINDS.get(file.media_type.partition("/")[0], "file"),
    )
