"""What people think of an answer, as far as a reaction says it. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from core.events import ReactionChanged
from core.model import AwareDatetime, Model

Opinion = Literal["up", "down"]

THUMBS: dict[str, Opinion] = {
    "+1": "up",
    "thumbsup": "up",
    "👍": "up",
    "-1": "down",
    "thumbsdown": "down",
    "👎": "down",
}
"""Slack's names (a skin tone follows two colons) and the emoji of Telegram and WhatsApp."""
SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
VARIATION_SELECTOR = "\ufe0f"


class Reaction(Model):
    """What somebody put under a message, or took away again."""

    by: str
    name: str
    at: AwareDatetime
    is_there: bool = True


def opinion(name: str) -> Opinion | None:
    """Return what a reaction says of an answer.

    >>> [opinion(name) for name in ("+1::skin-tone-3", "👎🏽", "heart")]
    ['up', 'down', None]
    """
    plain = "".join(char for char in name.partition("::")[0] if char not in SKIN_TONES and char != VARIATION_SELECTOR)
    return THUMBS.get(plain)


def opinions(reactions: Iterable[Reaction]) -> Counter[Opinion]:
    """Count the thumbs under an answer.

    >>> from datetime import UTC, datetime
    >>> opinions([Reaction(by="u1", name="+1", at=datetime(2026, 11, 22, tzinfo=UTC))])
    Counter({'up': 1})
    """
    found = (opinion(reaction.name) for reaction in reactions if reaction.is_there)
    return Counter(one for one in found if one is not None)


def reacted(reactions: tuple[Reaction, ...], event: ReactionChanged) -> tuple[Reaction, ...]:
    """Return the reactions of a message after a change; one that comes after a later change of the same is too late."""
    by, at = event.sender.id, event.sent_at
    removed = set(event.removed)
    if event.is_whole:
        removed |= {known.name for known in reactions if known.by == by} - set(event.added)
    changed = {name: Reaction(by=by, name=name, at=at) for name in event.added}
    changed |= {name: Reaction(by=by, name=name, at=at, is_there=False) for name in removed}
    for known in reactions:
        if known.by == by and known.name in changed and known.at > at:
            changed[known.name] = known
    return (*(known for known in reactions if known.by != by or known.name not in changed), *changed.values())
