"""What a message says: its words and what is attached, as references that are never fetched here. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from channels.whatsapp.cloud.payloads import Content, Message
from core.events import Attachment
from core.model import Json

Kind = Literal["image", "video", "audio", "file", "sticker"]
MEDIA: Mapping[str, Kind] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "document": "file",
    "sticker": "sticker",
}
"""A message's type to what is attached. The reference is `media:{id}`: it gives an address that is good for five
minutes and wants our token, so neither is kept."""
HAS_WORDS = frozenset({"text", "system"})


def text_of(content: Content) -> str:
    """Return the words: a text, a caption, a note to an order, or what WhatsApp itself says."""
    if content.type == "interactive":
        return ""
    told = (
        content.text.get("body"),
        *(getattr(content, name).get("caption") for name in MEDIA),
        content.order.get("text"),
        content.system.get("body"),
    )
    return next((words for words in told if isinstance(words, str) and words), "")


def attachments_of(message: Message) -> tuple[Attachment, ...]:
    """Return what is attached; a message of which we can show nothing is one attachment that says its type."""
    found = [*_media(message), *_location(message), *map(_contact, message.contacts)]
    if found or (message.type in HAS_WORDS and text_of(message)):
        return tuple(found)
    return (_other(message),)


def _media(message: Message) -> list[Attachment]:
    media: dict[str, Any] = getattr(message, message.type) if message.type in MEDIA else {}
    if not isinstance(media.get("id"), str):
        return []
    is_voice = message.type == "audio" and media.get("voice") is True
    return [
        Attachment(
            reference=f"media:{media['id']}",
            media_type=_string(media, "mime_type"),
            name=_string(media, "filename"),
            kind="voice" if is_voice else MEDIA[message.type],
            details={name: value for name in ("sha256",) if (value := _string(media, name))},
        )
    ]


def _location(message: Message) -> list[Attachment]:
    place = message.location
    latitude, longitude = (_degrees(place.get(name), most) for name, most in (("latitude", 90), ("longitude", 180)))
    if latitude is None or longitude is None:
        return []
    told: dict[str, Json] = {name: value for name in ("name", "address", "url") if (value := _string(place, name))}
    return [
        Attachment(
            reference=f"geo:{latitude},{longitude}",
            kind="location",
            name=_string(place, "name"),
            details={"latitude": latitude, "longitude": longitude, **told},
        )
    ]


def _degrees(value: Any, most: int) -> float | None:
    return float(value) if isinstance(value, int | float) and -most <= value <= most else None


def _contact(contact: dict[str, Any]) -> Attachment:
    name = contact.get("name")
    formatted = _string(name, "formatted_name") if isinstance(name, dict) else None
    phones = contact.get("phones")
    numbers = [_string(phone, "phone") for phone in phones if isinstance(phone, dict)] if phones else []
    first = next((number for number in numbers if number), None)
    listed: list[Json] = [number for number in numbers if number]
    reference = f"tel:{first}" if first else f"contact:{formatted or ''}"
    return Attachment(reference=reference, kind="contact", name=formatted, details={"phones": listed})


def _other(message: Message) -> Attachment:
    """Return what we cannot show: its type, what Meta calls it, a form's answers, an order's items."""
    details: dict[str, Json] = {"type": message.type}
    if kind := _string(message.unsupported, "type"):
        details["unsupported"] = kind
    if message.errors:
        details["error"] = message.errors[0].code
    if message.interactive is not None and (answers := _string(message.interactive.nfm_reply, "response_json")):
        details["response_json"] = answers
    if message.order:
        details["order"] = message.order
    return Attachment(reference=message.id, kind="other", details=details)


def _string(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None
