"""Reply -> calls of Parrot's API. Pure. Limits: name the page of the platform's documentation."""

import unicodedata
from collections.abc import Mapping

from channels.inbound import Pace
from channels.menus import fits, is_blank, numbered, one_line, short_labels
from channels.payload import clean_text
from core.events import Address
from core.model import Json
from core.ports import Escape, Words
from core.replies import ApiCall, Reply

METHOD = "messages"
MAX_TEXT = 4000
"""Code points of one message."""
MAX_BUTTONS = 10
MAX_LABEL = 20
"""Code points of a button's label."""
ACCOUNT_PACE = Pace(per_s=10.0, burst=10)
"""How fast Parrot takes messages of one account; what is more waits in the hub."""
SEAMS = ("\n\n", "\n", " ")
"""Where a long text is cut, best place first: between paragraphs, lines, words."""
JOINER = "\u200d"
SKIN_TONES = range(0x1F3FB, 0x1F400)


def plain(text: str) -> str:
    """Return a text as it is: Parrot reads no markup. Where a platform does, its syntax is taken out of words here."""
    return clean_text(text)


ESCAPES: Mapping[str, Escape] = {"text": plain}


def render(reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
    """Give a reply its shape: the words in as many messages as they need, buttons under the last.

    Choices that do not fit buttons stand in the text as well, numbered, so that each can be read and made. This
    platform sends no files.
    """
    text, choices = clean_text(words.block("text")).strip(), reply.choices
    has_buttons = 0 < len(choices) <= MAX_BUTTONS
    is_listed = bool(choices) and (not has_buttons or is_blank(text) or not fits(choices, MAX_LABEL))
    if is_listed:
        text = f"{text}\n\n{numbered(choices, plain)}".strip()
    labels = short_labels(choices, MAX_LABEL) if is_listed else [one_line(choice.label) for choice in choices]
    buttons: list[Json] = [
        {"label": label, "token": choice.token} for choice, label in zip(choices, labels, strict=True)
    ]
    *before, last = split_text(text) or ("",)
    messages: list[dict[str, Json]] = [{"text": part} for part in before]
    messages.append({"text": last, "buttons": buttons} if has_buttons else {"text": last})
    chat = address["chat"]
    return tuple(
        ApiCall(method=METHOD, params={"chat": chat, **message}, bucket=chat, kind=reply.kind) for message in messages
    )


def split_text(text: str, limit: int = MAX_TEXT) -> tuple[str, ...]:
    r"""Cut a text into parts of at most `limit` code points; only white space at the cuts is dropped.

    >>> split_text("One two. Three four.", 12)
    ('One two.', 'Three four.')
    >>> split_text("e\u0301" * 3, 5) == ("e\u0301e\u0301", "e\u0301")
    True
    """
    parts: list[str] = []
    rest = text.strip()
    while len(rest) > limit:
        places = (rest.rfind(seam, limit // 2, limit + len(seam)) for seam in SEAMS)
        end = next((place for place in places if place > 0), 0) or _whole_characters(rest, limit)
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return (*parts, rest) if rest else tuple(parts)


def _whole_characters(text: str, end: int) -> int:
    """Step back until no visible character is cut; one that is longer than a message is cut all the same."""
    at = end
    while at > 0 and (text[at - 1] == JOINER or _is_tied(text[at])):
        at -= 1
    return at or end


def _is_tied(char: str) -> bool:
    """Tell whether something belongs to the character before it."""
    return char == JOINER or unicodedata.category(char).startswith("M") or ord(char) in SKIN_TONES
