"""Each platform's text format -> harmless HTML, as its app would show it.

Everything that is not one of the few elements made here is escaped, so a reply cannot bring markup of its own.
"""

import re
from collections.abc import Callable, Iterable
from html import unescape

from markupsafe import Markup, escape

from channels.cuts import CODE, EMPHASIS, LINK
from channels.telegram.markup import Run, Tag, parse

TOKEN = re.compile(f"(?P<code>{CODE})|(?P<entity><[^<>\\n]*>)|(?P<link>{LINK})|(?P<run>{EMPHASIS})")
ELEMENTS = {"*": "b", "_": "i", "~": "s"}
TELEGRAM_ELEMENTS = {
    "b": "b",
    "strong": "b",
    "i": "i",
    "em": "i",
    "u": "u",
    "ins": "u",
    "s": "s",
    "strike": "s",
    "del": "s",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
"""Telegram's tags to ours; links are made apart, spoilers and custom emoji are shown as they read."""
HREF = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
HARMLESS_LINK = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)

Leaf = Callable[[str], Markup]


def plain_html(text: str) -> Markup:
    """Show plain text with its links, as mail programs and the chat page do.

    >>> plain_html("<b> https://example.org")
    Markup('&lt;b&gt; <a href="https://example.org" rel="noreferrer">https://example.org</a>')
    """
    return _join(_linked(text))


def whatsapp_html(text: str) -> Markup:
    """Show WhatsApp's format: `*bold*`, `_italic_`, `~struck~` and code (W23).

    >>> whatsapp_html("*Hi* <b> a*b*c")
    Markup('<b>Hi</b> &lt;b&gt; a*b*c')
    """
    return _formatted(text, entity=escape, leaf=escape)


def slack_html(text: str) -> Markup:
    """Show Slack's format: that of WhatsApp, entities in angle brackets, and escapes of `& < >` (S14).

    >>> slack_html("*Hi* <https://example.org|there> &lt;b&gt;")
    Markup('<b>Hi</b> <a href="https://example.org" rel="noreferrer">there</a> &lt;b&gt;')
    """
    return _formatted(text, entity=_slack_entity, leaf=_slack_leaf)


def telegram_html(text: str) -> Markup:
    """Show what Telegram makes of its HTML.

    >>> telegram_html('<b>Hi</b> <a href="javascript:x">there</a> <br>')
    Markup('<b>Hi</b> there &lt;br&gt;')
    """
    return _join(_telegram_run(run) for run in parse(text))


def _formatted(text: str, entity: Leaf, leaf: Leaf) -> Markup:
    pieces: list[Markup] = []
    at = 0
    for found in TOKEN.finditer(text):
        pieces += [leaf(text[at : found.start()]), _token(found, entity, leaf)]
        at = found.end()
    return _join([*pieces, leaf(text[at:])])


def _token(found: re.Match[str], entity: Leaf, leaf: Leaf) -> Markup:
    said = found[0]
    if found["code"]:
        is_block = said.startswith("```")
        inside = leaf(said[3:-3].strip("\n") if is_block else said[1:-1])
        return _element("pre" if is_block else "code", inside)
    if found["entity"]:
        return entity(said)
    if found["link"]:
        return _anchor(unescape(said), unescape(said))
    return _element(ELEMENTS[found["mark"]], _formatted(said[1:-1], entity, leaf))


def _slack_leaf(text: str) -> Markup:
    return escape(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


def _slack_entity(said: str) -> Markup:
    target, _, label = said[1:-1].partition("|")
    if target.startswith(("@", "#", "!")):
        return Markup("<b>{}</b>").format(label or target.lstrip("!"))
    return _anchor(unescape(target), unescape(label) or unescape(target))


def _telegram_run(run: Run) -> Markup:
    shown = _join(_linked(run.text)) if not any(tag.name == "a" for tag in run.tags) else escape(run.text)
    for tag in reversed(run.tags):
        shown = _inside(tag, shown)
    return shown


def _inside(tag: Tag, shown: Markup) -> Markup:
    if tag.name == "a" and (found := HREF.search(tag.opening)) is not None:
        return _anchor(unescape(found[1] or found[2] or found[3] or ""), shown)
    element = TELEGRAM_ELEMENTS.get(tag.name)
    return _element(element, shown) if element else shown


def _element(name: str, inside: Markup) -> Markup:
    return Markup(f"<{name}>{{}}</{name}>").format(inside)  # noqa: S704  the names are ours


def _linked(text: str) -> list[Markup]:
    pieces: list[Markup] = []
    at = 0
    for found in re.finditer(LINK, text):
        pieces += [escape(text[at : found.start()]), _anchor(found[0], found[0])]
        at = found.end()
    return [*pieces, escape(text[at:])]


def _anchor(target: str, label: str) -> Markup:
    """Make a link, of what may be one: a script behind `javascript:` is shown as its label."""
    if not HARMLESS_LINK.match(target):
        return escape(label)
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(target, label)


def _join(pieces: Iterable[Markup]) -> Markup:
    return Markup().join(pieces)
