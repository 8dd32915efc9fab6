"""A reply -> one mail as data. Pure."""

import html
from collections.abc import Mapping

from channels.cuts import split_plain, whole_characters
from channels.email.mime import clean_block, clean_line
from channels.files import has_address, linked
from channels.inbound import Capabilities
from channels.menus import ELLIPSIS, numbered
from core.events import Address, Attachment
from core.model import Json
from core.ports import Escape, Words
from core.replies import ApiCall, Reply

METHOD = "smtp.send"
MAX_TEXT_CHARS = 100_000
"""Code points we put into one mail; mail itself has no such limit."""
MAX_SUBJECT_CHARS = 250  # a Subject is one header line of at most 998 bytes (RFC 5322 section 2.1.1)
REPLY_PREFIX = "Re: "  # RFC 5322 section 3.6.5


def escape_html(text: str) -> str:
    """Make text harmless inside HTML: markup characters escaped, control characters dropped."""
    return html.escape(clean_block(text), quote=True)


ESCAPES: Mapping[str, Escape] = {"text": clean_block, "html": escape_html, "subject": clean_line}
"""Block name to escape."""


CAPABILITIES = Capabilities(
    max_text=MAX_TEXT_CHARS,
    max_subject=MAX_SUBJECT_CHARS,
    threads=True,
    unknown_sends="idempotent",
    counts_answers=True,
)
"""A mail that is sent twice has the same Message-ID: at-least-once, as mail servers do (SEMANTICS section 2)."""


def render(reply: Reply, words: Words, address: Address, limits: Capabilities = CAPABILITIES) -> tuple[ApiCall, ...]:
    """Give a reply the shape of one mail; no mail where the address has no "to" (machines, requests for silence).

    Words that are too long for one mail become several of plain text, the choices under the last.
    """
    if not address.get("to"):
        return ()
    params: dict[str, Json] = {
        "from": address["from"],
        "to": address["to"],
        "subject": _subject(words, address, limits.max_subject),
        "in_reply_to": address.get("in_reply_to", ""),
        "references": address.get("references", ""),
        "root16": address["root16"],
    }
    text = _text(words, reply)
    parts = (text,) if len(text) <= limits.max_text else split_plain(text, limits.max_text)
    page: dict[str, Json] = {"html": _html(words, reply)} if words.has("html") and len(parts) == 1 else {}
    bucket = address["to"].lower()
    return tuple(
        ApiCall(method=METHOD, params={**params, "text": part, **page}, bucket=bucket, kind=reply.kind)
        for part in parts
    )


def _subject(words: Words, address: Address, longest: int | None) -> str:
    if words.has("subject"):
        return _short(clean_line(words.block("subject")), longest)
    subject = clean_line(address.get("subject", ""))
    if not subject.lower().startswith(REPLY_PREFIX.strip().lower()):
        subject = REPLY_PREFIX + subject
    return _short(subject, longest)


def _short(subject: str, longest: int | None) -> str:
    """Keep what fits and say by an ellipsis that there was more."""
    if longest is None or len(subject) <= longest:
        return subject.strip()
    return subject[: whole_characters(subject, longest - 1)].strip() + ELLIPSIS


def _text(words: Words, reply: Reply) -> str:
    said = clean_block(words.block("text")).strip("\n")
    return "\n\n".join(
        part for part in (said, linked(reply.attachments, clean_line), numbered(reply.choices, clean_line)) if part
    )


def _html(words: Words, reply: Reply) -> str:
    files = "".join(f"<p>{_link(file)}</p>" for file in reply.attachments if has_address(file))
    items = "".join(f"<li>{escape_html(clean_line(choice.label))}</li>" for choice in reply.choices)
    return clean_block(words.block("html")) + files + (f"<ol>{items}</ol>" if items else "")


def _link(file: Attachment) -> str:
    name = clean_line(file.name or file.reference)
    return f'<a href="{escape_html(clean_line(file.reference))}">{escape_html(name)}</a>'
