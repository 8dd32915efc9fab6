"""A text that is unlike all we know is asked about, however sure the model is of its guess."""

from datetime import datetime

import pytest

from core.bot import Bot
from core.conversation import Turn
from core.understanding import IntentScore, Moment, Understanding
from tests.conversation.telling import Talk, bot_without


class Guessing:
    """Reads every text in the same way."""

    def __init__(self, in_scope: bool, **confidences: float) -> None:
        self.in_scope = in_scope
        self.intents = tuple(IntentScore(name=name, confidence=value) for name, value in confidences.items())
        self.moments: list[Moment | None] = []

    def understand(self, text: str, moment: Moment | None = None) -> Understanding:
        self.moments.append(moment)
        return Understanding(text=text, intents=self.intents, in_scope=self.in_scope)


def turn(guess: Guessing) -> Turn:
    known = bot_without()
    bot = Bot(known.desk, guess, known._library, choice_key=b"key")
    return Talk(bot=bot).say("qwertz uiop")


def said(turn: Turn) -> tuple[list[str], list[str]]:
    return [reply.template for reply in turn.replies], [c.value for reply in turn.replies for c in reply.choices]


def test_a_sure_guess_in_scope_is_followed() -> None:
    assert said(turn(Guessing(True, order_status=0.95)))[0] == ["ask_order_number"]


@pytest.mark.parametrize("confidence", [0.95, 0.5, 0.2])
def test_out_of_scope_even_a_sure_guess_is_only_asked_about(confidence: float) -> None:
    told = turn(Guessing(False, order_status=confidence))
    assert said(told) == (["clarify_one"], ["order_status", "talk_to_person"])
    assert told.trace.rung == "clarify"


def test_two_guesses_out_of_scope_are_both_asked_about_even_when_one_leads() -> None:
    assert said(turn(Guessing(False, order_status=0.7, refund_request=0.2))) == (
        ["clarify"],
        ["order_status", "refund_request"],
    )


def test_a_guess_that_is_worth_no_question_falls_back() -> None:
    assert said(turn(Guessing(False, order_status=0.1)))[0] == ["fallback"]


def test_a_text_is_read_at_the_time_of_its_turn_and_in_the_time_zone_of_its_desk() -> None:
    guess = Guessing(True, greeting=0.9)
    turn(guess)
    (moment,) = guess.moments
    assert moment is not None
    assert isinstance(moment.now, datetime)
    assert moment.time_zone == "UTC"
