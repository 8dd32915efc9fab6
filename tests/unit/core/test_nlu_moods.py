"""Sentiment, urgency, language, several wishes: each measured apart (row 161), on sentences not learned from."""

from functools import cache
from pathlib import Path

import pytest
import yaml

from core.nlu.clauses import clauses
from core.nlu.language import telling
from core.nlu.moods import Moods
from core.nlu.understander import TextUnderstander
from core.understanding import Mood
from hub.models import finder_of, labelled, moods_of, understander_of
from tests.conversation.telling import model_folder, starter_content

HELD_OUT = yaml.safe_load((Path(__file__).parent / "held_out_moods.yaml").read_text(encoding="utf-8"))
CONTENT = starter_content()
SENTIMENT_BAR = 0.77
"""Measured once, lexical, on the first run: 30 of 36 (0.833). Two sentences fewer would still be above the bar."""
URGENCY_BAR = 0.75
"""Likewise: 17 of 20 (0.85)."""


@cache
def moods() -> Moods:
    assert CONTENT.moods is not None
    return moods_of(CONTENT.moods, finder_of(CONTENT.entities), model_folder(), None)


@cache
def understander() -> TextUnderstander:
    finder = finder_of(CONTENT.entities)
    return understander_of(CONTENT.examples, finder, model_folder(), None, CONTENT.moods, ("en", "de"))


def test_no_held_out_sentence_was_learned_from() -> None:
    assert CONTENT.moods is not None
    learned = {text.casefold() for text, _ in labelled(CONTENT.moods.sentiment) + labelled(CONTENT.moods.urgency)}
    held_out = {text.casefold() for kinds in HELD_OUT.values() for texts in kinds.values() for text in texts}
    assert learned.isdisjoint(held_out)


@pytest.mark.parametrize(("kind", "bar"), [("sentiment", SENTIMENT_BAR), ("urgency", URGENCY_BAR)])
def test_held_out_sentences_are_read_well_enough_row_159(kind: str, bar: float) -> None:
    told = [(text, label, moods().read(text)) for label, texts in HELD_OUT[kind].items() for text in texts]
    wrong = [(text, label) for text, label, mood in told if label != named(kind, mood)]
    assert 1 - len(wrong) / len(told) >= bar, wrong


def named(kind: str, mood: Mood) -> str:
    return mood.sentiment if kind == "sentiment" else "urgent" if mood.urgent > 0.5 else "normal"


def test_the_same_matter_sounds_different_row_162() -> None:
    calm, upset = (understander().understand(text) for text in CALM_AND_UPSET)
    assert calm.intent.name == upset.intent.name == "order_status"
    assert calm.mood is not None
    assert upset.mood is not None
    assert (calm.mood.sentiment, upset.mood.sentiment) == ("neutral", "negative")


CALM_AND_UPSET = ("where is my order A-1001", "where the hell is my order A-1001, I am so angry")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("where is my order", "en"),
        ("wo ist meine Bestellung", "de"),
        ("I forgot my password again", "en"),
        ("ich habe mein Passwort vergessen", "de"),
        ("ok", None),
        ("", None),
    ],
)
def test_the_language_is_told_where_it_can_be(text: str, language: str | None) -> None:
    assert telling(("en", "de"))(text) == language


def test_of_one_language_there_is_no_doubt() -> None:
    assert telling(("en",))("wo ist meine Bestellung") == "en"
    assert telling(())("hello there") is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("where is my order", ["where is my order"]),
        ("cancel my plan and tell me where my order is", ["cancel my plan", "tell me where my order is"]),
        ("Track A-1001. I also forgot my password!", ["Track A-1001", "I also forgot my password"]),
        ("salt and pepper", ["salt and pepper"]),
        ("wo ist mein Paket, und wann habt ihr offen?", ["wo ist mein Paket", "wann habt ihr offen"]),
        ("and", []),
    ],
)
def test_a_message_is_taken_apart_where_a_new_wish_may_begin(text: str, parts: list[str]) -> None:
    assert [text[start:end] for start, end in clauses(text)] == parts


def test_two_wishes_are_both_heard_in_order() -> None:
    text = "where is my order A-1001 and I want my money back for the lamp"
    wishes = understander().understand(text).wishes
    assert [wish.name for wish in wishes] == ["order_status", "refund_request"]
    assert text[wishes[1].start : wishes[1].end] == "I want my money back for the lamp"


def test_one_wish_said_twice_is_one() -> None:
    assert understander().understand("where is my order and where is my package").wishes == ()
