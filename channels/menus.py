"""Choices as words: the numbered list that every channel can show, and labels short enough for a button. Pure.

A list goes into the text where there are no buttons, where there are too many choices for them, where a button could
not show a whole label, and where there is no text for buttons to stand under. So no label is ever cut out of a message.
"""

import unicodedata
from collections.abc import Sequence

from channels.cuts import Measure, is_between_characters
from core.ports import Escape
from core.replies import Choice

ELLIPSIS = "\u2026"


def one_line(label: str) -> str:
    r"""Write a label in one line.

    >>> one_line(" Order\n status")
    'Order status'
    """
    return " ".join(label.split())


def fits(choices: Sequence[Choice], limit: int, measure: Measure = len) -> bool:
    """Tell whether each choice has a label that a button of at most `limit` units shows whole."""
    return all(0 < measure(one_line(choice.label)) <= limit and not is_blank(choice.label) for choice in choices)


def is_blank(text: str) -> bool:
    r"""Tell whether a reader sees nothing of a text; platforms refuse such buttons and messages.

    >>> is_blank(" \u200b"), is_blank("-")
    (True, False)
    """
    return all(char.isspace() or unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Zs") for char in text)


def numbered(choices: Sequence[Choice], escape: Escape) -> str:
    r"""Write choices as a list that can be answered by number; each label is escaped.

    >>> numbered((Choice(token="t1", label="Yes", value="yes"), Choice(token="t2", label="No", value="no")), str)
    '1. Yes\n2. No'
    """
    return "\n".join(f"{number}. {escape(one_line(choice.label))}" for number, choice in enumerate(choices, 1))


def short_labels(choices: Sequence[Choice], limit: int, measure: Measure = len) -> list[str]:
    """Return labels for buttons under a numbered list: the number, and as much of the label as fits.

    >>> short_labels((Choice(token="t1", label="Yes, with pleasure", value="yes"),), 10)
    ['1. Yes, w\u2026']
    """
    return [_short(f"{number}. {one_line(choice.label)}", limit, measure) for number, choice in enumerate(choices, 1)]


def _short(label: str, limit: int, measure: Measure) -> str:
    if measure(label) <= limit:
        return label.rstrip()
    end = limit - 1
    while end > 0 and (measure(label[:end]) > limit - 1 or not is_between_characters(label, end)):
        end -= 1
    return label[:end].rstrip() + ELLIPSIS
