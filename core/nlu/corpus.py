"""Examples as the numbers that are learned from: counts of words and pieces, vectors, and the number of each intent."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.nlu.features import normalized, pieces, words
from core.nlu.vectors import Encoder, Floats

LabelledText = tuple[str, str]
"""A text and the name of its intent."""

Counts = Any
"""A SciPy matrix of counts, shape (examples, features); SciPy is imported only when something is learned."""


@dataclass(frozen=True)
class Features:
    """The counts of one kind of feature.

    Args:
        names: of the columns, sorted.
        counts: shape (examples, features).
    """

    names: tuple[str, ...]
    counts: Counts

    def idf(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the inverse document frequency among some examples; 0 of what none of them has."""
        seen = np.asarray((self.counts[rows] > 0).sum(axis=0)).reshape(-1)
        return np.where(seen > 0, np.log((1.0 + len(rows)) / (1.0 + seen)) + 1.0, 0.0)

    def weighed(self, rows: NDArray[np.int64], idf: NDArray[np.float64]) -> Counts:
        """Return the values of some examples, each of length one, as a reading computes them."""
        values = self.counts[rows].astype(np.float64)
        values.data = 1.0 + np.log(values.data)
        values = values.multiply(idf).tocsr()
        lengths = np.sqrt(np.asarray(values.multiply(values).sum(axis=1)).reshape(-1))
        values.data /= np.repeat(np.maximum(lengths, 1e-12), np.diff(values.indptr))
        return values


@dataclass(frozen=True)
class Corpus:
    """All examples.

    Args:
        texts: normalized.
        labels: number of each example's intent, shape (examples,).
        intents: names, sorted.
        words: counts of words and pairs.
        pieces: counts of pieces of words.
        vectors: shape (examples, size); size 0 without an encoder.
        comparable: how many of a vector's numbers, from the first on, are near for texts of like meaning.
    """

    texts: tuple[str, ...]
    labels: NDArray[np.int64]
    intents: tuple[str, ...]
    words: Features
    pieces: Features
    vectors: Floats
    comparable: int


def corpus_of(examples: Sequence[LabelledText], encoder: Encoder | None) -> Corpus:
    """Count and encode the examples."""
    texts = tuple(normalized(text) for text, _ in examples)
    intents = tuple(sorted({label for _, label in examples}))
    numbers = {name: number for number, name in enumerate(intents)}
    vectors = [encoder.encode(text) for text in texts] if encoder is not None else []
    return Corpus(
        texts=texts,
        labels=np.array([numbers[label] for _, label in examples], dtype=np.int64),
        intents=intents,
        words=_counted(texts, words),
        pieces=_counted(texts, pieces),
        vectors=np.stack(vectors) if vectors else np.zeros((len(texts), 0), dtype=np.float32),
        comparable=encoder.comparable if encoder is not None else 0,
    )


def _counted(texts: Sequence[str], features: Callable[[str], list[str]]) -> Features:
    from scipy.sparse import csr_matrix

    columns: dict[str, int] = {}
    ends, indices, counts = [0], list[int](), list[int]()
    for text in texts:
        for feature, count in Counter(features(text)).items():
            indices.append(columns.setdefault(feature, len(columns)))
            counts.append(count)
        ends.append(len(indices))
    names = sorted(columns)
    place = np.empty(len(names), dtype=np.int32)
    place[[columns[name] for name in names]] = np.arange(len(names), dtype=np.int32)
    shape = (len(texts), len(names))
    matrix = csr_matrix((np.array(counts, dtype=np.int32), place[np.array(indices, dtype=np.int64)], ends), shape=shape)
    return Features(tuple(names), matrix)
