"""What hangs on a message: a `file_id` and what Telegram says about it. Never a URL: those hold the token (T21)."""

from channels.telegram.payloads import Contact, File, Location, Message, Venue
from core.events import Attachment
from core.model import Json

SHOWN_AS_OTHER = ("dice", "game", "story", "checklist")
"""Contents without a file that a person may send; they get an answer, not silence."""


def attachments_of(message: Message) -> tuple[Attachment, ...]:
    """Return the attachments of a message; an animation is sent as a document too and counts once."""
    files = (
        *((_file(message.photo[-1], "image", message),) if message.photo else ()),
        *_present(message.animation, "video", message),
        *(() if message.animation else _present(message.document, "file", message)),
        *_present(message.voice, "voice", message),
        *_present(message.audio, "audio", message),
        *_present(message.video, "video", message),
        *_present(message.video_note, "video", message),
        *_present(message.sticker, "sticker", message),
    )
    places = (_place(message.location, message.venue),) if message.location else ()
    cards = (_card(message.contact),) if message.contact else ()
    others = (Attachment(reference=name, kind="other") for name in SHOWN_AS_OTHER if getattr(message, name) is not None)
    return (*files, *places, *cards, *others)


def _present(file: File | None, kind: str, message: Message) -> tuple[Attachment, ...]:
    return (_file(file, kind, message),) if file else ()


def _file(file: File, kind: str, message: Message) -> Attachment:
    facts = {"duration_s": file.duration, "emoji": file.emoji, "media_group_id": message.media_group_id}
    return Attachment.model_validate(
        {
            "reference": file.file_id,
            "kind": kind,
            "media_type": file.mime_type,
            "name": file.file_name,
            "size_bytes": file.file_size,
            "details": {name: value for name, value in facts.items() if value is not None},
        }
    )


def _place(location: Location, venue: Venue | None) -> Attachment:
    details: dict[str, Json] = {"latitude": location.latitude, "longitude": location.longitude}
    if location.live_period is not None:
        details["live_period_s"] = location.live_period
    if venue is not None:
        details |= {"title": venue.title, "address": venue.address}
    return Attachment(reference=f"geo:{location.latitude},{location.longitude}", kind="location", details=details)


def _card(contact: Contact) -> Attachment:
    name = " ".join(part for part in (contact.first_name, contact.last_name) if part)
    details: dict[str, Json] = {"phone_number": contact.phone_number, "name": name}
    if contact.user_id is not None:
        details["user_id"] = str(contact.user_id)
    return Attachment(reference=f"tel:{contact.phone_number}", kind="contact", name=name or None, details=details)
