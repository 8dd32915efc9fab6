"""Choices: offered with short tokens, read back from a button, a number, an ordinal or the label.

Every choice stands for an intent. A token holds nothing and cannot be guessed: what it means is looked up in the
conversation, so it works after a restart, ends with its use or its expiry, and is no use to anybody else. One that has
ended is remembered for a while, so that whoever comes late is told so.
"""

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pydantic import Field
from rapidfuzz import fuzz

from core.conversation import OfferedChoice
from core.ids import EventId
from core.model import Model
from core.replies import Choice

TTL = timedelta(hours=24)
OFFER_CHARS = 13  # 65 bits of an HMAC name the offer of a turn; then one character for the list, two for the place
MAX_KEPT = 32
"""Choices a session keeps, open and ended; the oldest go first, but never one of the last turn."""
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
LABEL_LIKENESS = 85.0
"""Percent (rapidfuzz `ratio`) from which a text is a misspelt label: two slips in twelve letters pass."""
CLEAR_LEAD = 5.0
"""Percent by which the nearest label must lead the next one; closer than that is not told apart."""
MAX_TYPED = 80
"""Characters of an answer to a list, unless a label is longer; more than that is a story of its own."""
MAX_CLOSING = 80
"""Characters after the first paragraph of a mail that may be a greeting and a name."""

PUNCTUATION = str.maketrans(dict.fromkeys("#().,:;!'\"\u20e3\ufe0f", " "))
"""What may stand around a number that picks (`2.`, `#2`, the key cap 2). `2%`, `2?` and `-2` do not pick."""
PARAGRAPH = re.compile(r"\n[ \t]*\n")


class ChoiceWords(Model):
    """How people of one language write which entry of a list they mean."""

    around: tuple[str, ...] = ()
    """May stand beside anything: "the", "please"."""
    before: tuple[str, ...] = ()
    """May stand beside a number: "option"."""
    places: tuple[tuple[str, ...], ...] = Field(default=(), max_length=32)
    """Words for the first, the second, and so on."""
    last: tuple[str, ...] = ()


def joined(words: Iterable[ChoiceWords]) -> ChoiceWords:
    """Read several languages at once; where a word means two places, the earlier language counts."""
    several = tuple(words)
    most = max((len(one.places) for one in several), default=0)
    return ChoiceWords(
        around=tuple(word for one in several for word in one.around),
        before=tuple(word for one in several for word in one.before),
        places=tuple(
            tuple(word for one in several if place < len(one.places) for word in one.places[place])
            for place in range(most)
        ),
        last=tuple(word for one in several for word in one.last),
    )


def token(key: bytes, event: EventId, number: int, place: int) -> str:
    """Name one choice of the turn of an event: 16 characters that nobody without the key can guess.

    Args:
        key: secret of the process that offers; whoever reads the token looks it up, and needs no key.
        event: the event that is answered.
        number: which list of the turn, from 0.
        place: which entry of the list, from 0.

    >>> token(b"key", EventId("telegram:support:1"), 0, 1)[-3:]
    'aab'
    """
    digest = base64.b32encode(hmac.digest(key, event.encode(), hashlib.sha256)).decode().lower()
    return digest[:OFFER_CHARS] + BASE32[number % 32] + BASE32[place // 32 % 32] + BASE32[place % 32]


def offered(before: Sequence[OfferedChoice], choices: Sequence[Choice], now: datetime) -> tuple[OfferedChoice, ...]:
    """Return what is remembered after a turn: what was offered before and the new ones, newest last."""
    new = [OfferedChoice(choice=choice, expires_at=now + TTL) for choice in choices]
    return tuple([*before, *new][-max(MAX_KEPT, len(new)) :])


def used(offers: Sequence[OfferedChoice], now: datetime) -> tuple[OfferedChoice, ...]:
    """End all that was offered: a choice was made, and each can be made once."""
    return tuple(offer.model_copy(update={"expires_at": min(offer.expires_at, now)}) for offer in offers)


def picked_by_token(offers: Sequence[OfferedChoice], pressed: str, now: datetime) -> Choice | None:
    """Return the choice behind a button; None when it expired, was used, or was never offered here."""
    return next((offer.choice for offer in offers if offer.choice.token == pressed and offer.expires_at > now), None)


def picked_by_text(offers: Sequence[OfferedChoice], text: str, now: datetime, words: ChoiceWords) -> Choice | None:
    """Read a typed answer to the latest offer: its number, its ordinal, or its (misspelt) label; None when unclear."""
    latest = [offer.choice for offer in _latest(offers) if offer.expires_at > now]
    if not latest or _is_long(text, latest):
        return None
    if (found := _named(latest, text, words)) or _place(text, words) is not None:
        return _only(found)
    return _likeliest(latest, text, words) or _only(_named(latest, _opening(text), words))


def is_label(offers: Sequence[OfferedChoice], text: str, now: datetime) -> bool:
    """Tell whether a text is a label of the latest offer, letter for letter: then it is nothing else."""
    latest = [offer.choice for offer in _latest(offers) if offer.expires_at > now]
    return not _is_long(text, latest) and any(_folded(choice.label) == _folded(text) for choice in latest)


def came_late(offers: Sequence[OfferedChoice], text: str, now: datetime, words: ChoiceWords) -> bool:
    """Tell whether a typed number or ordinal means a list that expired or was used."""
    latest = _latest(offers)
    choices = [offer.choice for offer in latest]
    if any(offer.expires_at > now for offer in latest) or _is_long(text, choices):
        return False
    return bool(_at_place(choices, _place(_opening(text), words)))


def _latest(offers: Sequence[OfferedChoice]) -> list[OfferedChoice]:
    """Return the choices of the last turn that offered any; it may have shown more than one list."""
    offer = offers[-1].choice.token[:OFFER_CHARS] if offers else ""
    return [o for o in offers if o.choice.token[:OFFER_CHARS] == offer]


def _is_long(text: str, choices: Sequence[Choice]) -> bool:
    return len(text) > max([MAX_TYPED + MAX_CLOSING, *(2 * len(choice.label) for choice in choices)])


def _named(choices: Sequence[Choice], text: str, words: ChoiceWords) -> list[Choice]:
    """Return the choices that a text names exactly, by label or by place."""
    labels = [choice for choice in choices if _folded(choice.label) == _folded(text)]
    return labels + _at_place(choices, _place(text, words))


def _only(found: Sequence[Choice]) -> Choice | None:
    """Return what all found choices come to; None when they differ: what is unclear is not guessed."""
    return found[0] if len({choice.value for choice in found}) == 1 else None


def _at_place(choices: Sequence[Choice], place: int | None) -> list[Choice]:
    """Return the entry at a place (from 0, or -1 for the last) of each list that has one."""
    if place is None:
        return []
    if place >= 0:
        return [choice for choice in choices if _place_in(choice.token) == place]
    ends = {choice.token[OFFER_CHARS]: choice for choice in choices}
    return list(ends.values())


def _place_in(name: str) -> int:
    return BASE32.index(name[-2]) * 32 + BASE32.index(name[-1])


def _place(text: str, words: ChoiceWords) -> int | None:
    """Read a number, an ordinal or "the last" out of a text that holds nothing else; from 0, the last is -1."""
    said = _folded(text.translate(PUNCTUATION)).split()
    beside = {*words.around, *words.before}
    rest = [word for word in said if word not in beside] or [word for word in said if _ordinal(word, words) is not None]
    if len(rest) != 1:
        return None
    if rest[0].isdecimal() and len(rest[0]) <= MAX_DIGITS:
        return int(rest[0]) - 1 if int(rest[0]) > 0 else MISSED
    return _ordinal(rest[0], words)


MAX_DIGITS = 3
"""No list is longer."""
MISSED = 10_000
"""A place that no list has: "0" is a number, and picks nothing."""


def _ordinal(word: str, words: ChoiceWords) -> int | None:
    if word in words.last:
        return -1
    return next((place for place, names in enumerate(words.places) if word in names), None)


def _opening(text: str) -> str:
    """Return the first paragraph of a short text that only takes its leave after it, as mails do."""
    first, *rest = PARAGRAPH.split(text.strip(), maxsplit=1)
    closing = rest[0] if rest else ""
    is_leave = len(closing) <= MAX_CLOSING and not any(char.isdecimal() or char == "?" for char in closing)
    return first if is_leave else text


def _likeliest(choices: Sequence[Choice], text: str, words: ChoiceWords) -> Choice | None:
    """Return the choice whose label is like the text, when no other is nearly as like."""
    said = _plain(text, words)
    likeness = [(fuzz.ratio(_plain(choice.label, words), said), choice) for choice in choices]
    best = max(score for score, _ in likeness)
    if not said or best < LABEL_LIKENESS:
        return None
    return _only([choice for score, choice in likeness if score > best - CLEAR_LEAD])


def _plain(text: str, words: ChoiceWords) -> str:
    """Leave letters and digits, without the words that say nothing; all of them where nothing else is there."""
    said = "".join(char if _is_spoken(char) else " " for char in _folded(text)).split()
    return " ".join([word for word in said if word not in words.around] or said)


def _is_spoken(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char).startswith("M")


def _folded(text: str) -> str:
    """Make texts equal that a reader takes for the same: case, width, composition and white space."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())
