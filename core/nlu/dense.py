"""The part of the intent model that looks at the vector alone: a small network, and the nearest examples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.nlu.vectors import Floats

NEIGHBOURS = 5
"""How many of the nearest examples tell how near a text is to all we know (NLU.md section 5, kNN5)."""
LOOKED_THROUGH = 8
"""Intents whose examples are compared: the best ones. The nearest examples lie there; looking through all of 15,000
would take longer than the rest of the reading."""


@dataclass(frozen=True)
class Network:
    """One hidden layer of rectified units.

    Args:
        first: weights, shape (size of a vector, units), and bias, shape (units,).
        second: weights, shape (units, intents), and bias, shape (intents,).
    """

    first: tuple[Floats, Floats]
    second: tuple[Floats, Floats]

    def log_probabilities(self, vector: Floats) -> Floats:
        """Return the logarithm of each intent's share, shape (intents,) or (texts, intents)."""
        hidden = np.maximum(vector @ self.first[0] + self.first[1], 0.0)
        raw = hidden @ self.second[0] + self.second[1]
        top = raw.max(axis=-1, keepdims=True)
        return np.asarray(raw - top - np.log(np.exp(raw - top).sum(axis=-1, keepdims=True)), dtype=np.float32)


@dataclass(frozen=True)
class Neighbours:
    """The vectors of all examples, those of an intent together.

    Args:
        vectors: shape (examples, comparable numbers).
        starts: shape (intents + 1,): where the examples of each intent begin, and the end.
    """

    vectors: Floats
    starts: NDArray[np.int64]

    def nearness(self, vector: Floats, margins: Floats) -> float:
        """Return the mean cosine of the nearest examples among those of the intents with the best margins."""
        count = min(LOOKED_THROUGH, len(margins))
        best = np.argpartition(-margins, count - 1)[:count]
        own = vector[: self.vectors.shape[1]]
        cosines = [self.vectors[self.starts[intent] : self.starts[intent + 1]] @ own for intent in best.tolist()]
        return float(np.sort(np.concatenate(cosines))[-NEIGHBOURS:].mean())
