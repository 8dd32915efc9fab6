"""A text as one vector of numbers: what a backend adds to the words and pieces that every intent model looks at.

The lexical backend has no encoder. Static vectors are looked up in a table, one row for each token; a transformer in a
folder of the operator satisfies the same protocol (`hub/encoders.py` reads both from disk).
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]


class Encoder(Protocol):
    """Turns a text into a vector; the same text always into the same."""

    @property
    def name(self) -> str:
        """Return what tells it from other encoders: a model trained with one cannot be read with another."""
        ...

    @property
    def size(self) -> int:
        """Return how many numbers a vector has."""
        ...

    @property
    def comparable(self) -> int:
        """Return how many of them, from the first on, have length one and are near for texts of like meaning."""
        ...

    def encode(self, text: str) -> Floats:
        """Return the vector of a text, shape (size,); zeros when nothing in it is known."""
        ...

    def is_word(self, word: str) -> bool:
        """Tell whether a lower-case word is known as a whole; such a word is no misspelling."""
        ...


class StaticVectors:
    """Three views of the vectors of a text's tokens, laid end to end: their mean, their greatest, their smallest.

    The mean alone forgets what only one word says; the two others keep it. Each view has length one.
    """

    def __init__(
        self, table: Halves, tokens: Callable[[str], Sequence[int]], is_word: Callable[[str], bool], name: str
    ) -> None:
        """Take the table, shape (tokens, dimensions), and the tokenizer whose numbers are its rows."""
        self._table = table
        self._tokens = tokens
        self._is_word = is_word
        self.name = name
        self.comparable = int(table.shape[1])
        self.size = 3 * self.comparable

    def encode(self, text: str) -> Floats:
        """Return the three views."""
        rows = self._tokens(text)
        if not rows:
            return np.zeros(self.size, dtype=np.float32)
        vectors = self._table[list(rows)].astype(np.float32)
        views = np.stack((vectors.mean(axis=0), vectors.max(axis=0), vectors.min(axis=0)))
        lengths = np.sqrt((views * views).sum(axis=1, keepdims=True))
        return np.asarray((views / np.maximum(lengths, 1e-9)).reshape(-1), dtype=np.float32)

    def is_word(self, word: str) -> bool:
        """Tell whether the tokenizer has a token for the whole word."""
        return self._is_word(word)
