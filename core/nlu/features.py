"""What the intent model sees of a text: words, pairs of words, and pieces of words.

Negation words stay: "not received" and "received" are different wishes (row 145).
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

WORD = re.compile(r"\w+(?:'\w+)*")
PIECE_SIZES = range(2, 5)
"""Lengths of word pieces in code points; pieces survive misspelling (NLU.md section 2, A2)."""


def normalized(text: str) -> str:
    r"""Fold what spelling does not mean: width and ligatures, typographic apostrophes, case.

    >>> normalized("It\u2019s NOT here")
    "it's not here"
    """
    return unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower()


def words(text: str) -> list[str]:
    """Return the words of a text and each pair of neighbours.

    >>> words("hasn't arrived")
    ["hasn't", 'arrived', "hasn't arrived"]
    """
    single = WORD.findall(normalized(text))
    return single + [f"{left} {right}" for left, right in pairwise(single)]


def pieces(text: str) -> list[str]:
    """Return the pieces of each word, its two edges marked by a space (as scikit-learn's `char_wb`).

    >>> pieces("ab")
    [' a', 'ab', 'b ', ' ab', 'ab ', ' ab ']
    """
    return [piece for word in normalized(text).split() for piece in _pieces_of(f" {word} ")]


def _pieces_of(word: str) -> Iterator[str]:
    for size in PIECE_SIZES:
        if len(word) <= size:
            yield word
            return
        for start in range(len(word) - size + 1):
            yield word[start : start + size]
