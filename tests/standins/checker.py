"""Compares what was asked with what the platforms took. Pure: a test of a test can hand it any ledger.

The promises are those of SEMANTICS section 2: an answer arrives exactly once; at most once and every missing one is
shown to a person (Telegram); at least once, where every copy has the same Message-ID (email).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Literal

Promise = Literal["exactly_once", "at_most_once", "at_least_once"]

PROMISES: Mapping[str, Promise] = {
    "slack": "exactly_once",
    "whatsapp": "exactly_once",
    "web": "exactly_once",
    "telegram": "at_most_once",
    "email": "at_least_once",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One message that somebody tried to send."""

    id: str
    channel: str
    place: str
    seq: int
    """Rises inside a place in the order in which the platform accepted the messages."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One send that a platform took."""

    channel: str
    place: str
    asked: str | None
    """The message that it answers; None where nothing tells."""
    key: str
    """What makes two copies one for the receiver: a Message-ID."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, by message id; all empty is right."""

    lost: tuple[str, ...] = ()
    """Accepted, and neither answered nor, where that is the promise, held for a person."""
    doubled: tuple[str, ...] = ()
    reordered: tuple[str, ...] = ()
    """Answered after a later message of the same place."""
    unexpected: tuple[str, ...] = ()
    """Sends that answer nothing that was asked there."""
    wrongly_held: tuple[str, ...] = ()
    """Held although the platform can be asked, or the copy would do no harm."""

    @property
    def is_right(self) -> bool:
        """Tell whether every promise was kept."""
        return not any(getattr(self, part.name) for part in fields(self))


def check(
    attempted: Collection[Asked],
    accepted: Collection[str],
    sent: Sequence[Answered],
    held: Collection[str],
    promises: Mapping[str, Promise] = PROMISES,
) -> Verdict:
    """Judge one run.

    Args:
        attempted: every message that was tried.
        accepted: ids for which the hub gave the platform its success signal.
        sent: what the platforms took, in that order.
        held: ids whose reply waits for a person.
        promises: by channel.
    """
    asked = {message.id: message for message in attempted}
    answers: dict[str, list[Answered]] = defaultdict(list)
    unexpected = []
    for line in sent:
        message = asked.get(line.asked or "")
        if message is None or (message.channel, message.place) != (line.channel, line.place):
            unexpected.append(f"{line.channel} {line.place} {line.asked}")
        else:
            answers[message.id].append(line)
    may_hold = {id for id in held if id in asked and promises[asked[id].channel] == "at_most_once"}
    return Verdict(
        lost=tuple(sorted(id for id in accepted if not answers[id] and id not in may_hold)),
        doubled=tuple(sorted(id for id in answers if _is_doubled(answers[id], promises[asked[id].channel]))),
        reordered=_reordered(asked, answers, sent),
        unexpected=tuple(unexpected),
        wrongly_held=tuple(sorted(set(held) - may_hold)),
    )


def _is_doubled(lines: Sequence[Answered], promise: Promise) -> bool:
    copies = {line.key for line in lines} if promise == "at_least_once" else lines
    return len(copies) > 1


def _reordered(
    asked: Mapping[str, Asked], answers: Mapping[str, Sequence[Answered]], sent: Sequence[Answered]
) -> tuple[str, ...]:
    """Look at the first copy of each answer; a later copy of an earlier one is a double, not a disorder."""
    places: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for line in sent:
        if line.asked is not None and line in answers.get(line.asked, ()):
            places[line.channel, line.place].setdefault(line.asked, asked[line.asked].seq)
    late = [
        second
        for order in places.values()
        for (_, before), (second, after) in pairwise(order.items())
        if after < before
    ]
    return tuple(sorted(late))
