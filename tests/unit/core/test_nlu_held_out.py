"""How well the starter content is understood, on sentences that it was not trained on (see `held_out.yaml`)."""

import importlib.util
from functools import cache
from pathlib import Path

import pytest
import yaml

from core.nlu.entities import EntityFinder
from core.nlu.understander import TextUnderstander
from hub.encoders import load_encoder
from hub.models import understander_of
from hub.settings import Understanding
from tests.conversation.telling import model_folder, starter_content

HELD_OUT: dict[str, list[str]] = yaml.safe_load((Path(__file__).parent / "held_out.yaml").read_text(encoding="utf-8"))
BAR = 0.92
"""Measured once, on the first run: 61 of 63 (0.968). Three sentences fewer would still be above the bar."""


@pytest.fixture(params=["lexical", "static"])
def read(request: pytest.FixtureRequest) -> TextUnderstander:
    """Return what reads, once for each backend: all pass the same gates (row 150)."""
    if request.param == "static" and importlib.util.find_spec("wordllama") is None:
        pytest.skip("needs the extra `semantic`")
    return understander(request.param)


@cache
def understander(backend: str) -> TextUnderstander:
    content = starter_content()
    encoder = load_encoder(Understanding.model_validate({"backend": backend}))
    return understander_of(content.examples, EntityFinder(content.entities), model_folder(), encoder)


def test_no_held_out_sentence_is_an_example() -> None:
    examples = {text.casefold().strip(" .?!") for text, _ in starter_content().examples}
    held_out = [text.casefold().strip(" .?!") for texts in HELD_OUT.values() for text in texts]
    assert len(held_out) >= 40
    assert examples.isdisjoint(held_out)


def test_the_intents_of_held_out_sentences_reach_the_bar(read: TextUnderstander) -> None:
    readings = [(text, name, read.understand(text).intent.name) for name, texts in HELD_OUT.items() for text in texts]
    wrong = [reading for reading in readings if reading[1] != reading[2]]
    assert 1 - len(wrong) / len(readings) >= BAR, wrong


def test_confidences_are_honest_enough_to_act_on(read: TextUnderstander) -> None:
    """Of readings that the bot would follow at once (0.6 and more), at least nine in ten are right."""
    sure = [
        (name, best.name)
        for name, texts in HELD_OUT.items()
        for text in texts
        if (best := read.understand(text).intent).confidence >= 0.6
    ]
    assert len(sure) >= 45
    assert sum(name == best for name, best in sure) / len(sure) >= 0.9


def test_the_three_sentences_of_row_141_ask_for_the_order_status(read: TextUnderstander) -> None:
    for text in ("where is my package", "tracking says no movement", "shipment still hasn't arrived"):
        assert read.understand(text).intent.name == "order_status"


def test_the_three_sentences_of_row_142_ask_for_a_refund(read: TextUnderstander) -> None:
    for text in ("refund my annual plan", "cancel and reimburse", "I want my money back"):
        assert read.understand(text).intent.name == "refund_request"


def test_a_negation_is_another_wish_row_145(read: TextUnderstander) -> None:
    """What has not been received is asked after; what has been is not."""
    assert read.understand("parcel not received").intent.name == "order_status"
    received = read.understand("received, thank you").intent
    assert received.name != "order_status"
