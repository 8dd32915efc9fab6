"""A long text in parts that Messenger takes. Pure."""

import unicodedata

SEAMS = ("\n\n", "\n", " ")
"""Where a text is cut, best place first: between paragraphs, lines, words."""
JOINER = "\u200d"
TIED = frozenset("\u200c\u200d\ufe0e\ufe0f") | {chr(tone) for tone in range(0x1F3FB, 0x1F400)}
"""What belongs to the character before it: joiners, variation selectors, skin tones."""


def utf16_units(text: str) -> int:
    r"""Count a text as Messenger's clients do.

    >>> utf16_units("a\U0001f600")
    3
    """
    return len(text) + sum(char > "\uffff" for char in text)


def split_text(text: str, limit: int) -> tuple[str, ...]:
    r"""Cut a text into parts of at most `limit` UTF-16 units; only white space at the cuts is dropped.

    >>> split_text("One two. Three four.", 12)
    ('One two.', 'Three four.')
    >>> split_text("e\u0301" * 3, 5) == ("e\u0301e\u0301", "e\u0301")
    True
    """
    parts: list[str] = []
    rest = text.strip()
    while utf16_units(rest) > limit:
        end = _cut(rest, _fitting(rest, limit))
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return (*parts, rest) if rest else tuple(parts)


def _fitting(text: str, limit: int) -> int:
    """Return how many characters of a too long text fill `limit` units."""
    end = limit
    while utf16_units(text[:end]) > limit:
        end -= 1
    return end


def _cut(text: str, end: int) -> int:
    """Return where the first part ends: at the best seam that leaves it at least half full, else at any."""
    for least in (end // 2, 1):
        for seam in SEAMS:
            if (at := text.rfind(seam, least, end + len(seam))) >= least:
                return at
    return _whole_characters(text, end)


def _whole_characters(text: str, end: int) -> int:
    """Step back until no visible character is cut; one that is longer than a message is cut all the same."""
    at = end
    while at > 0 and (text[at] in TIED or text[at - 1] == JOINER or unicodedata.category(text[at]).startswith("M")):
        at -= 1
    return at or end
