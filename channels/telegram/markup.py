"""Telegram's HTML: read it into runs of text, cut it to parts, write it so that it always parses.

Source: core.telegram.org/bots/api#html-style. Written text is escaped anew, so no template can make Telegram refuse
a message by a stray `<` or an unclosed tag (T13).
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from channels.cuts import LINKS, Span, utf16_units, whole_characters

TAGS = frozenset(
    "b strong i em u ins s strike del code pre a tg-spoiler span blockquote tg-emoji".split()  # noqa: SIM905  shorter
)
TOKEN = re.compile(r"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9-]*)(?P<attributes>\s[^<>]*)?>|[^<]+|<")
ASTRAL = 0xFFFF
"""Code points above it take two UTF-16 units."""
SENTENCE_END = re.compile(r"[.!?\u2026][\"')\u00bb\u201d]?(?=\s)")
WHITESPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Tag:
    """An open tag; `serial` keeps two neighbours of the same name apart."""

    name: str
    opening: str
    serial: int


@dataclass(frozen=True, slots=True)
class Run:
    """Plain text that stands inside the same tags, outermost first."""

    text: str
    tags: tuple[Tag, ...] = ()


def escape_html(text: str) -> str:
    """Make a variable harmless in Telegram's HTML, in text and in an attribute.

    >>> escape_html('<a href="x">&')
    '&lt;a href=&quot;x&quot;&gt;&amp;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def parse(markup: str) -> tuple[Run, ...]:
    """Read HTML into runs. What is no tag of Telegram's is text; closing tags without an opening one vanish."""
    runs: list[Run] = []
    open_tags: tuple[Tag, ...] = ()
    for serial, token in enumerate(TOKEN.finditer(markup)):
        name = (token["name"] or "").lower()
        if name not in TAGS:
            runs.append(Run(html.unescape(token[0]), open_tags))
        elif token["close"]:
            open_tags = _closed(open_tags, name)
        else:
            open_tags = (*open_tags, Tag(name, f"<{name}{token['attributes'] or ''}>", serial))
    return tuple(runs)


def _closed(open_tags: tuple[Tag, ...], name: str) -> tuple[Tag, ...]:
    """Close the innermost tag of that name and all inside it."""
    places = [place for place, tag in enumerate(open_tags) if tag.name == name]
    return open_tags[: places[-1]] if places else open_tags


def plain_text(markup: str) -> str:
    """Return the words without their markup.

    >>> plain_text("<b>1 &lt; 2</b>")
    '1 < 2'
    """
    return "".join(run.text for run in parse(markup))


def to_html(runs: tuple[Run, ...]) -> str:
    """Write runs as balanced HTML with all text escaped."""
    written: list[str] = []
    open_tags: tuple[Tag, ...] = ()
    for run in runs:
        written += _change(open_tags, run.tags)
        written.append(escape_html(run.text))
        open_tags = run.tags
    return "".join((*written, *_change(open_tags, ())))


def _change(old: tuple[Tag, ...], new: tuple[Tag, ...]) -> Iterator[str]:
    """Close what ends and open what begins between two runs."""
    kept = 0
    while kept < min(len(old), len(new)) and old[kept] == new[kept]:
        kept += 1
    yield from (f"</{tag.name}>" for tag in reversed(old[kept:]))
    yield from (tag.opening for tag in new[kept:])


def split_html(markup: str, max_utf16_units: int) -> tuple[str, ...]:
    """Cut HTML into parts of at most that many UTF-16 units after parsing (T12, T14), each balanced by itself.

    Cuts at a paragraph, else a line, a sentence, a word, else between two visible characters, and not inside an entity
    or a link that one part can hold: only in longer ones, whose tags are closed there and opened again. Only whitespace
    at a cut is dropped.

    >>> split_html("<b>one two</b>", 4)
    ('<b>one</b>', '<b>two</b>')
    """
    runs = parse(markup)
    plain = "".join(run.text for run in runs)
    spans = _kept_whole(runs, plain, max_utf16_units)
    return tuple(to_html(_slice(runs, start, end)) for start, end in _spans(plain, spans, max_utf16_units))


def _kept_whole(runs: tuple[Run, ...], plain: str, max_units: int) -> list[Span]:
    """Return what stands inside one tag, or is a bare link, and fits a part; the outermost come first."""
    inside: dict[Tag, Span] = {}
    offset = 0
    for run in runs:
        end = offset + len(run.text)
        inside |= {tag: (inside.get(tag, (offset, end))[0], end) for tag in run.tags}
        offset = end
    spans = [*inside.values(), *(found.span() for found in LINKS.finditer(plain))]
    return sorted((span for span in spans if utf16_units(plain[slice(*span)]) <= max_units), key=_outermost_first)


def _outermost_first(span: Span) -> tuple[int, int]:
    return span[0], -span[1]


def _slice(runs: tuple[Run, ...], start: int, end: int) -> tuple[Run, ...]:
    """Return what stands between two offsets, in code points of the plain text."""
    sliced: list[Run] = []
    offset = 0
    for run in runs:
        text = run.text[max(0, start - offset) : max(0, end - offset)]
        if text:
            sliced.append(Run(text, run.tags))
        offset += len(run.text)
    return tuple(sliced)


def _spans(plain: str, whole: Sequence[Span], max_units: int) -> Iterator[Span]:
    """Yield start and end of each part, without the whitespace around it."""
    start = _skip_space(plain, 0)
    while start < len(plain):
        end = furthest = _furthest(plain, start, max_units)
        if end < len(plain):
            end = min(_outside(whole, start, _seam(plain, start, end)), furthest)
        yield start, start + len(plain[start:end].rstrip())
        start = _skip_space(plain, end)


def _outside(whole: Sequence[Span], start: int, cut: int) -> int:
    """Move a cut before the outermost span that it would go through, or behind one with which the part begins."""
    spans = ((first, last) for first, last in whole if first < cut < last)
    return next((first if first > start else last for first, last in spans), cut)


def _skip_space(plain: str, start: int) -> int:
    return len(plain) - len(plain[start:].lstrip())


def _furthest(plain: str, start: int, max_units: int) -> int:
    """Return the end of the longest text from `start` that fits; at least one character."""
    units = 0
    for end in range(start, min(len(plain), start + max_units)):
        units += 2 if ord(plain[end]) > ASTRAL else 1
        if units > max_units:
            return max(end, start + 1)
    return min(len(plain), start + max_units)


def _seam(plain: str, start: int, end: int) -> int:
    """Find the best place to cut at or before `end`; the coarser ones only where they do not leave half a part."""
    half = start + (end - start) // 2
    for separator in ("\n\n", "\n"):
        if (place := plain.rfind(separator, half, end + 1)) > start:
            return place
    ends = [found.end() for found in SENTENCE_END.finditer(plain, half, end + 1)]
    if ends and ends[-1] <= end:
        return ends[-1]
    spaces = [found.start() for found in WHITESPACE.finditer(plain, start + 1, end + 1)]
    return spaces[-1] if spaces else whole_characters(plain, end, start)
