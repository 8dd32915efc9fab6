"""The wishes of a message, when there is more than one: "cancel my order and tell me where the lamp is"."""

import re
from collections.abc import Callable, Iterator

from core.nlu.model import Reading
from core.understanding import OUT_OF_SCOPE, Wish

BORDER = re.compile(
    r"[.!?;\n]+\s*|,?\s+(?:and|also|plus|but|then|und|au\u00dferdem|aber|oder|or)\s+"
    r"|,\s+(?=(?:can|could|please|how|what|where|when|why|i|bitte|wie|wo|wann|warum|ich)\b)",
    re.IGNORECASE,
)
MIN_WORDS = 2
SURE = 0.6
"""How sure the reading of a part must be to count as a wish of its own."""
MAX_PARTS = 8
"""Of a longer message only the beginning is taken apart."""


def clauses(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of the parts of a text that may be wishes of their own.

    >>> list(clauses("cancel it and where is A-1"))
    [(0, 9), (14, 26)]
    """
    last = 0
    for match in BORDER.finditer(text):
        if len(text[last : match.start()].split()) >= MIN_WORDS:
            yield last, match.start()
            last = match.end()
    if len(text[last:].split()) >= MIN_WORDS:
        yield last, len(text)


def wishes(text: str, read: Callable[[str], Reading]) -> tuple[Wish, ...]:
    """Return the wishes of a text, each once, in order; none when there are fewer than two."""
    parts = list(clauses(text))[:MAX_PARTS]
    if len(parts) < 2:
        return ()
    found: dict[str, Wish] = {}
    for start, end in parts:
        reading = read(text[start:end])
        best = reading.intents[0]
        if reading.in_scope and best.confidence >= SURE and best.name != OUT_OF_SCOPE:
            found.setdefault(best.name, Wish(name=best.name, confidence=best.confidence, start=start, end=end))
    return tuple(found.values()) if len(found) > 1 else ()
