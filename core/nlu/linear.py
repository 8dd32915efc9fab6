"""The part of the intent model that weighs words, pieces of words and the vector: one linear border for each intent.

Reading is dictionary look-ups, one gather of rows and one sum: scikit-learn's own transform takes ten times as long
for a single text (NLU.md section 9, trap 4). What a word's pieces are is remembered, for most words come again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from core.nlu.features import WORD, pieces
from core.nlu.vectors import Floats

REMEMBERED_WORDS = 20_000
"""Words whose pieces are kept, about 10 MB at most."""

ONE = np.float32(1)


@dataclass(frozen=True)
class Linear:
    """One-vs-rest borders over TF-IDF features and, where there is an encoder, over its vector.

    Args:
        vocabularies: the words, then the pieces; a feature's row is its place in the two lists laid end to end.
        idf: inverse document frequency, shape (features,).
        weights: shape (features, intents).
        bias: shape (intents,).
        vector_weights: shape (comparable numbers of a vector, intents); none without an encoder.
    """

    vocabularies: tuple[tuple[str, ...], tuple[str, ...]]
    idf: Floats
    weights: Floats
    bias: Floats
    vector_weights: Floats

    def margins(self, text: str, vector: Floats | None) -> Floats:
        """Return the signed distance of a normalized text from each intent's border, shape (intents,)."""
        parts = [self._weighed(rows) for rows in self._rows(text) if rows]
        total = self.bias if vector is None else self.bias + vector[: len(self.vector_weights)] @ self.vector_weights
        if not parts:
            return total
        values = np.concatenate([value for _, value in parts])
        index = np.concatenate([row for row, _ in parts])
        return np.asarray(total + values @ self.weights[index], dtype=np.float32)

    def _weighed(self, rows: Sequence[int]) -> tuple[NDArray[np.int64], Floats]:
        """Return each known feature's row and its value; the values of a kind have length one together."""
        counts = Counter(rows)
        index = np.fromiter(counts, dtype=np.int64, count=len(counts))
        values: Floats = self.idf[index]
        if len(counts) < len(rows):
            uses = np.fromiter(counts.values(), dtype=np.float32, count=len(counts))
            values = np.asarray(values * (ONE + np.log(uses)), dtype=np.float32)
        return index, values / np.sqrt(np.dot(values, values))

    def _rows(self, text: str) -> tuple[list[int], list[int]]:
        single = WORD.findall(text)
        both = chain(single, (f"{left} {right}" for left, right in pairwise(single)))
        return _known(self._word_rows, both), list(chain.from_iterable(map(self._rows_of_pieces, text.split())))

    @cached_property
    def _word_rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.vocabularies[0])}

    @cached_property
    def _rows_of_pieces(self) -> Callable[[str], list[int]]:
        rows = {piece: row for row, piece in enumerate(self.vocabularies[1], start=len(self.vocabularies[0]))}
        return lru_cache(REMEMBERED_WORDS)(lambda word: _known(rows, pieces(word)))


def _known(rows: dict[str, int], features: Iterable[str]) -> list[int]:
    return [row for feature in features if (row := rows.get(feature)) is not None]
