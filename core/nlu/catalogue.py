"""Names out of a list, misspelt or not: products, and whatever else a desk has names for."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from core.nlu.features import WORD

MIN_LETTERS = 4
"""A shorter word must be right: "it" is not "not"."""
LETTERS_PER_MISTAKE = 5
"""A whole name of ten letters may hold two mistakes, one of fewer than five none."""
REMEMBERED_WORDS = 20_000

Words = tuple[str, ...]


class Catalogue:
    """Finds names; each stands for one value."""

    def __init__(self, entries: Mapping[str, Sequence[str]]) -> None:
        """Take the values, each with the ways in which people write it; the value itself is one of them."""
        self._values = {_folded(name): value for value, names in entries.items() for name in (value, *names)}
        self._starting: dict[str, list[Words]] = {}
        for name in sorted(self._values, key=len, reverse=True):
            self._starting.setdefault(name[0], []).append(name)
        self._known = sorted({word for name in self._values for word in name})
        self._meant = lru_cache(REMEMBERED_WORDS)(self._words_meant)

    def find(self, text: str) -> list[tuple[int, int, str]]:
        """Return the span and the value of each name; of names that begin alike the one with more words."""
        words = [(match.start(), match.end(), match.group()) for match in WORD.finditer(text.lower())]
        found: list[tuple[int, int, str]] = []
        end = 0
        for place, (start, _, word) in enumerate(words):
            if start >= end and (meant := self._meant(word)):
                name = self._name([following for *_, following in words[place:]], meant)
                if name is not None:
                    end = words[place + len(name) - 1][1]
                    found.append((start, end, self._values[name]))
        return found

    def _name(self, words: Sequence[str], first: Words) -> Words | None:
        """Return the longest name that these words begin with."""
        names = [name for word in first for name in self._starting.get(word, ())]
        return next((name for name in sorted(names, key=len, reverse=True) if self._is(name, words)), None)

    def _is(self, name: Words, words: Sequence[str]) -> bool:
        if len(words) < len(name) or not all(
            part in self._meant(word) for part, word in zip(name, words, strict=False)
        ):
            return False
        mistakes = sum(OSA.distance(part, word) for part, word in zip(name, words, strict=False))
        return mistakes * LETTERS_PER_MISTAKE <= sum(map(len, name))

    def _words_meant(self, word: str) -> Words:
        """Return the words of names that a word may stand for."""
        if len(word) < MIN_LETTERS:
            return (word,) if word in self._known else ()
        allowed = max(1, len(word) // LETTERS_PER_MISTAKE)
        near = process.extract(word, self._known, scorer=OSA.distance, score_cutoff=allowed, limit=None)
        return tuple(known for known, distance, _ in near if distance == 0 or len(known) >= MIN_LETTERS)


def _folded(name: str) -> Words:
    return tuple(WORD.findall(name.lower()))
