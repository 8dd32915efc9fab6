"""Articles: found by what people ask, only when enough of the question is known, only inside their dates."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from core.knowledge.articles import Article
from core.knowledge.library import Library
from tests.conversation.telling import NOW, starter_content

THRESHOLD = 0.6


def article(**changes: Any) -> Article:
    fields: dict[str, Any] = {
        "id": "hours",
        "title": "Opening hours",
        "questions": ("When are you open?",),
        "text": "Monday to Friday.",
        "valid_from": date(2026, 1, 1),
        "review_by": date(2026, 12, 31),
        "source": "Contact page",
    }
    return Article(**{**fields, **changes})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("what are your opening hours", "opening-hours"),
        ("do you ship to austria", "shipping-abroad"),
        ("how fast is express shipping", "shipping-times"),
        ("how long is shipping", "shipping-times"),
        ("how much is shipping", "shipping-abroad"),
        ("how do I return an item", "returns"),
        ("are annual plans refundable?", "refund-policy"),
        ("close my account", "account-rules"),
    ],
)
def test_the_right_article_answers(text: str, expected: str) -> None:
    hit = Library(starter_content().articles).search(text, NOW)
    assert hit is not None
    assert (hit.article.id, hit.score >= THRESHOLD) == (expected, True)


@pytest.mark.parametrize(
    "text", ["", "?", "is it", "do you repair dishwashers in Paris", "qwertz", "return my neighbour's lawn mower now"]
)
def test_below_the_threshold_nothing_answers_row_111(text: str) -> None:
    hit = Library(starter_content().articles).search(text, NOW)
    assert hit is None or hit.score < THRESHOLD


def test_a_word_that_many_articles_know_is_not_a_question() -> None:
    many = [article(id=str(n), title=f"order topic{n}", questions=(f"order thing{n}",)) for n in range(8)]
    hit = Library(many).search("my order", NOW)
    assert hit is not None
    assert hit.score < THRESHOLD


def test_a_word_of_the_answer_counts_half() -> None:
    library = Library([article()])
    asked, said = library.search("opening", NOW), library.search("friday", NOW)
    assert asked is not None
    assert said is not None
    assert (asked.score, said.score) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("day", "answers"), [((2025, 12, 31), False), ((2026, 1, 1), True), ((2026, 12, 31), True), ((2027, 1, 1), False)]
)
def test_outside_its_dates_an_article_is_no_answer(day: tuple[int, int, int], answers: bool) -> None:
    library, now = Library([article()]), datetime(*day, 12, tzinfo=UTC)
    assert (library.search("opening hours", now) is not None) == answers
    assert (library.article("hours", now) is not None) == answers


def test_an_expired_article_leaves_room_for_the_next_best() -> None:
    old = article(id="old", review_by=date(2026, 6, 30))
    hit = Library([old, article(id="new", title="Hours")]).search("opening hours open", NOW)
    assert hit is not None
    assert hit.article.id == "new"


def test_a_library_without_articles_has_no_answer() -> None:
    assert Library([]).search("opening hours", NOW) is None
    assert Library([]).article("hours", NOW) is None


def test_articles_without_a_telling_word_are_never_found() -> None:
    silent = article(title="What is it?", questions=("How is it?",), text="It is.")
    assert Library([silent]).search("opening hours", NOW) is None


def test_dates_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="review_by"):
        article(review_by=date(2025, 1, 1))
