"""The tree of parts -> the text a person wrote, and the files that came along. Pure."""

import re
from typing import Literal, NamedTuple

from channels.email.hypertext import read_html
from channels.email.mime import (
    PARSER_ERRORS,
    Part,
    children,
    clean_line,
    content_of,
    decode_words,
    is_leaf,
    text_of,
    walk,
)
from channels.email.quoting import cut_reply
from core.events import Attachment

MAX_HTML_CHARS = 512 * 1024
"""HTML read of one mail, about half a second of work."""
MAX_TEXT_CHARS = 100_000
"""Code points of text kept in an event; the raw mail keeps the rest."""

TEXT_TYPES = frozenset({"text/plain", "text/html"})
SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature", "text/rfc822-headers"}
)
"""Parts that nobody attached on purpose."""
STUB = re.compile(
    r"\b(?:view|see|read|display|open)\b.{0,80}\b(?:html|browser)\b|\bhtml\b.{0,60}\bviewer\b", re.I | re.S
)
MAX_STUB_CHARS = 300
CID = re.compile(r"cid:([^\"'\s>)]+)", re.IGNORECASE)
KINDS: dict[str, Literal["image", "audio", "video"]] = {"image": "image", "audio": "audio", "video": "video"}


class Body(NamedTuple):
    """The text of a mail: what was written now, and all of it."""

    text: str
    full_text: str


class _Piece(NamedTuple):
    whole: str
    unquoted: str


NOTHING = _Piece("", "")


def read_body(mail: Part) -> Body:
    """Return the text of a mail; HTML is read where there is no useful plain text."""
    piece = _Reader().read(mail)
    full_text = piece.whole.strip()[:MAX_TEXT_CHARS]
    return Body(cut_reply(piece.unquoted[:MAX_TEXT_CHARS]), full_text)


class _Reader:
    """Walks the parts of one mail; reads so much HTML and no more."""

    def __init__(self) -> None:
        self._html_left = MAX_HTML_CHARS

    def read(self, part: Part) -> _Piece:
        if not is_leaf(part):
            pieces = children(part)
            is_choice = part.get_content_type() == "multipart/alternative"
            return self._best(pieces) if is_choice else self._joined(pieces)
        if _is_file(part):
            return NOTHING
        text = text_of(part)
        if part.get_content_type() != "text/html":
            return _Piece(text, text)
        text = text[: self._html_left]
        self._html_left -= len(text)
        return _Piece(*read_html(text))

    def _best(self, alternatives: list[Part]) -> _Piece:
        """Return the first alternative that says something; plain text comes before HTML (RFC 2046 section 5.1.4)."""
        stub = NOTHING
        for part in alternatives:
            piece = self.read(part)
            if piece.whole.strip() and not _is_stub(piece.whole):
                return piece
            stub = stub if stub.whole.strip() else piece
        return stub

    def _joined(self, parts: list[Part]) -> _Piece:
        pieces = [piece for piece in map(self.read, parts) if piece.whole.strip()]
        whole = "\n\n".join(piece.whole.strip("\n") for piece in pieces)
        return _Piece(whole, "\n\n".join(piece.unquoted.strip("\n") for piece in pieces))


def _is_stub(text: str) -> bool:
    return len(text.strip()) < MAX_STUB_CHARS and STUB.search(text) is not None


def _is_file(part: Part) -> bool:
    """Tell whether a leaf is a file: named, attached, or not text. A multipart without parts counts as text."""
    kind = part.get_content_type()
    if kind not in TEXT_TYPES and not kind.startswith("multipart/"):
        return True
    return _disposition(part) == "attachment" or (_disposition(part) != "inline" and _file_name(part) is not None)


def read_attachments(mail: Part) -> tuple[Attachment, ...]:
    """Return the files of a mail; images that its HTML shows in place are part of the text, not files."""
    parts = [part for part, _ in walk(mail)]
    shown = {cid.lower() for part in parts for cid in _shown_images(part)}
    return tuple(
        _attachment(part, number)
        for number, part in enumerate(parts)
        if is_leaf(part)
        and _is_file(part)
        and part.get_content_type() not in SIGNATURES
        and not (_content_id(part) in shown and part.get_content_maintype() == "image")
    )


def _shown_images(part: Part) -> list[str]:
    is_html = is_leaf(part) and part.get_content_type() == "text/html" and not _is_file(part)
    return CID.findall(text_of(part)) if is_html else []


def _attachment(part: Part, number: int) -> Attachment:
    media_type = clean_line(part.get_content_type())
    return Attachment(
        reference=f"part:{number}",
        media_type=media_type,
        name=_file_name(part),
        size_bytes=len(content_of(part)),
        kind=KINDS.get(media_type.partition("/")[0], "file"),
    )


def _disposition(part: Part) -> str:
    try:
        return (part.get_content_disposition() or "").strip()
    except PARSER_ERRORS:
        return ""


def _content_id(part: Part) -> str:
    return clean_line(decode_words(str(part.get("Content-ID", "")))).strip("<> ").lower()


def _file_name(part: Part) -> str | None:
    try:
        name = part.get_filename()
    except PARSER_ERRORS:
        name = None
    return clean_line(decode_words(name)).replace("/", "_").replace("\\", "_")[:255] or None if name else None
