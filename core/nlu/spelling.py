"""Mending misspelt words before the intent model reads a text: "wher is my oder" asks what "where is my order" asks.

A word of four letters or more that no example uses twice and that is no word of its own becomes the nearest word of the
examples: one letter added, left out, exchanged or swapped; two in long words (NLU.md section 4). The raw text stays.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from core.nlu.features import WORD, normalized

MIN_LETTERS = 4
LONG_WORD = 7
"""From so many letters on two mistakes are forgiven."""
MIN_USES = 2
"""A word that the examples use once may itself be misspelt."""
REMEMBERED_WORDS = 20_000


def vocabulary(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the words to mend with, most frequent first."""
    uses = Counter(word for text in texts for word in WORD.findall(normalized(text)))
    return tuple(word for word, count in uses.most_common() if count >= MIN_USES)


class Speller:
    """Mends words by a vocabulary."""

    def __init__(self, words: Iterable[str], is_word: Callable[[str], bool]) -> None:
        """Take the words, most frequent first, and what else is known to be no misspelling."""
        words = tuple(words)
        self._known = frozenset(words)
        self._candidates = [word for word in words if len(word) >= MIN_LETTERS - 1 and word.isalpha()]
        self._is_word = is_word
        self._mend = lru_cache(REMEMBERED_WORDS)(self._mended)

    def mend(self, text: str) -> str:
        """Return a normalized text with its misspelt words mended."""
        return WORD.sub(lambda match: self._mend(match.group()), text)

    def _mended(self, word: str) -> str:
        if len(word) < MIN_LETTERS or word in self._known or not word.isalpha() or self._is_word(word):
            return word
        allowed = 2 if len(word) >= LONG_WORD else 1
        found = process.extractOne(word, self._candidates, scorer=OSA.distance, score_cutoff=allowed)
        return found[0] if found is not None else word
