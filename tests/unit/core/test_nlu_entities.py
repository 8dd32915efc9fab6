"""Entities: found by their form, spans in the raw text, overlaps settled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.nlu.entities import EntityFinder, EntityPattern, masked
from hub.models import understander_of
from tests.conversation.telling import model_folder, starter_content

FINDER = EntityFinder(starter_content().entities)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("where is A-1001?", [("order_number", "A-1001")]),
        ("a-1001 please", [("order_number", "A-1001")]),
        ("#B-20417, thanks", [("order_number", "B-20417")]),
        ("mail Ann.Lee+shop@Example.co.uk.", [("email", "Ann.Lee+shop@Example.co.uk")]),
        ("A-1001 and ann@example.com", [("order_number", "A-1001"), ("email", "ann@example.com")]),
        ("a-1001@example.com", [("email", "a-1001@example.com")]),
        ("A-12", []),
        ("COVID-2019x", []),
        ("AA-1001-2", []),
        ("ann@example", []),
    ],
)
def test_order_numbers_and_addresses_are_found(text: str, found: list[tuple[str, str]]) -> None:
    entities = FINDER.find(text)
    assert [(entity.name, entity.value) for entity in entities] == found
    for entity in entities:
        assert text[entity.start : entity.end].upper() == entity.value.upper()


@given(st.text(max_size=200))
def test_spans_never_overlap_and_stay_in_the_text(text: str) -> None:
    last = 0
    for entity in FINDER.find(text + " A-1001 x@y.de " + text):
        assert last <= entity.start < entity.end
        last = entity.end


def test_a_long_hostile_text_is_read_quickly() -> None:
    assert FINDER.find("a." * 20_000 + "@" + "b." * 20_000) is not None


def test_masking_makes_all_order_numbers_alike() -> None:
    text = "where is A-1001, ann@example.com"
    assert masked(text, FINDER.find(text)) == "where is order_number, email"


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="not a regular expression"):
        EntityPattern(name="x", pattern="(")


def test_a_blank_text_has_no_reading() -> None:
    understander = understander_of(starter_content().examples, FINDER, model_folder(), None)
    assert understander.understand(" \n ").intents == ()


def test_case_is_kept_unless_the_pattern_says_otherwise() -> None:
    kinds = [EntityPattern(name=case, pattern=f"{case}X", case=case) for case in ("keep", "upper", "lower")]
    assert [found.value for found in EntityFinder(kinds).find("keepX upperX lowerX")] == ["keepX", "UPPERX", "lowerx"]
