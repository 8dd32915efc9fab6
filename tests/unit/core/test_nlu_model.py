"""The intent model: it reads as scikit-learn does, travels as plain bytes, and says what it does not know."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import FeatureUnion
from sklearn.svm import LinearSVC

from core.errors import ConfigError
from core.nlu.features import normalized, pieces, words
from core.nlu.model import Model
from core.nlu.model_file import from_bytes, to_bytes
from core.nlu.training import REGULARISATION, SEED, TOLERANCE, train
from core.nlu.vectors import StaticVectors
from tests.shared_files import PROJECT

EXAMPLES = [
    *((text, "received") for text in ("it arrived", "I received it", "got it today", "it came", "the parcel is here")),
    *((text, "missing") for text in ("not received", "never arrived", "it has not come", "nothing here", "no parcel")),
    *((text, "hello") for text in ("hello", "hi there", "good morning", "hey", "hello you")),
]
TWO_INTENTS = [example for example in EXAMPLES if example[1] != "hello"]
TEXTS = [text for text, _ in EXAMPLES] + ["", "zzz", "the parcel has not arrived", "HELLO!", "no", "Grüße ß ﬁ 你好 👍"]
SIZE = 8


def tokens(text: str) -> list[int]:
    """Number words so that what begins alike is near: enough to be an encoder of a test."""
    return [sum(map(ord, word[:2])) % 50 for word in text.split()]


def table() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((50, SIZE)).astype(np.float16)


ENCODER = StaticVectors(table(), tokens, lambda word: word == "parcel", "static:test")


@cache
def model(with_encoder: bool = True) -> Model:
    return train(EXAMPLES, ENCODER if with_encoder else None)


def reference(examples: list[tuple[str, str]]) -> Callable[[str], np.ndarray]:
    """Train the lexical member with nothing but scikit-learn."""
    kinds = [("words", words), ("pieces", pieces)]
    features = FeatureUnion([(name, TfidfVectorizer(analyzer=kind, sublinear_tf=True)) for name, kind in kinds])
    texts, labels = [text for text, _ in examples], [label for _, label in examples]
    machine = LinearSVC(C=REGULARISATION, tol=TOLERANCE, class_weight="balanced", random_state=SEED)
    machine.fit(features.fit_transform(texts), labels)
    return lambda text: machine.decision_function(features.transform([text]))[0]


def test_lexical_readings_equal_those_of_scikit_learn() -> None:
    expected = reference(EXAMPLES)
    for text in TEXTS:
        np.testing.assert_allclose(model(False).linear.margins(normalized(text), None), expected(text), atol=1e-4)


def test_lexical_readings_equal_those_of_scikit_learn_with_two_intents() -> None:
    two, expected = train(TWO_INTENTS), reference(TWO_INTENTS)
    for text in TEXTS:
        margins = two.linear.margins(normalized(text), None)
        np.testing.assert_allclose(margins[1], expected(text), atol=1e-4)
        assert margins[0] == -margins[1]


def test_pieces_are_those_of_char_wb() -> None:
    expected = CountVectorizer(analyzer="char_wb", ngram_range=(2, 4)).build_analyzer()
    for text in ("a", "ab", "where is it?", "  two   spaces ", "Don't"):
        assert sorted(pieces(text)) == sorted(expected(text))


def test_a_negation_changes_the_intent_row_145() -> None:
    assert "not" in words("not received")
    assert model(False).read("the parcel has arrived").intents[0].name == "received"
    assert model(False).read("the parcel has not arrived").intents[0].name == "missing"


@pytest.mark.parametrize("with_encoder", [True, False])
def test_confidences_lie_between_0_and_1_and_come_best_first(with_encoder: bool) -> None:
    for text in TEXTS:
        confidences = [score.confidence for score in model(with_encoder).read(text).intents]
        assert confidences == sorted(confidences, reverse=True)
        assert all(0 <= confidence <= 1 for confidence in confidences)


@pytest.mark.parametrize("encoder", [ENCODER, None])
def test_training_twice_gives_the_same_bytes(encoder: StaticVectors | None) -> None:
    assert to_bytes(train(EXAMPLES, encoder)) == to_bytes(train(EXAMPLES, encoder))


@pytest.mark.parametrize("encoder", [ENCODER, None])
def test_a_stored_model_reads_as_the_trained_one(encoder: StaticVectors | None) -> None:
    trained = model(encoder is not None)
    again = from_bytes(to_bytes(trained), encoder)
    assert [again.read(text) for text in TEXTS] == [trained.read(text) for text in TEXTS]


@pytest.mark.parametrize("stored", [b"", b"rubbish", to_bytes(model(False))[:500]])
def test_bytes_that_hold_no_model_are_refused(stored: bytes) -> None:
    with pytest.raises(ConfigError, match="no intent model"):
        from_bytes(stored, None)


def test_bytes_of_another_format_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = to_bytes(model(False))
    monkeypatch.setattr("core.nlu.model_file.FORMAT", 99)
    with pytest.raises(ConfigError, match="format"):
        from_bytes(stored, None)


def test_a_model_is_refused_by_an_encoder_that_it_was_not_trained_with() -> None:
    other = StaticVectors(table(), tokens, lambda word: False, "static:other")
    for encoder in (other, None):
        with pytest.raises(ConfigError, match="encoder static:test"):
            from_bytes(to_bytes(model()), encoder)


def test_a_pickle_in_place_of_an_array_is_not_opened() -> None:
    """Model files may come from elsewhere: numbers and JSON only (SECURITY)."""
    import io

    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, about=np.array([{"format": 2}], dtype=object))
    with pytest.raises(ConfigError, match="no intent model"):
        from_bytes(buffer.getvalue(), None)


@pytest.mark.parametrize(
    ("examples", "message"), [([], "two"), (EXAMPLES[:5], "two"), (EXAMPLES[:7], "missing has 2 examples")]
)
def test_too_few_examples_are_told(examples: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train(examples)


def test_progress_is_reported_and_ends_at_the_whole() -> None:
    heard: list[tuple[str, float]] = []
    train(EXAMPLES, ENCODER, lambda step, share: heard.append((step, share)))
    steps = list(dict.fromkeys(step for step, _ in heard))
    assert steps == ["reading the examples", "judging examples kept aside", "learning from all examples"]
    for step in steps[1:]:
        shares = [share for name, share in heard if name == step]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0


def test_a_text_unlike_everything_belongs_less_than_an_example() -> None:
    for each in (model(), model(False)):
        known, strange = each.read("hello you"), each.read("xylophone quartz")
        assert known.belonging > strange.belonging
        assert known.in_scope


def test_reading_needs_no_scikit_learn() -> None:
    """Importing it costs over a second; a second start must not."""
    program = "import sys, core.bot, hub.content, hub.models; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False).returncode == 0


def test_a_mended_word_counts_more_than_the_one_that_was_written_but_not_alone() -> None:
    written, mended = (model(False).evidence(text) for text in ("parsel", "parcel"))
    both = model(False).weighed_evidence("parsel")
    np.testing.assert_allclose(both.margins, 0.6 * mended.margins + 0.4 * written.margins, rtol=1e-4)
    assert written.belonging < both.belonging < mended.belonging


def test_no_more_intents_are_told_than_are_worth_a_question() -> None:
    many = [(f"{word} {number}", f"intent {word}") for word in "abcdefghijklmno" for number in range(5)]
    assert len(train(many).read("a 1").intents) == 10
