"""Fitting how evidence is weighed, on examples whose right intent is known and that the members had not seen.

Three fits, each of a few numbers: the blend by the likelihood of the right intents; the confidence by a logistic curve
through how often the best intent was right; the border of the scope by a share of the examples, so that no text out of
scope is needed (NLU.md section 5).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.nlu.corpus import Corpus
from core.nlu.model import Evidence, Judgement, Scores, log_odds
from core.understanding import OUT_OF_SCOPE

REJECTED = 0.05
"""Share of our own examples that may fall outside of the scope."""
RIDGE = 1.0
"""Keeps the weights of a curve through few points, or through points that are all right, from growing without end."""
NEWTON_STEPS = 50
BINS = 10

Doubles = NDArray[np.float64]


def judge(corpus: Corpus, unseen: Sequence[tuple[int, Evidence]]) -> tuple[Judgement, Scores]:
    """Fit the judgement, and tell how good it is; `unseen` are rows of the corpus with their evidence."""
    labels = corpus.labels[[row for row, _ in unseen]]
    evidence = [each for _, each in unseen]
    margin_weight, network_weight = _blend(evidence, labels)
    blended = Judgement(margin_weight, network_weight, (1.0, 0.0), 0.0, 0.0)
    shares = [blended.shares(each) for each in evidence]
    right = np.array([int(share.argmax()) for share in shares]) == labels
    belonging = np.array([each.belonging for each in evidence])
    odds = np.array([log_odds(float(share.max())) for share in shares])
    steep, near, offset = _curve(np.column_stack((odds, belonging)), right)
    ours = np.array([corpus.intents[label] != OUT_OF_SCOPE for label in labels])
    border = float(np.quantile(belonging[ours], REJECTED)) if ours.any() else 0.0
    judgement = Judgement(margin_weight, network_weight, (steep, near), offset, border)
    sure = np.array([float(judgement.confidences(each).max()) for each in evidence])
    error = calibration_error(sure, right)
    return judgement, Scores(len(corpus.labels), len(labels), float(right.mean()), error)


def calibration_error(confidences: NDArray[np.floating[Any]], right: NDArray[np.bool_]) -> float:
    """Return by how much confidence and share of right readings differ, on average over ten bins."""
    bins = np.minimum((confidences * BINS).astype(int), BINS - 1)
    groups = [bins == number for number in np.unique(bins)]
    return float(sum(abs(confidences[group].mean() - right[group].mean()) * group.mean() for group in groups))


def _blend(evidence: Sequence[Evidence], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Return the weights under which the right intents are likeliest; neither is negative."""
    from scipy.optimize import minimize

    has_network = evidence[0].log_probabilities is not None
    members = [np.stack([each.margins for each in evidence]).astype(np.float64)]
    members += [np.stack([_logs(each) for each in evidence]).astype(np.float64)] if has_network else []
    start = [3.0, 0.5][: len(members)]
    bounds = [(0.0, 50.0)] * len(members)
    found = minimize(_unlikelihood, start, args=(members, labels), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), float(found.x[1]) if has_network else 0.0


def _logs(evidence: Evidence) -> NDArray[np.float32]:
    assert evidence.log_probabilities is not None  # noqa: S101 - all examples come from the same members
    return evidence.log_probabilities


def _unlikelihood(weights: Doubles, members: Sequence[Doubles], labels: NDArray[np.int64]) -> tuple[float, Doubles]:
    """Return minus the mean logarithm of the right intent's share, and its gradient."""
    raw = sum((weight * member for weight, member in zip(weights, members, strict=True)), np.zeros(1))
    raw = raw - raw.max(axis=1, keepdims=True)
    shares = np.exp(raw)
    shares /= shares.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(np.maximum(shares[rows, labels], 1e-12)).mean()
    slope = [((shares * member).sum(axis=1) - member[rows, labels]).mean() for member in members]
    return float(loss), np.array(slope)


def _curve(points: Doubles, right: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Fit the logistic curve; where a weight comes out negative, that measure is left out.

    The targets are Platt's: not quite 1 and 0, as if one more of each had been seen.
    """
    count = int(right.sum())
    wanted = np.where(right, (count + 1) / (count + 2), 1 / (len(right) - count + 2))
    for kept in ((0, 1), (0,), (1,)):
        weights = _newton(points[:, kept], wanted)
        if (weights[:-1] >= 0).all():
            slopes = dict(zip(kept, weights, strict=False))
            return float(slopes.get(0, 0.0)), float(slopes.get(1, 0.0)), float(weights[-1])
    return 0.0, 0.0, float(np.log(wanted.mean() / (1 - wanted.mean())))


def _newton(points: Doubles, wanted: Doubles) -> Doubles:
    """Return the weights of a logistic curve, the offset last, by Newton's method with a ridge on the weights."""
    inputs = np.column_stack((points, np.ones(len(points))))
    ridge = np.diag([RIDGE] * points.shape[1] + [1e-6])
    weights = np.zeros(inputs.shape[1])
    for _ in range(NEWTON_STEPS):
        chance = 1.0 / (1.0 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (chance - wanted) + ridge @ weights
        bend = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + ridge
        change = np.linalg.solve(bend, gradient)
        weights = weights - change
        if np.abs(change).max() < 1e-9:
            break
    return np.asarray(weights)
