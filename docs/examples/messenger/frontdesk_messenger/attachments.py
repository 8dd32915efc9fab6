"""What is attached to a message, as references that are never fetched here. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from core.events import Attachment
from core.model import Json

from frontdesk_messenger.payloads import Message

Kind = Literal["image", "audio", "video", "file"]
MEDIA: Mapping[str, Kind] = {"image": "image", "audio": "audio", "video": "video", "file": "file", "reel": "video"}
"""A type to what is attached. The address in the payload is signed and expires, so it is not kept: the reference,
`{mid}/attachments#{place}`, is asked for with the Page's token (Graph API, `/{message-id}/attachments`)."""


def attachments_of(message: Message) -> tuple[Attachment, ...]:
    """Return one attachment for each, whatever it is."""
    return tuple(_attachment(message.mid, place, raw) for place, raw in enumerate(message.attachments))


def _attachment(mid: str, place: int, raw: Mapping[str, Any]) -> Attachment:
    found = raw.get("payload")
    payload: Mapping[str, Any] = found if isinstance(found, dict) else {}
    reference = f"{mid}/attachments#{place}"
    kind = str(raw.get("type", "unknown"))[:64]
    if (coordinates := _coordinates(payload)) is not None:
        return Attachment(reference=reference, kind="location", details=coordinates)
    if kind == "image" and "sticker_id" in payload:
        return Attachment(reference=reference, kind="sticker", details={"sticker_id": str(payload["sticker_id"])})
    if kind in MEDIA:
        return Attachment(reference=reference, kind=MEDIA[kind])
    title = raw.get("title") or payload.get("title")
    details: dict[str, Json] = {"type": kind, "title": title} if isinstance(title, str) else {"type": kind}
    return Attachment(reference=reference, kind="other", details=details)


def _coordinates(payload: Mapping[str, Any]) -> dict[str, Json] | None:
    place = payload.get("coordinates")
    if not isinstance(place, dict):
        return None
    latitude, longitude = place.get("lat"), place.get("long")
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return None
    return {"latitude": float(latitude), "longitude": float(longitude)}
