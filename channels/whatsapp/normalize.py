"""Twilio's forms -> events. Pure.

The conversation is named after `From` as Twilio writes it, without `whatsapp:`. Not after `WaId`: it may differ from
the number that must be answered (W11) and is missing for people who hide theirs (W1). A bare `From` is an SMS, whose
sender anybody can forge; it gets a thread of its own (`sms:+49...`) and never speaks inside a WhatsApp conversation.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from channels.inbound import NAMELESS_ALBUM, DeliveryKey, Inbound
from channels.whatsapp.failures import OUTSIDE_WINDOW, UNREACHABLE
from channels.whatsapp.optout import ADVANCED, Wish, wish_of
from channels.whatsapp.payloads import MAX_MEDIA, InboundMessage, StatusCallback, form_fields, is_status
from core.errors import MalformedPayload
from core.events import (
    Attachment,
    ChoiceMade,
    DeliveryStatusChanged,
    Event,
    MessageReceived,
    ReachabilityChanged,
    Sender,
)
from core.ids import ChannelName, EventId, OutId, conversation_id

ADAPTER = "whatsapp/1"
NAME = ChannelName("whatsapp")
OUT_ID_HEADER = "x-frontdesk-out-id"
"""Under which a status callback keeps the out id that Twilio carried back in its path, in the inbox."""

STATUSES: Mapping[str, Literal["sent", "delivered", "read", "failed"]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "failed": "failed",
    "undelivered": "failed",
    "canceled": "failed",
}
"""W25. `accepted`, `scheduled`, `queued`, `sending` and the partial ones say nothing that a person could see."""

Kind = Literal["file", "image", "audio", "voice", "video", "sticker", "location", "contact", "other"]
KIND_OF_MEDIA: Mapping[str, Kind] = {"image": "image", "audio": "audio", "video": "video"}
"""First half of the media type to what it is."""
SENT_SEVERAL_AT_ONCE = frozenset({"image", "video", "document"})
"""Types of which a person may pick several: WhatsApp sends a message for each, and names no album."""
CONTACT_TYPES = frozenset({"text/vcard", "text/x-vcard", "text/directory"})


def identify(inbound: Inbound) -> DeliveryKey:
    """Name a payload: `tw:{account}:{MessageSid}`, with `:{MessageStatus}` for a status. Never raises."""
    try:
        fields = form_fields(inbound.body)
    except MalformedPayload:
        fields = {}
    sid = fields.get("MessageSid")
    if sid is None:
        return DeliveryKey(f"whatsapp:{inbound.account}:sha256:{hashlib.sha256(inbound.body).hexdigest()}")
    return DeliveryKey(_key(inbound.account, sid, fields["MessageStatus"] if is_status(fields) else None))


def normalize(inbound: Inbound, number: str) -> tuple[Event, ...]:
    """Translate one form; `()` for a status that tells a person nothing.

    Args:
        inbound: what Twilio posted.
        number: the account's own number.

    Raises:
        MalformedPayload: not the form that Twilio documents.
    """
    fields = form_fields(inbound.body)
    if is_status(fields):
        return _status_events(_read(StatusCallback, fields), inbound)
    message = _read(InboundMessage, fields)
    if token := message.button_payload or message.list_id:
        return (_choice(message, token, inbound),)
    if (change := _reachability(message, inbound)) is not None:
        return (change,)
    return (_message(message, fields, inbound, number),)


Form = TypeVar("Form", bound=BaseModel)


def _read(form: type[Form], fields: dict[str, str]) -> Form:
    try:
        return form.model_validate(fields)
    except ValidationError as error:
        names = sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})
        raise MalformedPayload(f"missing or unusable: {', '.join(names)}") from error


def _key(account: str, sid: str, status: str | None) -> str:
    key = f"tw:{account}:{sid}"
    return f"{key}:{status}" if status else key


def thread_of_party(party: str) -> str:
    """Name the conversation with a person after their address.

    >>> [thread_of_party(party) for party in ("whatsapp:+4915112345678", "whatsapp:US.13491208655302741918", "+4930")]
    ['+4915112345678', 'US.13491208655302741918', 'sms:+4930']
    """
    if ":" not in party:
        return f"sms:{party}"
    return bare(party)


def bare(party: str) -> str:
    """Return an address without the mark of WhatsApp.

    >>> bare("whatsapp:+4915112345678")
    '+4915112345678'
    """
    return party.removeprefix("whatsapp:")


def _common(inbound: Inbound, key: str, person: str, name: str | None = None) -> dict[str, Any]:
    thread = thread_of_party(person)
    return {
        "id": EventId(key),
        "channel": NAME,
        "account": inbound.account,
        "conversation_id": conversation_id(NAME, inbound.account, thread),
        "sender": Sender(id=thread, display_name=name, verified_by="platform" if ":" in person else "none"),
        "sent_at": inbound.received_at,  # the webhook carries no time; a message from the list does
        "received_at": inbound.received_at,
        "adapter": ADAPTER,
        "raw_ref": key,
    }


def _from_person(message: InboundMessage, inbound: Inbound) -> dict[str, Any]:
    """Return the common fields; the answer goes to `From` verbatim (W11), from the number that was written to."""
    common = _common(inbound, _key(inbound.account, message.message_sid, None), message.from_, message.profile_name)
    sent_at = message.sent_at or common["sent_at"]
    return {**common, "sent_at": sent_at, "address": {"to": message.from_, "from": message.to}}


def _choice(message: InboundMessage, token: str, inbound: Inbound) -> ChoiceMade:
    return ChoiceMade(
        **_from_person(message, inbound),
        token=token,
        label=message.button_text or message.list_title,
        message_id=message.original_replied_message_sid,
    )


def _wish(message: InboundMessage) -> tuple[Wish | None, bool]:
    """Return what a word asks for, and whether Twilio has answered it."""
    if message.opt_out_type is not None:
        return ADVANCED.get(message.opt_out_type.upper()), True
    by_sms = ":" not in message.from_
    return wish_of(message.body, by_sms=by_sms), by_sms


def _reachability(message: InboundMessage, inbound: Inbound) -> ReachabilityChanged | None:
    wish, is_answered = _wish(message)
    if wish not in ("stop", "start"):
        return None
    return ReachabilityChanged(
        **_from_person(message, inbound),
        change="opted_out" if wish == "stop" else "opted_in",
        text=message.body,
        answered_by_platform=is_answered,
    )


def _message(message: InboundMessage, fields: dict[str, str], inbound: Inbound, number: str) -> MessageReceived:
    return MessageReceived(
        **_from_person(message, inbound),
        message_id=message.message_sid,
        text=message.body or message.button_text or message.list_title or "",
        attachments=_attachments(message, fields),
        album=NAMELESS_ALBUM if message.message_type in SENT_SEVERAL_AT_ONCE else None,
        in_reply_to=message.original_replied_message_sid,
        is_quote=message.original_replied_message_sid is not None,
        automatic="self" if bare(message.from_) == bare(number) else None,
        answered_by_platform=_wish(message) == ("help", True),
    )


def _attachments(message: InboundMessage, fields: dict[str, str]) -> tuple[Attachment, ...]:
    found = _media(message, fields)
    if message.latitude is not None and message.longitude is not None:
        found.append(_location(message, message.latitude, message.longitude))
    if not found and not message.body and message.message_type not in (None, "text", "button", "interactive"):
        # Twilio hands over what it cannot carry (polls, view-once pictures) as nothing but its type.
        found.append(Attachment(reference=message.message_sid, kind="other", details={"type": message.message_type}))
    return tuple(found)


def _media(message: InboundMessage, fields: dict[str, str]) -> list[Attachment]:
    """Collect what is there, whatever `NumMedia` says; nothing is fetched (W9)."""
    return [
        Attachment(reference=url, media_type=media_type, kind=_kind(media_type, message.message_type))
        for url, media_type in (
            (fields.get(f"MediaUrl{index}"), fields.get(f"MediaContentType{index}")) for index in range(MAX_MEDIA)
        )
        if url is not None
    ]


def _kind(media_type: str | None, message_type: str | None) -> Kind:
    if message_type == "sticker":
        return "sticker"
    if message_type == "contacts" or media_type in CONTACT_TYPES:
        return "contact"
    return KIND_OF_MEDIA.get((media_type or "").partition("/")[0], "file")


def _location(message: InboundMessage, latitude: float, longitude: float) -> Attachment:
    told = {"label": message.label, "address": message.address}
    return Attachment(
        reference=f"geo:{latitude},{longitude}",
        kind="location",
        name=message.label,
        details={"latitude": latitude, "longitude": longitude, **{name: text for name, text in told.items() if text}},
    )


def _status_events(callback: StatusCallback, inbound: Inbound) -> tuple[Event, ...]:
    status = STATUSES.get(callback.message_status)
    if status is None:
        return ()
    out_id = inbound.headers.get(OUT_ID_HEADER)
    key = _key(inbound.account, callback.message_sid, callback.message_status)
    return (
        DeliveryStatusChanged(
            **_common(inbound, key, callback.to),
            status=status,
            provider_id=callback.message_sid,
            out_id=OutId(out_id) if out_id else None,
            error_code=callback.error_code,
            unreachable=status == "failed" and (callback.error_code or "") in map(str, UNREACHABLE),
            window_closed=callback.error_code == str(OUTSIDE_WINDOW),
        ),
    )
