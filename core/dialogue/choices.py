"""Choices: offered with short tokens, read back from a button, a number, an ordinal or the label.

Every choice stands for an intent. A token holds nothing: what it means is looked up in the session, so it works after
a restart, ends with its expiry, and is no use to anybody else.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from rapidfuzz import fuzz

from core.conversation import OfferedChoice
from core.ids import EventId
from core.replies import Choice

TTL = timedelta(hours=24)
OFFER_CHARS = 14  # 70 bits of a SHA-256 name the offer
MAX_KEPT = 32
"""Offered choices a session keeps; the oldest go first."""
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
LABEL_LIKENESS = 85.0
"""Percent (rapidfuzz `ratio`) from which a text is a misspelt label: two slips in twelve letters pass."""

NUMBER = re.compile(r"(?:(?:option|number|no\.?|nr\.?|#)\s*+)?(\d{1,2})(?:\s*+[.)!])?", re.IGNORECASE)
FILLER = re.compile(r"\b(?:the|one|option|please|der|die|das|bitte)\b|[^\w\s]", re.IGNORECASE)
ORDINALS = {
    word: place
    for place, words in enumerate(
        (
            ("first", "1st", "erste", "ersten"),
            ("second", "2nd", "zweite", "zweiten"),
            ("third", "3rd", "dritte", "dritten"),
            ("fourth", "4th", "vierte", "vierten"),
            ("fifth", "5th", "fünfte", "fünften"),
            ("sixth", "6th", "sechste", "sechsten"),
        )
    )
    for word in words
}


def token(event: EventId, index: int) -> str:
    """Name one choice of the turn of an event: 16 characters, the same whenever the turn is taken again.

    >>> token(EventId("telegram:support:1"), 0), token(EventId("telegram:support:1"), 1)
    ('sppyyomi5ijeoiaa', 'sppyyomi5ijeoiab')
    """
    digest = base64.b32encode(hashlib.sha256(event.encode()).digest()).decode().lower()
    return digest[:OFFER_CHARS] + BASE32[index // 32 % 32] + BASE32[index % 32]


def offered(before: Sequence[OfferedChoice], choices: Sequence[Choice], now: datetime) -> tuple[OfferedChoice, ...]:
    """Return what is open after a turn: the unexpired rest and the new ones, newest last."""
    kept = [choice for choice in before if choice.expires_at > now]
    new = [OfferedChoice(choice=choice, expires_at=now + TTL) for choice in choices]
    return tuple([*kept, *new][-MAX_KEPT:])


def picked_by_token(offers: Sequence[OfferedChoice], pressed: str, now: datetime) -> Choice | None:
    """Return the choice behind a button; None when it expired, was used, or was never offered here."""
    return next((offer.choice for offer in offers if offer.choice.token == pressed and offer.expires_at > now), None)


def picked_by_text(offers: Sequence[OfferedChoice], text: str, now: datetime) -> Choice | None:
    """Read a typed answer to the latest offer: its number, its ordinal, or its (misspelt) label."""
    latest = _latest(offers, now)
    if not latest or len(text) > 80:
        return None
    place = _place(text)
    if place is not None:
        return latest[place] if 0 <= place < len(latest) else None
    likeness = [(fuzz.ratio(_plain(choice.label), _plain(text)), choice) for choice in latest]
    best, choice = max(likeness, key=lambda pair: pair[0])
    return choice if best >= LABEL_LIKENESS else None


def _latest(offers: Sequence[OfferedChoice], now: datetime) -> list[Choice]:
    if not offers:
        return []
    offer = offers[-1].choice.token[:OFFER_CHARS]
    return [o.choice for o in offers if o.choice.token[:OFFER_CHARS] == offer and o.expires_at > now]


def _place(text: str) -> int | None:
    if number := NUMBER.fullmatch(text.strip()):
        return int(number[1]) - 1
    return ORDINALS.get(" ".join(FILLER.sub(" ", text).lower().split()))


def _plain(text: str) -> str:
    return " ".join(FILLER.sub(" ", text).lower().split())
