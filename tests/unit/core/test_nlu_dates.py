"""Dates, on a Sunday: 22 November 2026. What is said, and the day or days that are meant."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.nlu.dates import find_dates
from core.nlu.entities import EntityFinder
from core.understanding import Moment
from tests.conversation.telling import starter_content

TODAY = date(2026, 11, 22)


def values(text: str) -> list[str]:
    return [found.value for found in find_dates(text, TODAY)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("it came yesterday", "2026-11-21"),
        ("the day before yesterday I paid", "2026-11-20"),
        ("by tomorrow please", "2026-11-23"),
        ("last Thursday", "2026-11-19"),
        ("last Sunday", "2026-11-15"),
        ("this Sunday", "2026-11-22"),
        ("next Monday", "2026-11-23"),
        ("since Monday nothing", "2026-11-16"),
        ("on Friday", "2026-11-27"),
        ("on Sunday", "2026-11-29"),
        ("Monday last week", "2026-11-09"),
        ("two weeks ago", "2026-11-08"),
        ("a couple of days ago", "2026-11-20"),
        ("in 3 days", "2026-11-25"),
        ("three days from now", "2026-11-25"),
        ("a month ago", "2026-10-22"),
        ("last week", "2026-11-09/2026-11-15"),
        ("next month", "2026-12-01/2026-12-31"),
        ("last year", "2025-01-01/2025-12-31"),
        ("this weekend", "2026-11-21/2026-11-22"),
        ("in the last 10 days", "2026-11-12/2026-11-22"),
        ("in March", "2027-03-01/2027-03-31"),
        ("in March 2026", "2026-03-01/2026-03-31"),
        ("last March", "2026-03-01/2026-03-31"),
        ("since 2024", "2024-01-01/2024-12-31"),
        ("on 2026-11-03", "2026-11-03"),
        ("3/11/2026", "2026-11-03"),
        ("11/23/2026", "2026-11-23"),
        ("3.11.26", "2026-11-03"),
        ("3 November", "2026-11-03"),
        ("Nov 3rd, 2025", "2025-11-03"),
        ("Friday, October the 16th", "2026-10-16"),
        ("the twenty first of October", "2026-10-21"),
        ("28 December", "2026-12-28"),
        ("on the 3rd", "2026-12-03"),
        ("on the 20th", "2026-11-20"),
        ("29.2.2028", "2028-02-29"),
        ("letzten Donnerstag", "2026-11-19"),
        ("vor zwei Wochen", "2026-11-08"),
        ("am 3. November", "2026-11-03"),
        ("seit Montag", "2026-11-16"),
        ("n\u00e4chste Woche", "2026-11-23/2026-11-29"),
        ("vorgestern", "2026-11-20"),
    ],
)
def test_a_date_is_read(text: str, value: str) -> None:
    assert values(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        *("I may need it", "the second one", "order A-1001", "31.2.2026", "version 1.2.3", "3 days", "we sat there"),
        *("call 030 901820", "it is 10.30 now", "the sun is out", "march on", "2026", "$3.50", "1/0"),
    ],
)
def test_what_is_no_date_is_not_read_as_one(text: str) -> None:
    assert values(text) == []


def test_row_102_the_package_from_last_thursday() -> None:
    """The exact sentence; noon in New York and already Friday in Auckland give different Thursdays when they differ."""
    text = "My package from last Thursday still hasn't moved"
    finder = EntityFinder(starter_content().entities)
    (found,) = finder.find(text, Moment(now=datetime(2026, 11, 22, 12, tzinfo=UTC)))
    assert (found.name, found.value, text[found.start : found.end]) == ("date", "2026-11-19", "last Thursday")
    late_on_thursday = datetime(2026, 11, 26, 20, tzinfo=UTC)
    for zone, value in (("America/New_York", "2026-11-19"), ("Pacific/Auckland", "2026-11-26")):
        (found,) = finder.find(text, Moment(now=late_on_thursday, time_zone=zone))
        assert found.value == value


def test_without_a_moment_no_date_is_guessed() -> None:
    assert EntityFinder(starter_content().entities).find("it came yesterday") == ()


@given(
    st.text(max_size=80),
    st.sampled_from(["yesterday", "12/12/12", "in 999 years", "Feb 30", "the 31st", "\u0130 today"]),
)
def test_any_text_is_read_without_an_error_and_spans_are_in_order(text: str, said: str) -> None:
    last = 0
    for found in find_dates(f"{text} {said} {text}", TODAY):
        assert last <= found.start < found.end
        assert found.first <= found.last
        last = found.end
