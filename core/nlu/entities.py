"""Finding data of a known form in a text: identifiers, addresses, amounts, dates, names out of a list.

Which kinds a content has, and under which names, stands in `config/content/entities.yaml`; where two overlap, the one
listed first wins. Spans are code points of the raw text, and the text of an identifier keeps its case unless the kind
says otherwise.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Discriminator, Field, Tag

from core.model import Model
from core.nlu.catalogue import Catalogue
from core.nlu.dates import find_dates
from core.nlu.money import find_money
from core.nlu.numbers import find_cards, find_phones
from core.nlu.slots import values
from core.understanding import Entity, Moment

Found = tuple[int, int, str]
"""Start, end, value."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


class Kind(Model):
    """One kind of data."""

    name: str
    desks: tuple[str, ...] = ()
    """Where it is looked for: account identifiers have a form of their own at each desk. Empty: everywhere."""
    masked: bool = True
    """Whether the intent model sees the kind's name in place of the value: one order number is like another."""


class EntityPattern(Kind):
    """Data told by its form: order numbers, ticket ids, account identifiers."""

    kind: Literal["pattern"] = "pattern"
    pattern: Annotated[str, AfterValidator(_compiles)]
    """Python regular expression; the whole match is the value."""
    case: Literal["keep", "upper", "lower"] = "keep"
    """How systems expect the value."""


class CardNumber(Kind):
    """Payment cards; the value is the last four digits, the rest is nobody's business."""

    kind: Literal["card"]


class PhoneNumber(Kind):
    """Phone numbers; the value is E.164."""

    kind: Literal["phone"]
    country: Annotated[str, AfterValidator(str.upper)]
    """ISO code of where a number without a country prefix rings."""


class Money(Kind):
    """Amounts with a currency; the value is `EUR 12.50`."""

    kind: Literal["money"]
    masked: bool = False


class Date(Kind):
    """Dates, also relative ones; the value is ISO 8601, an interval for more than a day."""

    kind: Literal["date"]
    masked: bool = False


class Names(Kind):
    """Names out of a list, such as products; typing errors are forgiven."""

    kind: Literal["names"]
    masked: bool = False
    entries: dict[str, tuple[str, ...]]
    """Value -> other ways of writing it."""


class Learned(Kind):
    """Data that only its surroundings tell, such as a person's name; learned from examples."""

    kind: Literal["learned"]
    masked: bool = False
    examples: Annotated[tuple[str, ...], Field(min_length=5)]
    """Sentences with the value in brackets, `my name is [Ann Lee]`, and some without one."""


def _kind_of(value: Any) -> str:
    kind = value.get("kind", "pattern") if isinstance(value, dict) else value.kind
    return str(kind)


EntityKind = Annotated[
    Annotated[EntityPattern, Tag("pattern")]
    | Annotated[CardNumber, Tag("card")]
    | Annotated[PhoneNumber, Tag("phone")]
    | Annotated[Money, Tag("money")]
    | Annotated[Date, Tag("date")]
    | Annotated[Names, Tag("names")]
    | Annotated[Learned, Tag("learned")],
    Discriminator(_kind_of),
]
CASES: dict[str, Callable[[str], str]] = {"keep": str, "upper": str.upper, "lower": str.lower}
Finder = Callable[[str, Moment | None], Sequence[Found]]
Tagger = Callable[[list[list[str]]], Sequence[str]]
"""Tags the parts of a text by what is seen of them (`core/nlu/slots.py`)."""


NO_TAGGERS: Mapping[str, Tagger] = MappingProxyType({})


class EntityFinder:
    """Finds entities of several kinds."""

    def __init__(self, kinds: Sequence[EntityKind], taggers: Mapping[str, Tagger] = NO_TAGGERS) -> None:
        """Take the kinds; where two find the same words, the one that comes first has them.

        `taggers` belong to the kinds that are learned, by their names.
        """
        self._kinds = tuple(kinds)
        self._taggers = taggers
        self._finders = [(kind, _finder(kind, taggers)) for kind in kinds]
        self._masked = frozenset(kind.name for kind in kinds if kind.masked)

    def at(self, desk: str) -> "EntityFinder":
        """Return what finds the kinds that are looked for at a desk."""
        return EntityFinder([kind for kind in self._kinds if not kind.desks or desk in kind.desks], self._taggers)

    def find(self, text: str, moment: Moment | None = None) -> tuple[Entity, ...]:
        """Return what is found, in order of appearance. Without a moment no dates are looked for."""
        found: list[Entity] = []
        for kind, find in self._finders:
            for start, end, value in find(text, moment):
                if start < end and all(end <= other.start or other.end <= start for other in found):
                    found.append(Entity(name=kind.name, value=value, start=start, end=end))
        return tuple(sorted(found, key=lambda entity: entity.start)) if len(found) > 1 else tuple(found)

    def masked(self, text: str, entities: Sequence[Entity]) -> str:
        """Put names in the place of values, for the kinds that want it."""
        return masked(text, [entity for entity in entities if entity.name in self._masked])


def _finder(kind: EntityKind, taggers: Mapping[str, Tagger]) -> Finder:
    match kind:
        case EntityPattern():
            return _pattern_finder(kind)
        case CardNumber():
            return lambda text, _moment: find_cards(text)
        case PhoneNumber(country=country):
            return lambda text, _moment: find_phones(text, country)
        case Money():
            return lambda text, _moment: find_money(text)
        case Date():
            return _find_dates
        case Names(entries=entries):
            catalogue = Catalogue(entries)
            return lambda text, _moment: catalogue.find(text)
        case Learned():
            tag = taggers[kind.name]
            return lambda text, _moment: values(text, tag)


def _pattern_finder(kind: EntityPattern) -> Finder:
    pattern, case = re.compile(kind.pattern), CASES[kind.case]
    return lambda text, _moment: [(match.start(), match.end(), case(match.group())) for match in pattern.finditer(text)]


def _find_dates(text: str, moment: Moment | None) -> Sequence[Found]:
    if moment is None:
        return ()
    today = moment.now.astimezone(ZoneInfo(moment.time_zone)).date()
    return [(found.start, found.end, found.value) for found in find_dates(text, today)]


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
