"""Searching the articles.

BM25 (bm25s) ranks, in two fields: how people ask, and what the answer says. Its figures have no scale, so the score
of a hit is computed apart and has a meaning: the share of the question, each word weighted by how rare it is among the
articles, that the article knows. 1 is all of it, 0 nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import bm25s
import numpy as np
from numpy.typing import NDArray

from core.knowledge.articles import Article
from core.knowledge.tokens import tokens

ANSWER_WEIGHT = 0.5
"""What a word is worth that only the answer has, not the questions; also the weight of that field's rank."""


CANDIDATES = 8
"""Best ranked articles whose scores are compared; of equal scores the better rank wins."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An article that may answer, with a score from 0 to 1."""

    article: Article
    score: float


class _Field:
    """One BM25 index over one text per article."""

    def __init__(self, texts: Sequence[list[str]]) -> None:
        self.words = [frozenset(text) for text in texts]
        self._index = bm25s.BM25() if any(texts) else None
        if self._index is not None:
            self._index.index([list(text) for text in texts], show_progress=False)

    def ranks(self, query: list[str]) -> NDArray[np.float32]:
        if self._index is None:
            return np.zeros(len(self.words), dtype=np.float32)
        return np.asarray(self._index.get_scores(query), dtype=np.float32)


class Library:
    """All articles of a desk, ready to be searched."""

    def __init__(self, articles: Sequence[Article]) -> None:
        self._articles = tuple(articles)
        self._by_id = {article.id: article for article in articles}
        self._questions = _Field([tokens(" ".join((a.title, *a.questions))) for a in articles])
        self._answers = _Field([tokens(a.text) for a in articles])
        self._rarity = self._rarities()

    def article(self, name: str, now: datetime) -> Article | None:
        """Return an article by its id, unless it is unknown or outside its dates."""
        found = self._by_id.get(name)
        return found if found is not None and found.is_valid(now) else None

    def search(self, text: str, now: datetime) -> Hit | None:
        """Return the best article that is valid now, or None when nothing in the text is known at all."""
        query = tokens(text)
        if not query or not self._articles:
            return None
        ranks = self._questions.ranks(query) + ANSWER_WEIGHT * self._answers.ranks(query)
        valid = (int(place) for place in np.argsort(-ranks, kind="stable") if self._may_answer(int(place), ranks, now))
        hits = [Hit(self._articles[place], self._share(set(query), place)) for place in islice(valid, CANDIDATES)]
        return max(hits, key=lambda hit: hit.score, default=None)

    def _may_answer(self, place: int, ranks: NDArray[np.float32], now: datetime) -> bool:
        return bool(ranks[place] > 0) and self._articles[place].is_valid(now)

    def _rarities(self) -> dict[str, float]:
        """Weigh each known word by the articles that know it; a word of one article only weighs most."""
        known = [asked | said for asked, said in zip(self._questions.words, self._answers.words, strict=True)]
        count = len(known)
        return {word: math.log(1 + count / sum(word in words for words in known)) for word in frozenset().union(*known)}

    @property
    def _rarest(self) -> float:
        return math.log(1 + max(len(self._articles), 1))

    def _share(self, query: set[str], place: int) -> float:
        weights = {word: self._rarity.get(word, self._rarest) for word in sorted(query)}
        asked, said = self._questions.words[place], self._answers.words[place]
        covered = sum(
            weight * (1.0 if word in asked else ANSWER_WEIGHT if word in said else 0.0)
            for word, weight in weights.items()
        )
        # Never divided by less than one telling word: "my order" alone, known to many articles, finds none for sure.
        return covered / max(sum(weights.values()), self._rarest)
