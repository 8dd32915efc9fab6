"""Finding order numbers, mail addresses and other data of a known form in a text."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator

from core.model import Model
from core.understanding import Entity


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


class EntityPattern(Model):
    """One kind of data, by its form."""

    name: str
    pattern: Annotated[str, AfterValidator(_compiles)]
    """Python regular expression; the whole match is the value."""
    case: Literal["keep", "upper", "lower"] = "keep"
    """How systems expect the value."""


class EntityFinder:
    """Finds entities by their patterns; where two overlap, the pattern that is listed first wins."""

    def __init__(self, patterns: Sequence[EntityPattern]) -> None:
        self._patterns = [(kind, re.compile(kind.pattern)) for kind in patterns]

    def find(self, text: str) -> tuple[Entity, ...]:
        """Return what is found, in order of appearance; spans are code points of the raw text."""
        found: list[Entity] = []
        for kind, pattern in self._patterns:
            for match in pattern.finditer(text):
                if match.group() and not any(_overlap(match.span(), (other.start, other.end)) for other in found):
                    found.append(_entity(kind, match))
        return tuple(sorted(found, key=lambda entity: entity.start))


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _entity(kind: EntityPattern, match: re.Match[str]) -> Entity:
    value = match.group()
    cased = {"keep": value, "upper": value.upper(), "lower": value.lower()}[kind.case]
    return Entity(name=kind.name, value=cased, start=match.start(), end=match.end())


def masked(text: str, entities: Sequence[Entity]) -> str:
    """Put each entity's name in its place, so that every order number looks alike to the intent model.

    >>> masked("where is A-1", [Entity(name="order_number", value="A-1", start=9, end=12)])
    'where is order_number'
    """
    parts, last = [], 0
    for entity in entities:
        parts += [text[last : entity.start], entity.name]
        last = entity.end
    return "".join([*parts, text[last:]])
