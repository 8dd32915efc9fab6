"""F085: no text makes the bot think for ever; its cost grows with its length, not with its square."""

import time

import pytest

from core.dialogue.choices import TTL, came_late, is_label, offered, picked_by_text, token
from core.dialogue.hearing import TYPED_COMMAND
from core.ids import EventId
from core.nlu.entities import EntityFinder
from core.nlu.features import normalized, pieces, words
from core.replies import Choice
from core.understanding import Moment
from hub.content import load_content
from tests.conversation.telling import NOW
from tests.shared_files import PROJECT

CONTENT = load_content(PROJECT / "config" / "content")
LENGTH = 30_000
LONG = Choice(token=token(b"key", EventId("e1"), 0, 0), label="a" * LENGTH, value="long")
OFFERED = offered((), [LONG], NOW)
AT_MOST_S = 2.0
"""Of processor time; what backtracks takes minutes."""
TEXTS = {
    "one letter": "a" * LENGTH,
    "one letter and the wrong end": "a" * LENGTH + "!",
    "almost addresses": "a@" * (LENGTH // 2),
    "an address without end": "a" * 60 + "@" + "a." * (LENGTH // 2),
    "dots": "." * LENGTH,
    "almost order numbers": "A-1" * (LENGTH // 3),
    "digits": "1" * LENGTH,
    "blanks": " " * LENGTH + "x",
    "line ends": "\n" * LENGTH + "x",
    "a number and blanks": "1" + " " * LENGTH + "x",
    "a word of number and blanks": "option" + " " * LENGTH + "x",
    "apostrophes": "a'" * (LENGTH // 2),
    "a command": "/" + "a " * (LENGTH // 2),
    "marks": "a" + "\u0301" * LENGTH,
    "ligatures": "\ufdfa" * LENGTH,
}


@pytest.mark.parametrize("name", TEXTS)
def test_reading_a_text_is_bounded(name: str) -> None:
    text = TEXTS[name]
    finder = EntityFinder(CONTENT.entities)
    started = time.process_time()
    finder.find(text, Moment(now=NOW))
    words(text[:4000])
    pieces(normalized(text[:4000]))
    choice_words = CONTENT.choice_words["en"]
    picked_by_text(OFFERED, text, NOW, choice_words)
    came_late(OFFERED, text, NOW + 2 * TTL, choice_words)
    is_label(OFFERED, text, NOW)
    TYPED_COMMAND.fullmatch(text.strip())
    assert time.process_time() - started < AT_MOST_S
