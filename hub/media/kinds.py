"""What a file is, by its content. What its sender or the platform claims is only compared with that (SECURITY S11)."""

import re

import filetype

BINARY = "application/octet-stream"
"""Of unknown content; as a claim it says nothing."""
TEXT = "text/plain"
LOOKED_AT_CHARS = 1024
MARKUP = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE\s+)*<?(html|svg|head|body|script|iframe)\b", re.I | re.S
)
"""How a page or a drawing begins that a browser would run."""
PAGES = {"svg": "image/svg+xml"}
WRITTEN = re.compile(r"application/(?:json|xml|csv|x-yaml|rtf|x-subrip)|.*\+(?:json|xml)|message/.*|text/.*")
"""Claims that plain text may bear."""
SAME = ({"audio", "video"},)
"""Families that one container serves: MP4, Ogg and WebM hold either."""


def kind_of(data: bytes) -> str:
    r"""Return the media type of a content; `application/octet-stream` where nothing is known of it.

    >>> kind_of(b"%PDF-1.7"), kind_of(b"hello"), kind_of(b"<!DOCTYPE html><p>"), kind_of(b"\x00\x01")
    ('application/pdf', 'text/plain', 'text/html', 'application/octet-stream')
    """
    found: str | None = filetype.guess_mime(data)
    return found or _written(data) or BINARY


def _written(data: bytes) -> str | None:
    """Return what a text is; None where it is none."""
    if b"\0" in data:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    begins = MARKUP.match(text[:LOOKED_AT_CHARS])
    return PAGES.get(begins[1].lower(), "text/html") if begins and text.lstrip().startswith("<") else TEXT


def agrees(claimed: str | None, found: str) -> bool:
    """Tell whether a content may be what was claimed. Families are compared: senders confuse `jpg` and `jpeg`, or PNG.

    >>> agrees("image/jpg", "image/png"), agrees("image/png", "text/html"), agrees(None, "text/html")
    (True, False, True)
    """
    claim = (claimed or "").partition(";")[0].strip().lower()
    if claim in {"", BINARY, "binary/octet-stream", found}:
        return True
    if found == TEXT:
        return WRITTEN.fullmatch(claim) is not None
    family, other = claim.partition("/")[0], found.partition("/")[0]
    return family == other or any({family, other} <= families for families in SAME)
