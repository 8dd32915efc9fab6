"""Slots that are learned from marked examples."""

import importlib.util

import pytest

import hub.slots
from core.errors import ConfigError
from core.nlu.entities import EntityFinder, Learned
from core.nlu.slots import unmarked
from hub.models import finder_of

EXAMPLES = (
    *("my name is [Ann Lee]", "hello, my name is [Bob Stone].", "my name is [Carla]", "this is [Dan Brook] speaking"),
    *("this is [Eve] from Berlin", "I am called [Finn O Hara]", "where is my order", "my order is late", "name it"),
    *("this is late", "is my parcel there", "hello, it is me", "my name is not on the list", "I am in Paris"),
)
PERSON = Learned(name="person", kind="learned", examples=EXAMPLES)
needs_the_extra = pytest.mark.skipif(importlib.util.find_spec("pycrfsuite") is None, reason="needs the extra `slots`")


def found(finder: EntityFinder, text: str) -> list[tuple[str, str]]:
    entities = finder.find(text)
    assert all(text[entity.start : entity.end] == entity.value for entity in entities)
    return [(entity.name, entity.value) for entity in entities]


@needs_the_extra
def test_a_value_is_found_by_its_surroundings_and_keeps_its_case() -> None:
    finder = finder_of([PERSON])
    assert found(finder, "hello, my name is Zoe Quist.") == [("person", "Zoe Quist")]
    assert found(finder, "this is Max speaking") == [("person", "Max")]
    assert found(finder, "where is my parcel") == []
    assert found(finder, "") == []


@needs_the_extra
def test_the_same_examples_find_the_same() -> None:
    texts = ["my name is Zoe Quist", "this is Ann", "I am called Bo"]
    assert [found(finder_of([PERSON]), text) for text in texts] == [found(finder_of([PERSON]), text) for text in texts]


@needs_the_extra
def test_a_desk_keeps_what_was_learned() -> None:
    finder = finder_of([PERSON.model_copy(update={"desks": ("it",)})])
    assert found(finder.at("it"), "my name is Zoe Quist") == [("person", "Zoe Quist")]
    assert found(finder.at("support"), "my name is Zoe Quist") == []


@needs_the_extra
def test_examples_that_mark_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="person: no example marks"):
        finder_of([PERSON.model_copy(update={"examples": ("a b", "c d")})])


def test_without_the_extra_a_learned_kind_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.slots, "PACKAGE", "no_such_package")
    with pytest.raises(ConfigError, match="slots"):
        finder_of([PERSON])


@pytest.mark.parametrize(
    ("example", "text", "spans"),
    [
        ("[a] and [b c]", "a and b c", [(0, 1), (6, 9)]),
        ("none", "none", []),
        ("open [ only", "open [ only", []),
    ],
)
def test_brackets_mark_values(example: str, text: str, spans: list[tuple[int, int]]) -> None:
    assert unmarked(example) == (text, spans)
