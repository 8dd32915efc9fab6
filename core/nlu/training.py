"""Learning intents from examples: the same examples and the same encoder give the same model, in seconds.

The members are learned twice: from a part of the examples, to see how they judge what they have not seen, and from all.
What is fitted on the part kept aside are few numbers: the blend, the confidence, the border of the scope. That makes a
confidence of 0.8 mean: of such readings four in five are right. scikit-learn and SciPy are imported only here.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.nlu.calibration import judge
from core.nlu.corpus import Corpus, LabelledText, corpus_of
from core.nlu.dense import Neighbours, Network
from core.nlu.linear import Linear
from core.nlu.model import Evidence, Model
from core.nlu.network import learn
from core.nlu.spelling import vocabulary
from core.nlu.vectors import Encoder

MIN_EXAMPLES = 5
"""Examples an intent needs, so that each fold keeps one aside."""
FEW_EXAMPLES = 500
FOLDS_OF_FEW = 5
FOLDS_OF_MORE = 3
MANY_EXAMPLES = 2000
"""From so many on one part is kept aside instead of each part in turn."""
KEPT_ASIDE = 0.15
DIRECTIONS_OF_MANY = 64
REGULARISATION = 1.0
TOLERANCE = 1e-2
"""Ten times liblinear's own: half the time at the same accuracy (NLU.md section 2)."""
ROUGH_TOLERANCE = 0.1
"""For what only judges examples kept aside, where there are many."""
SEED = 0

Report = Callable[[str, float], None]
"""Hears what is being done, and the share of it that is done, 0 to 1."""
Rows = NDArray[np.int64]


def silent(step: str, share: float) -> None:
    """Hear nothing: the report of those who do not wait at a screen."""


@dataclass(frozen=True)
class Members:
    """What is learned from a set of examples, before it is judged."""

    linear: Linear
    network: Network | None
    neighbours: Neighbours | None


def train(examples: Sequence[LabelledText], encoder: Encoder | None = None, report: Report = silent) -> Model:
    """Learn a model.

    Raises:
        ConfigError: fewer than two intents, or an intent with fewer than `MIN_EXAMPLES` examples.
    """
    from threadpoolctl import threadpool_limits

    _check([label for _, label in examples])
    with threadpool_limits(1):  # the matrices are small: a second thread would wait more than it works
        return _train(examples, encoder, report)


def _train(examples: Sequence[LabelledText], encoder: Encoder | None, report: Report) -> Model:
    report("reading the examples", 0.0)
    corpus = corpus_of(examples, encoder)
    report("reading the examples", 1.0)
    everything = np.arange(len(corpus.labels))
    judgement, scores = judge(corpus, list(_unseen(corpus, report)))
    members = _learn(corpus, everything, lambda share: report("learning from all examples", share), rough=False)
    return Model(
        intents=corpus.intents,
        linear=members.linear,
        network=members.network,
        neighbours=members.neighbours,
        judgement=judgement,
        words=vocabulary(corpus.texts),
        encoder=encoder,
        scores=scores,
    )


def _check(labels: list[str]) -> None:
    counts = Counter(labels)
    if len(counts) < 2:
        raise ConfigError("intents are told apart: at least two are needed")
    for name, count in counts.items():
        if count < MIN_EXAMPLES:
            raise ConfigError(f"intent {name} has {count} examples; at least {MIN_EXAMPLES} are needed")


def _unseen(corpus: Corpus, report: Report) -> Iterator[tuple[int, Evidence]]:
    """Yield examples, by their row, with the evidence of members that have not seen them."""
    folds = list(_folds(corpus.labels))
    for number, (learned, kept) in enumerate(folds):
        members = _learn(corpus, learned, partial(_report_fold, report, number, len(folds)), rough=True)
        yield from zip(kept.tolist(), _evidence(corpus, members, kept), strict=True)


def _report_fold(report: Report, number: int, count: int, share: float) -> None:
    report("judging examples kept aside", (number + share) / count)


def _folds(labels: Rows) -> Iterator[tuple[Rows, Rows]]:
    from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

    nothing = np.zeros(len(labels))
    if len(labels) >= MANY_EXAMPLES:
        split = StratifiedShuffleSplit(n_splits=1, test_size=KEPT_ASIDE, random_state=SEED)
    else:
        count = FOLDS_OF_FEW if len(labels) < FEW_EXAMPLES else FOLDS_OF_MORE
        split = StratifiedKFold(n_splits=count, shuffle=True, random_state=SEED)
    yield from split.split(nothing, labels)


def _learn(corpus: Corpus, rows: Rows, report: Callable[[float], None], *, rough: bool) -> Members:
    linear = _linear(corpus, rows, ROUGH_TOLERANCE if rough and len(rows) >= MANY_EXAMPLES else TOLERANCE)
    if corpus.vectors.shape[1] == 0:
        report(1.0)
        return Members(linear, None, None)
    report(0.5)
    vectors, labels = corpus.vectors[rows], corpus.labels[rows]
    network = learn(vectors, labels, len(corpus.intents), lambda share: report(0.5 + share / 2), rough=rough)
    return Members(linear, network, _neighbours(corpus, rows))


def _linear(corpus: Corpus, rows: Rows, tolerance: float) -> Linear:
    from sklearn.svm import LinearSVC

    kinds = (corpus.words, corpus.pieces)
    idf = [kind.idf(rows) for kind in kinds]
    own = corpus.vectors[rows, : corpus.comparable]
    middle, basis = own.mean(axis=0), _basis(own)
    machine = LinearSVC(C=REGULARISATION, tol=tolerance, class_weight="balanced", random_state=SEED)
    machine.fit(_values(corpus, rows, idf, (own - middle) @ basis), corpus.labels[rows])
    weights, bias = machine.coef_.T, machine.intercept_
    if weights.shape[1] == 1:  # scikit-learn has one border for two intents (NLU.md section 9, trap 3)
        weights, bias = np.hstack((-weights, weights)), np.concatenate((-bias, bias))
    features = sum(len(kind.names) for kind in kinds)
    known = np.flatnonzero(np.concatenate(idf))
    names = [tuple(kind.names[i] for i in np.flatnonzero(own)) for kind, own in zip(kinds, idf, strict=True)]
    vector_weights = basis @ weights[features:]
    return Linear(
        vocabularies=(names[0], names[1]),
        idf=np.concatenate(idf)[known].astype(np.float32),
        weights=weights[known].astype(np.float32),
        bias=(bias - middle @ vector_weights).astype(np.float32),
        vector_weights=vector_weights.astype(np.float32),
    )


def _basis(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the directions in which vectors are seen, shape (comparable numbers, directions).

    Of many examples only those in which they differ most: the time of the machine goes with their number, and what is
    lost is seen by the network (docs/nlu.md).
    """
    size = vectors.shape[1]
    if len(vectors) < MANY_EXAMPLES or size <= DIRECTIONS_OF_MANY:
        return np.eye(size, dtype=np.float32)
    _, directions = np.linalg.eigh(np.cov(vectors.astype(np.float64), rowvar=False))
    return np.asarray(directions[:, -DIRECTIONS_OF_MANY:], dtype=np.float32)


def _values(corpus: Corpus, rows: Rows, idf: Sequence[NDArray[np.float64]], vectors: NDArray[np.float32]) -> Any:
    from scipy.sparse import csr_matrix, hstack

    parts = [kind.weighed(rows, own) for kind, own in zip((corpus.words, corpus.pieces), idf, strict=True)]
    return hstack([*parts, csr_matrix(vectors)]).tocsr()


def _neighbours(corpus: Corpus, rows: Rows) -> Neighbours:
    order = rows[np.argsort(corpus.labels[rows], kind="stable")]
    counts = np.bincount(corpus.labels[rows], minlength=len(corpus.intents))
    return Neighbours(
        corpus.vectors[order, : corpus.comparable].astype(np.float16).astype(np.float32),
        np.concatenate(([0], np.cumsum(counts))),
    )


def _evidence(corpus: Corpus, members: Members, rows: Rows) -> Iterator[Evidence]:
    """Judge examples in the way a text is judged."""
    for row in rows:
        text, vector = corpus.texts[row], corpus.vectors[row]
        if members.network is None or members.neighbours is None:
            yield Evidence(members.linear.margins(text, None), None, 0.0)
        else:
            margins = members.linear.margins(text, vector)
            nearness = members.neighbours.nearness(vector, margins)
            yield Evidence(margins, members.network.log_probabilities(vector), nearness)
