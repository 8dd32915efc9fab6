"""Files that people send: which may be kept, what became of one, and what an agent is told of it. Pure."""

from typing import Literal

from pydantic import Field

from core.events import Attachment
from core.model import AwareDatetime, Model

MIB = 1024 * 1024
LARGEST_KEPT_BYTES = 15 * MIB
"""A document of MongoDB holds 16 MiB: docs.mongodb.com/manual/reference/limits."""
DEFAULT_TYPES = (
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/heic",
    "audio/*",
    "video/mp4",
    "video/3gpp",
    "video/quicktime",
    "video/webm",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "text/plain",
)
"""What customers send to a support desk. Nothing that a browser runs (HTML, SVG), no archives, no programs."""
NO_FILES = frozenset({"location", "contact", "other"})
"""Kinds of attachment that are told whole: there is nothing to fetch."""

MediaState = Literal["kept", "too_big", "wrong_type", "expired", "refused", "unavailable"]
"""What became of a file. `expired`: the platform has it no longer; `refused`: it, or we, will not hand it over;
`unavailable`: nobody could say now, ask again."""


class MediaPolicy(Model):
    """Which files are fetched and kept (SECURITY S10, S11)."""

    max_bytes: int = Field(default=10 * MIB, ge=1, le=LARGEST_KEPT_BYTES)
    """Counted while a file comes in, whatever its sender claims (FAULTS F079)."""
    types: tuple[str, ...] = DEFAULT_TYPES
    """Media types as the content shows them; `audio/*` stands for a family."""
    kept_days: int = Field(default=90, ge=1, le=3650)
    """SECURITY section 7."""

    def allows(self, media_type: str) -> bool:
        """Tell whether files of a type are kept.

        >>> MediaPolicy().allows("audio/ogg"), MediaPolicy().allows("image/svg+xml")
        (True, False)
        """
        return media_type in self.types or f"{media_type.partition('/')[0]}/*" in self.types


class MediaFile(Model):
    """A file that is kept, once, however often it was sent."""

    sha256: str
    """Of the content, in hexadecimal; also its name."""
    media_type: str
    """As the content shows it."""
    data: bytes = Field(repr=False)
    until: AwareDatetime
    """Then it may be forgotten."""


class MediaNote(Model):
    """What became of one attachment when somebody asked for it."""

    id: str
    """`media_name` of the message's row and the attachment's number."""
    state: MediaState
    reason: str = ""
    sha256: str | None = None
    """Of the file, where it is kept."""
    at: AwareDatetime
    until: AwareDatetime


class FileRef(Model):
    """One attachment as a transcript names it: what was claimed of it, and how to ask for it."""

    row: str
    """The inbox row of its message."""
    number: int
    """Its place among the attachments of that message, from 0."""
    kind: str
    name: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None


def media_name(row: str, number: int) -> str:
    """Name one attachment of one message.

    >>> media_name("tw:main:MM1", 0)
    'tw:main:MM1/0'
    """
    return f"{row}/{number}"


def file_refs(row: str, attachments: tuple[Attachment, ...]) -> tuple[FileRef, ...]:
    """Name all attachments of a message."""
    return tuple(
        FileRef(
            row=row,
            number=number,
            kind=attachment.kind,
            name=attachment.name,
            media_type=attachment.media_type,
            size_bytes=attachment.size_bytes,
        )
        for number, attachment in enumerate(attachments)
    )
