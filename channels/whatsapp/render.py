"""Reply -> `Messages.create` calls. Pure.

Text is split at paragraphs, else lines, sentences, words; choices become a numbered list under the last part, for
`Messages.create` has no buttons (W22: they need the Content API).
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, takewhile

from channels.inbound import Pace
from channels.payload import clean_text
from core.events import Address
from core.model import Json
from core.ports import Escape, Words
from core.replies import ApiCall, Choice, Reply

MAX_TEXT = 1600
"""Characters of one Body (W21, error 21617). Twilio does not say how it counts an emoji; we count UTF-16 units, the
larger of the two ways."""
METHOD = "Messages.create"
SENDER_PACE = Pace(per_s=40.0, burst=40)
"""Never more than 80 messages in a second, a new WhatsApp sender's share (W24); of SMS Twilio queues the rest."""
PAIR_PACE = Pace(per_s=1 / 6, burst=6)
"""To one person on WhatsApp: one in six seconds, with bursts that borrow from what follows (Meta's error 131056, W24).
Meta lets up to 45 borrow; 6 is our choice: two answers of three parts."""

LOOK_ALIKES = {"*": "\u2217", "_": "\u02cd", "~": "\u223c", "`": "\u02cb"}
"""Asterisk operator, low macron, tilde operator, grave accent: the same to the eye, nothing to WhatsApp (W23)."""
DELIMITER = re.compile(r"(?<![^\W_])[*_~`]|[*_~`](?![^\W_])")
"""A delimiter with anything but a letter or digit on one side. Between two of them WhatsApp shows it as it is, so that
`order_id`, mail addresses and links stay exact."""

SEPARATORS = (
    re.compile(r"\n[ \t]*\n\s*"),
    re.compile(r"\n\s*"),
    re.compile(r"(?<=[.!?\u2026\u3002\uff01\uff1f])\s+"),
    re.compile(r"\s+"),
)
"""Where a text may be cut, best place first."""
MIN_FILL = 0.5
"""A part is at least so full, unless only a word's end is found: a better place is not worth many more messages."""
MAX_STEP_BACK = 32
"""Characters given up so as not to cut a letter from its accent or an emoji from its parts."""


def escape_text(text: str) -> str:
    """Make a variable unable to format: it can neither open nor close bold, italic, strike or code.

    WhatsApp knows no escape character, and whether a zero-width character stops its parser is not documented; another
    code point of the same look does for certain.

    >>> escape_text("*Ann* ordered order_id_7") == "\u2217Ann\u2217 ordered order_id_7"
    True
    """
    return DELIMITER.sub(lambda found: LOOK_ALIKES[found[0]], text)


ESCAPES: Mapping[str, Escape] = {"text": escape_text}


def utf16_units(text: str) -> int:
    r"""Return the length in UTF-16 units.

    >>> utf16_units("a\U0001f44d")
    3
    """
    return len(text) + sum(char > "\uffff" for char in text)


def split_text(text: str, limit: int = MAX_TEXT) -> tuple[str, ...]:
    """Cut a text into parts of at most `limit` UTF-16 units; only white space at the cuts is dropped.

    >>> split_text("One two. Three four.", 12)
    ('One two.', 'Three four.')
    """
    parts = []
    rest = text.strip()
    while len(rest) > limit or utf16_units(rest) > limit:
        end = _cut(rest, limit)
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return (*parts, rest) if rest else tuple(parts)


def _cut(text: str, limit: int) -> int:
    """Return where the first part of a too long text ends: an index between 1 and what fits."""
    end = _fitting(text, limit)
    least = int(end * MIN_FILL)
    last = 0
    for separator in SEPARATORS:
        last = _last_match(separator, text, end)
        if last > least:
            return last
    return last or _whole_character(text, end)


def _fitting(text: str, limit: int) -> int:
    """Return how many characters of the text fill `limit` units."""
    ends = accumulate(2 if char > "\uffff" else 1 for char in text)
    return max(sum(1 for _ in takewhile(limit.__ge__, ends)), 1)


def _last_match(separator: re.Pattern[str], text: str, end: int) -> int:
    """Return where the last separator that begins at or before `end` begins, or 0."""
    return max((found.start() for found in _matches(separator, text, end)), default=0)


def _matches(separator: re.Pattern[str], text: str, end: int) -> Iterator[re.Match[str]]:
    return (found for found in separator.finditer(text, 0, end + 1) if found.start() <= end)


def _whole_character(text: str, end: int) -> int:
    """Step back from the middle of what a reader sees as one character."""
    for index in range(end, max(end - MAX_STEP_BACK, 0), -1):
        if not (_continues(text[index]) or text[index - 1] == "\u200d"):
            return index
    return end


def _continues(char: str) -> bool:
    return char == "\u200d" or "\U0001f3fb" <= char <= "\U0001f3ff" or unicodedata.category(char) in ("Mn", "Mc", "Me")


def numbered(choices: Sequence[Choice]) -> str:
    r"""Write choices as a list that can be answered by number.

    >>> numbered((Choice(token="t1", label="Yes", value="yes"), Choice(token="t2", label="No", value="no")))
    '1. Yes\n2. No'
    """
    labels = (escape_text(" ".join(choice.label.split())) for choice in choices)
    return "\n".join(f"{number}. {label}" for number, label in enumerate(labels, 1))


def bodies(text: str, choices: Sequence[Choice]) -> tuple[str, ...]:
    """Return the text of each message, in order; the list stays in one piece where it can."""
    parts = split_text(clean_text(text))
    menu = clean_text(numbered(choices))
    if not menu:
        return parts
    if parts and utf16_units(parts[-1]) + 2 + utf16_units(menu) <= MAX_TEXT:
        return (*parts[:-1], f"{parts[-1]}\n\n{menu}")
    return (*parts, *split_text(menu))


def render(
    reply: Reply, words: Words, address: Address, *, number: str, messaging_service_sid: str | None
) -> tuple[ApiCall, ...]:
    """Give a reply its shape.

    Args:
        reply: what to say.
        words: its words; the block `text` is used.
        address: `to`: the person, verbatim; `from`: the number they wrote to.
        number: our sender where the address names none.
        messaging_service_sid: picks the sender when set.
    """
    sender: dict[str, Json] = {"from_": address.get("from") or number}
    if messaging_service_sid:
        sender = {"messaging_service_sid": messaging_service_sid}
    return tuple(
        ApiCall(
            method=METHOD, params={"to": address["to"], **sender, "body": body}, bucket=address["to"], kind=reply.kind
        )
        for body in bodies(words.block("text"), reply.choices)
    )
