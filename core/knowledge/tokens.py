"""The words of a question that tell what it is about."""

import re

WORD = re.compile(r"\w+")

NOT_TELLING = frozenset(
    """a about all am an and any are as at be been by can could did do does doing for from get had has have hello hey hi
    how i if in is it its just know like may me my of on or our please s so some t tell than thanks that the their them
    then there these they this to up us was we were what when where which who why will with would you your ll re ve m d
    im id want need""".split()  # noqa: SIM905  a paragraph reads better than a hundred quoted words
)
"""English words that stand in any question. Negations are not among them (row 145)."""


def tokens(text: str) -> list[str]:
    """Return the telling words, lower case and singular.

    >>> tokens("What are your opening hours?")
    ['opening', 'hour']
    """
    return [_singular(word) for word in WORD.findall(text.lower()) if word not in NOT_TELLING]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
