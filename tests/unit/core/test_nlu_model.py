"""The exported model reads as scikit-learn does, and travels as plain bytes."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from core.errors import ConfigError
from core.nlu.features import pieces, words
from core.nlu.model import Model
from core.nlu.training import _pipeline, train
from tests.shared_files import PROJECT

EXAMPLES = [
    *((text, "received") for text in ("it arrived", "I received it", "got it today", "it came", "the parcel is here")),
    *((text, "missing") for text in ("not received", "never arrived", "it has not come", "nothing here", "no parcel")),
    *((text, "hello") for text in ("hello", "hi there", "good morning", "hey", "hello you")),
]
TEXTS = [text for text, _ in EXAMPLES] + ["", "zzz", "the parcel has not arrived", "HELLO!", "no", "Grüße ß ﬁ 你好 👍"]


def test_readings_equal_those_of_scikit_learn() -> None:
    model = train(EXAMPLES)
    pipeline = _pipeline().fit([text for text, _ in EXAMPLES], [label for _, label in EXAMPLES])
    assert model.intents == tuple(pipeline["classifier"].classes_)
    for text in TEXTS:
        np.testing.assert_allclose(model.margins(text), pipeline.decision_function([text])[0], atol=1e-5)


def test_readings_equal_those_of_scikit_learn_with_two_intents() -> None:
    two = [example for example in EXAMPLES if example[1] != "hello"]
    model = train(two)
    pipeline = _pipeline().fit([text for text, _ in two], [label for _, label in two])
    for text in TEXTS:
        np.testing.assert_allclose(model.margins(text)[1], pipeline.decision_function([text])[0], atol=1e-5)
        assert model.margins(text)[0] == -model.margins(text)[1]


def test_pieces_are_those_of_char_wb() -> None:
    reference = CountVectorizer(analyzer="char_wb", ngram_range=(2, 4)).build_analyzer()
    for text in ("a", "ab", "where is it?", "  two   spaces ", "Don't"):
        assert sorted(pieces(text)) == sorted(reference(text))


def test_a_negation_changes_the_intent_row_145() -> None:
    model = train(EXAMPLES)
    assert model.scores("the parcel has arrived")[0].name == "received"
    assert model.scores("the parcel has not arrived")[0].name == "missing"
    assert "not" in words("not received")


def test_confidences_lie_between_0_and_1_and_come_best_first() -> None:
    for text in TEXTS:
        confidences = [score.confidence for score in train_once().scores(text)]
        assert confidences == sorted(confidences, reverse=True)
        assert all(0 <= confidence <= 1 for confidence in confidences)


def train_once() -> Model:
    return train(EXAMPLES)


def test_training_twice_gives_the_same_bytes() -> None:
    assert train(EXAMPLES).to_bytes() == train(EXAMPLES).to_bytes()


def test_a_stored_model_reads_as_the_trained_one() -> None:
    model = train(EXAMPLES)
    again = Model.from_bytes(model.to_bytes())
    assert [again.scores(text) for text in TEXTS] == [model.scores(text) for text in TEXTS]


@pytest.mark.parametrize("stored", [b"", b"rubbish", train(EXAMPLES).to_bytes()[:500]])
def test_bytes_that_hold_no_model_are_refused(stored: bytes) -> None:
    with pytest.raises(ConfigError, match="no intent model"):
        Model.from_bytes(stored)


def test_bytes_of_another_format_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = train(EXAMPLES).to_bytes()
    monkeypatch.setattr("core.nlu.model.FORMAT", 2)
    with pytest.raises(ConfigError, match="format"):
        Model.from_bytes(stored)


@pytest.mark.parametrize(
    ("examples", "message"), [([], "two"), (EXAMPLES[:5], "two"), (EXAMPLES[:7], "missing has 2 examples")]
)
def test_too_few_examples_are_told(examples: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train(examples)


def test_reading_needs_no_scikit_learn() -> None:
    """Importing it costs over a second; a second start must not."""
    program = "import sys, core.bot, hub.content; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False).returncode == 0
