"""Data that no form and no list tells, learned from marked examples: "my name is [Ann Lee]".

A conditional random field over words (CRFsuite) tags each word as the beginning of a value, a part of it, or neither.
What is seen of a word is its letters, its shape and its neighbours.
"""

import re
from collections.abc import Callable, Sequence

Spans = list[tuple[int, int]]

MARK = re.compile(r"\[([^\[\]]+)\]")
PART = re.compile(r"\w+|[^\w\s]")
BEGINS, GOES_ON, OUTSIDE = "B", "I", "O"


def unmarked(example: str) -> tuple[str, Spans]:
    """Return the text of an example, and the spans that its brackets mark.

    >>> unmarked("my name is [Ann Lee].")
    ('my name is Ann Lee.', [(11, 18)])
    """
    spans: Spans = []
    for count, match in enumerate(MARK.finditer(example)):
        start = match.start() - 2 * count
        spans.append((start, start + len(match[1])))
    return MARK.sub(r"\1", example), spans


def parts(text: str) -> list[tuple[int, int, str]]:
    """Return the words and signs of a text, with their spans."""
    return [(match.start(), match.end(), match.group()) for match in PART.finditer(text)]


def tags(text: str, spans: Spans) -> list[str]:
    """Return the tag of each part.

    >>> tags("I am Ann Lee", [(5, 12)])
    ['O', 'O', 'B', 'I']
    """
    return [_tag(start, end, spans) for start, end, _ in parts(text)]


def _tag(start: int, end: int, spans: Spans) -> str:
    inside = next((span for span in spans if span[0] <= start and end <= span[1]), None)
    if inside is None:
        return OUTSIDE
    return BEGINS if start == inside[0] else GOES_ON


def seen(text: str) -> list[list[str]]:
    """Return what the field sees of each part."""
    words = [word for *_, word in parts(text)]
    return [
        [feature for offset in range(-2, 3) for feature in _seen_at(words, place, offset)]
        for place in range(len(words))
    ]


def _seen_at(words: Sequence[str], place: int, offset: int) -> list[str]:
    at = place + offset
    if not 0 <= at < len(words):
        return [f"{offset}:edge"]
    word = words[at]
    low = word.lower()
    features = [f"{offset}:{low}", f"{offset}:shape={_shape(word)}"]
    return features if offset else [*features, f"begins={low[:3]}", f"ends={low[-3:]}"]


def _shape(word: str) -> str:
    """Return the kind of a word's letters, in short.

    >>> _shape("Ann"), _shape("A-12"), _shape("2")
    ('Xx', 'X-9', '9')
    """
    kinds = ["9" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in word]
    return "".join(kind for place, kind in enumerate(kinds) if place == 0 or kinds[place - 1] != kind)


def values(text: str, tag: Callable[[list[list[str]]], Sequence[str]]) -> list[tuple[int, int, str]]:
    """Return the span and the words of each value that is tagged; a value keeps its case."""
    found: Spans = []
    for (start, end, _), own in zip(parts(text), tag(seen(text)), strict=True):
        if own == BEGINS or (own == GOES_ON and not found):
            found.append((start, end))
        elif own == GOES_ON and found[-1][1] >= start - 1:
            found[-1] = (found[-1][0], end)
    return [(start, end, text[start:end]) for start, end in found]
