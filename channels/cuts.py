"""Where a long text may be cut: never through a visible character, a link, code or a formatted run. Pure (F055, T14).

Each platform counts in its own units and has its own syntax; what a reader sees as one piece is the same everywhere.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, takewhile

Measure = Callable[[str], int]
"""Counts a text in a platform's own units; what it says of two texts together is the sum of both."""
Span = tuple[int, int]
"""Start and end of what must stay whole."""

ZERO_WIDTH_JOINER = "\u200d"
EXTENDING = frozenset("\u200c\u200d\u0e33\u0eb3\uff9e\uff9f")
"""Extend and SpacingMark that no category tells: joiners, Thai and Lao am, halfwidth voiced marks (UAX 29)."""
MARKS = frozenset({"Mn", "Mc", "Me"})
SKIN_TONES = range(0x1F3FB, 0x1F400)
TAGS = range(0xE0020, 0xE0080)
"""Spell the flags of regions, after a black flag."""
FLAGS = range(0x1F1E6, 0x1F200)
"""Regional indicators: two of them are one flag."""
PREPENDED = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e")
"""Signs that stand before the character that they belong to (UAX 29, Prepend)."""
VIRAMA = 9
"""Canonical combining class of the marks that join two consonants."""
HANGUL_LEADING = (range(0x1100, 0x1160), range(0xA960, 0xA97D))
HANGUL_VOWELS = (range(0x1160, 0x11A8), range(0xD7B0, 0xD7C7))
HANGUL_TRAILING = (range(0x11A8, 0x1200), range(0xD7CB, 0xD7FC))
HANGUL_SYLLABLES = (range(0xAC00, 0xD7A4),)
MAX_CLUSTER = 64
"""Code points that one visible character may reasonably take; longer ones are stacked on purpose and are cut."""

LINK = r"https?://[^\s<>\"]+"
CODE = r"```[\s\S]+?```|`[^`\n]+`"
EMPHASIS = r"(?<![\w*_~])(?P<mark>[*_~])(?=[^\s*_~])[^\n]{0,200}?(?<=\S)(?P=mark)(?![\w*_~])"
"""`*bold*`, `_italic_` and `~struck~` as Slack and WhatsApp read them: in one line, no letter beside. 200 is ours."""
LINKS = re.compile(LINK)
FORMATTED = re.compile(f"{CODE}|{LINK}|{EMPHASIS}")
SEAMS = (
    re.compile(r"\n[ \t]*\n\s*"),
    re.compile(r"\n\s*"),
    re.compile(r"(?<=[.!?\u2026\u3002\uff01\uff1f])\s+"),
    re.compile(r"\s+"),
)
"""Where a text may be cut, best place first: between paragraphs, lines, sentences, words."""
MIN_FILL = 0.5
"""A part is at least so full, unless only a word's end is found: a better place is not worth many more messages."""


def utf16_units(text: str) -> int:
    r"""Count as Telegram, and JavaScript, do (T12).

    >>> utf16_units("a\U0001f600")
    3
    """
    return len(text) + sum(char > "\uffff" for char in text)


def utf8_bytes(text: str) -> int:
    r"""Count the bytes that a text takes on its way.

    >>> utf8_bytes("a\u00e4\U0001f600")
    7
    """
    return len(text.encode("utf-8", "surrogatepass"))


def is_between_characters(text: str, at: int) -> bool:
    r"""Tell whether a reader sees one character end before `at` and another begin there (UAX 29, simplified).

    >>> [is_between_characters("e\u0301x", at) for at in (1, 2)]
    [False, True]
    >>> [is_between_characters("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", at) for at in (1, 2, 3)]
    [False, True, False]
    """
    if not 0 < at < len(text):
        return True
    before, after = text[at - 1], text[at]
    if before.isascii() and after.isascii():
        return (before, after) != ("\r", "\n")
    return not (
        _extends(after)
        or before == ZERO_WIDTH_JOINER
        or before in PREPENDED
        or _is_half_a_flag(text, at)
        or _is_one_syllable(before, after)
        or (unicodedata.combining(before) == VIRAMA and unicodedata.category(after) == "Lo")
    )


def _extends(char: str) -> bool:
    code = ord(char)
    return char in EXTENDING or unicodedata.category(char) in MARKS or code in SKIN_TONES or code in TAGS


def _is_half_a_flag(text: str, at: int) -> bool:
    if ord(text[at]) not in FLAGS:
        return False
    first = at
    while first > 0 and ord(text[first - 1]) in FLAGS:
        first -= 1
    return (at - first) % 2 == 1


def _is_one_syllable(before: str, after: str) -> bool:
    """Tell whether two parts of a Korean syllable belong together."""
    if _among(before, HANGUL_LEADING):
        return _among(after, HANGUL_LEADING + HANGUL_VOWELS + HANGUL_SYLLABLES)
    if _among(before, HANGUL_VOWELS + HANGUL_SYLLABLES):
        return _among(after, HANGUL_TRAILING) or (_among(after, HANGUL_VOWELS) and not _is_closed(before))
    return _among(before, HANGUL_TRAILING) and _among(after, HANGUL_TRAILING)


def _is_closed(syllable: str) -> bool:
    """Tell whether a precomposed syllable has its last consonant already."""
    return _among(syllable, HANGUL_SYLLABLES) and (ord(syllable) - 0xAC00) % 28 != 0


def _among(char: str, ranges: tuple[range, ...]) -> bool:
    return any(ord(char) in codes for codes in ranges)


def whole_characters(text: str, end: int, start: int = 0) -> int:
    r"""Step back from `end` until no visible character is cut, but not to `start`.

    >>> whole_characters("ab\U0001f44d\U0001f3fd", 3)
    2
    """
    for at in range(end, max(start, end - MAX_CLUSTER), -1):
        if is_between_characters(text, at):
            return at
    return end


def kept_whole(pattern: re.Pattern[str], text: str, until: int) -> list[Span]:
    """Return what must not be cut among the first `until` characters, but for what is longer than those alone.

    >>> kept_whole(LINKS, "see https://example.org/a now", 25)
    [(4, 25)]
    """
    return list(_kept(pattern, text, until))


def _kept(pattern: re.Pattern[str], text: str, until: int) -> Iterator[Span]:
    at = 0
    while (found := pattern.search(text, at, 2 * until)) is not None and found.start() < until:
        is_too_long = found.end() - found.start() > until
        if not is_too_long:
            yield found.span()
        at = found.start() + 3 if is_too_long else found.end()


def out_of(spans: Sequence[Span], end: int) -> int:
    """Move a cut out of what it would go through: before it, or behind it where nothing is before.

    >>> out_of([(4, 25)], 20), out_of([(4, 25)], 25), out_of([(0, 9)], 5)
    (4, 25, 9)
    """
    return next((start or stop for start, stop in spans if start < end < stop), end)


def split_plain(text: str, limit: int, measure: Measure = len, whole: re.Pattern[str] = LINKS) -> tuple[str, ...]:
    """Cut a text into parts of at most `limit` units; only white space at the cuts is dropped.

    Args:
        text: what may be too long.
        limit: in the units that `measure` counts.
        measure: never less than the number of code points.
        whole: what is not cut, unless it fills a part alone.

    >>> split_plain("One two. Three four.", 12)
    ('One two.', 'Three four.')
    """
    parts = []
    rest = text.strip()
    while len(rest) > limit or measure(rest) > limit:
        end = _cut(rest, _fitting(rest, limit, measure), whole)
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return (*parts, rest) if rest else tuple(parts)


def _fitting(text: str, limit: int, measure: Measure) -> int:
    """Return how many characters of the text fill `limit` units."""
    units = accumulate(measure(char) for char in text[: limit + 1])
    return max(sum(1 for _ in takewhile(limit.__ge__, units)), 1)


def _cut(text: str, end: int, whole: re.Pattern[str]) -> int:
    """Return where the first part of a too long text ends: an index between 1 and what fits."""
    spans = kept_whole(whole, text, end)
    least, last = int(end * MIN_FILL), 0
    for seam in SEAMS:
        places = (found.start() for found in seam.finditer(text, 0, end + 1) if found.start() <= end)
        last = max((place for place in places if out_of(spans, place) == place), default=0)
        if last > least:
            return last
    return last or whole_characters(text, out_of(spans, end))
