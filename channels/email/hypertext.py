"""HTML of a mail -> text, whole and without the quoted history. Pure.

What a reader cannot see is dropped (preheaders, texts written for a machine: CHANNELS 4.2); quotes are known by the
marks of the clients (CHANNELS 4.6).
"""

import re
from typing import Any, NamedTuple

from inscriptis.html_engine import Inscriptis
from inscriptis.model.config import ParserConfig
from lxml import etree  # type: ignore[import-untyped]  # ships no types
from lxml import html as lxml_html

from channels.email.mime import clean_block
from channels.email.quoting import without_attribution

INVISIBLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|font-size\s*:\s*0(?:px|pt|em)?\s*(?:;|!|$)"
    r"|max-height\s*:\s*0(?:px)?\s*(?:;|!|$)|opacity\s*:\s*0\s*(?:;|!|$)",
    re.IGNORECASE,
)
UNREAD_TAGS = ("style", "script", "head", "template", "noscript", "title", "object", "svg")
QUOTES = (
    "//blockquote[@type='cite' or contains(@class, 'gmail_quote') or @cite or contains(@id, 'mail-editor-reference')]"
    " | //*[contains(@class, 'gmail_attr') or contains(@class, 'moz-cite-prefix') or contains(@class, 'yahoo_quoted')"
    " or contains(@class, 'protonmail_quote') or contains(@class, 'tutanota_quote')]"
)
"""Elements that hold quoted text; a person's answers between them stay."""
HISTORY_STARTS = (
    "//*[@id='divRplyFwdMsg' or @id='appendonsend' or @id='OLK_SRC_BODY_SECTION' or @id='reply-intro'"
    " or contains(@class, 'OutlookMessageHeader') or contains(@class, 'ms-outlook-mobile-reference-message')]"
)
"""Elements after which only history follows."""


class Hypertext(NamedTuple):
    """The text of an HTML part."""

    whole: str
    unquoted: str
    """Without quoted history; equal to `whole` where no client's mark was found."""


def read_html(source: str) -> Hypertext:
    """Convert HTML to text.

    >>> read_html("<p>Yes.</p><p style='display:none'>hid</p><blockquote type=cite>Do you?</blockquote>").unquoted
    'Yes.'
    """
    tree = _tree(source)
    if tree is None:
        return Hypertext("", "")
    _drop(tree, [element for element in tree.iter() if _is_unseen(element)])
    whole = _as_text(tree)
    quotes = tree.xpath(QUOTES)
    starts = tree.xpath(HISTORY_STARTS)
    if not quotes and not starts:
        return Hypertext(whole, whole)
    for start in starts:
        _drop_onwards(start)
    _drop(tree, quotes)
    return Hypertext(whole, without_attribution(_as_text(tree)) or whole)


def _tree(source: str) -> Any:
    """Return the document, or None where there is nothing in it."""
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        return lxml_html.document_fromstring(source.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None


def _is_unseen(element: Any) -> bool:
    if element.tag in UNREAD_TAGS or "hidden" in element.attrib:
        return True
    style = element.get("style")
    return style is not None and INVISIBLE.search(style) is not None


def _drop(tree: Any, elements: list[Any]) -> None:
    for element in elements:
        if element is not tree and element.getparent() is not None:
            element.drop_tree()


def _drop_onwards(start: Any) -> None:
    """Drop an element and all that follows beside it."""
    parent = start.getparent()
    if parent is None:
        return
    for element in [start, *start.itersiblings()]:
        parent.remove(element)


def _as_text(tree: Any) -> str:
    try:
        text = Inscriptis(tree, ParserConfig()).get_text()
    except (RecursionError, ValueError, IndexError):
        text = str(tree.text_content())
    lines = (line.rstrip() for line in clean_block(text).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
