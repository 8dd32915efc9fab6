"""Entities: found by their form, spans in the raw text, overlaps settled."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.nlu.entities import EntityFinder, EntityKind, EntityPattern, masked
from core.understanding import Moment
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


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ticket INC0012345 please", [("ticket_id", "INC0012345")]),
        ("see HELP-42", [("ticket_id", "HELP-42")]),
        ("1z999aa10123456784", [("tracking_number", "1Z999AA10123456784")]),
        ("RR123456785DE", [("tracking_number", "RR123456785DE")]),
        ("call (650) 253-0000", [("phone", "+16502530000")]),
        ("+49 30 901820", [("phone", "+4930901820")]),
        ("order 1234567 of 12", []),
        ("my card 4111-1111-1111-1111", [("card_number", "****1111")]),
        ("4111 1111 1111 1112", []),
        ("I paid $1,299.50 twice", [("amount", "USD 1299.50")]),
        ("12,50 \u20ac back", [("amount", "EUR 12.50")]),
        ("1.299 EUR or 20 bucks", [("amount", "EUR 1299"), ("amount", "USD 20")]),
        ("$ and euros", []),
    ],
)
def test_identifiers_numbers_and_amounts_are_found_row_101(text: str, found: list[tuple[str, str]]) -> None:
    assert [(entity.name, entity.value) for entity in FINDER.find(text)] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("refund my annual plan", [("product", "annual plan")]),
        ("my yearly subscription", [("product", "annual plan")]),
        ("the anual plam", [("product", "annual plan")]),
        ("the Office-Chiar", [("product", "office chair")]),
        ("it arrived", []),
        ("it never arived", [("condition", "not received")]),
        ("a damp camp", []),
        ("I changed my mind about the cofee machine", [("condition", "changed mind"), ("product", "coffee machine")]),
    ],
)
def test_names_are_found_also_misspelt_row_160(text: str, found: list[tuple[str, str]]) -> None:
    assert [(entity.name, entity.value) for entity in FINDER.find(text)] == found


def test_row_142_a_refund_has_a_product_a_date_and_a_condition() -> None:
    text = "refund my annual plan, bought on 3 November, I changed my mind"
    found = FINDER.find(text, Moment(now=datetime(2026, 11, 22, tzinfo=UTC)))
    assert {entity.name: entity.value for entity in found} == {
        "product": "annual plan",
        "date": "2026-11-03",
        "condition": "changed mind",
    }


def test_account_identifiers_are_looked_for_at_their_own_desk() -> None:
    text = "C12345678 or LT-20417"
    for desk, found in (
        ("support", [("customer_number", "C12345678"), ("ticket_id", "LT-20417")]),
        ("it", [("asset_tag", "LT-20417")]),
    ):
        assert [(entity.name, entity.value) for entity in FINDER.at(desk).find(text)] == found


def test_a_card_number_is_kept_nowhere_in_what_is_found() -> None:
    assert all("41111111" not in entity.value for entity in FINDER.find("4111111111111111"))


def test_what_may_change_the_wish_is_not_masked() -> None:
    text = "A-1001 never arrived, $5 back"
    assert FINDER.masked(text, FINDER.find(text)) == "order_number never arrived, $5 back"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"name": "x", "kind": "colour"}, "colour"),
        ({"name": "x", "kind": "phone"}, "country"),
        ({"name": "x", "kind": "money", "pattern": "a"}, "pattern"),
    ],
)
def test_a_kind_that_is_none_is_refused(kind: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(EntityKind).validate_python(kind)


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
