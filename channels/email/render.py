"""A reply -> one mail as data. Pure."""

import html
from collections.abc import Mapping

from channels.email.mime import clean_block, clean_line
from core.events import Address
from core.ports import Escape, Words
from core.replies import ApiCall, Choice, Reply

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


def render(reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
    """Give a reply the shape of one mail; no mail where the address has no "to" (machines, requests for silence)."""
    if not address.get("to"):
        return ()
    params = {
        "from": address["from"],
        "to": address["to"],
        "subject": _subject(words, address),
        "text": _text(words, reply.choices),
        "in_reply_to": address.get("in_reply_to", ""),
        "references": address.get("references", ""),
        "root16": address["root16"],
    }
    if words.has("html"):
        params["html"] = _html(words, reply.choices)
    return (ApiCall(method=METHOD, params={**params}, bucket=address["to"].lower(), kind=reply.kind),)


def _subject(words: Words, address: Address) -> str:
    if words.has("subject"):
        return clean_line(words.block("subject"))[:MAX_SUBJECT_CHARS]
    subject = clean_line(address.get("subject", ""))
    if not subject.lower().startswith(REPLY_PREFIX.strip().lower()):
        subject = REPLY_PREFIX + subject
    return subject[:MAX_SUBJECT_CHARS].strip()


def _text(words: Words, choices: tuple[Choice, ...]) -> str:
    numbered = "\n".join(f"{number}. {clean_line(choice.label)}" for number, choice in enumerate(choices, start=1))
    return "\n\n".join(part for part in (clean_block(words.block("text")).strip("\n"), numbered) if part)


def _html(words: Words, choices: tuple[Choice, ...]) -> str:
    items = "".join(f"<li>{escape_html(clean_line(choice.label))}</li>" for choice in choices)
    return clean_block(words.block("html")) + (f"<ol>{items}</ol>" if items else "")
