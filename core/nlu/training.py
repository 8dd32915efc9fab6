"""Learning intents from examples with scikit-learn, which is imported only when something is learned.

Features and classifier are A2 of NLU.md section 2: words and word pieces, TF-IDF, linear one-vs-rest. A margin becomes
a confidence by one sigmoid for all intents, fitted on margins of examples kept aside (five folds). That makes a
confidence of 0.8 mean: of such readings four in five are right. Same examples, same model.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.nlu.features import pieces, words
from core.nlu.model import Model

FOLDS = 5
MIN_EXAMPLES = 5
"""Examples an intent needs, so that each fold keeps one aside."""
REGULARISATION = 1.0
SEED = 0

LabelledText = tuple[str, str]
"""A text and the name of its intent."""


def train(examples: Sequence[LabelledText]) -> Model:
    """Learn a model.

    Raises:
        ConfigError: fewer than two intents, or an intent with fewer than `MIN_EXAMPLES` examples.
    """
    texts, labels = [text for text, _ in examples], [label for _, label in examples]
    _check(labels)
    pipeline = _pipeline().fit(texts, labels)
    slope, offset = _calibrate(texts, labels)
    return _export(pipeline, slope, offset)


def _check(labels: list[str]) -> None:
    counts = Counter(labels)
    if len(counts) < 2:
        raise ConfigError("intents are told apart: at least two are needed")
    for name, count in counts.items():
        if count < MIN_EXAMPLES:
            raise ConfigError(f"intent {name} has {count} examples; at least {MIN_EXAMPLES} are needed")


def _pipeline() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion, Pipeline
    from sklearn.svm import LinearSVC

    return Pipeline(
        [
            (
                "features",
                FeatureUnion(
                    [
                        ("words", TfidfVectorizer(analyzer=words, sublinear_tf=True)),
                        ("pieces", TfidfVectorizer(analyzer=pieces, sublinear_tf=True)),
                    ]
                ),
            ),
            ("classifier", LinearSVC(C=REGULARISATION, class_weight="balanced", random_state=SEED)),
        ]
    )


def _calibrate(texts: list[str], labels: list[str]) -> tuple[float, float]:
    """Fit the sigmoid on out-of-fold margins of all (text, intent) pairs."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(n_splits=FOLDS, shuffle=True, random_state=SEED)
    margins = _columns(cross_val_predict(_pipeline(), texts, labels, cv=folds, method="decision_function"))
    names = np.array(sorted(set(labels)))
    right = np.array(labels)[:, None] == names[None, :]
    sigmoid = LogisticRegression(C=1e6).fit(margins.reshape(-1, 1), right.reshape(-1))
    return float(sigmoid.coef_[0, 0]), float(sigmoid.intercept_[0])


def _columns(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give two intents two columns: scikit-learn reports one margin for both (NLU.md section 9, trap 3)."""
    return np.column_stack((-margins, margins)) if margins.ndim == 1 else margins


def _export(pipeline: Any, slope: float, offset: float) -> Model:
    parts = [vectorizer for _, vectorizer in pipeline["features"].transformer_list]
    classifier = pipeline["classifier"]
    weights, bias = classifier.coef_.T, classifier.intercept_
    if len(classifier.classes_) == 2:
        weights, bias = np.hstack((-weights, weights)), np.concatenate((-bias, bias))
    vocabulary_of_words, vocabulary_of_pieces = (tuple(part.get_feature_names_out().tolist()) for part in parts)
    return Model(
        intents=tuple(classifier.classes_.tolist()),
        vocabularies=(vocabulary_of_words, vocabulary_of_pieces),
        idf=np.concatenate([part.idf_ for part in parts]).astype(np.float32),
        weights=weights.astype(np.float32),
        bias=bias.astype(np.float32),
        slope=slope,
        offset=offset,
    )
