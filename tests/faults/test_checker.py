"""The checker itself: it must go red for each way in which a promise can be broken, or the campaign proves nothing."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.standins.checker import PROMISES, Answered, Asked, Verdict, check

ASKED = [Asked(f"{channel}{seq}", channel, f"{channel}-place", seq) for channel in PROMISES for seq in range(4)]
ACCEPTED = [message.id for message in ASKED]
RIGHT = [Answered(message.channel, message.place, message.id, f"key of {message.id}") for message in ASKED]


def judge(sent: Sequence[Answered], held: Sequence[str] = ()) -> Verdict:
    return check(ASKED, ACCEPTED, sent, held)


def without(id: str) -> list[Answered]:
    return [line for line in RIGHT if line.asked != id]


def one(id: str) -> Answered:
    return next(line for line in RIGHT if line.asked == id)


def test_one_answer_to_each_in_order_is_right() -> None:
    assert judge(RIGHT).is_right


@pytest.mark.parametrize("channel", PROMISES)
def test_a_lost_answer_is_found(channel: str) -> None:
    assert judge(without(f"{channel}2")) == Verdict(lost=(f"{channel}2",))


def test_a_message_that_was_never_accepted_is_not_lost() -> None:
    accepted = [id for id in ACCEPTED if id != "slack2"]
    assert check(ASKED, accepted, without("slack2"), ()).is_right


@pytest.mark.parametrize("channel", [name for name, promise in PROMISES.items() if promise != "at_least_once"])
def test_a_second_send_is_found_even_with_the_same_key(channel: str) -> None:
    assert judge([*RIGHT, one(f"{channel}1")]) == Verdict(doubled=(f"{channel}1",))


def test_a_second_mail_with_the_same_message_id_is_allowed() -> None:
    assert judge([*RIGHT, one("email1")]).is_right


def test_a_second_mail_with_another_message_id_is_found() -> None:
    assert judge([*RIGHT, replace(one("email1"), key="another")]) == Verdict(doubled=("email1",))


@pytest.mark.parametrize("channel", PROMISES)
def test_two_answers_that_changed_places_are_found(channel: str) -> None:
    swapped = [*without(f"{channel}1"), one(f"{channel}1")]
    assert judge(swapped) == Verdict(reordered=(f"{channel}1",))


def test_an_answer_to_nothing_is_found() -> None:
    verdict = judge([*RIGHT, Answered("slack", "slack-place", None, "key")])
    assert verdict == Verdict(unexpected=("slack slack-place None",))


def test_an_answer_in_somebody_elses_conversation_is_found() -> None:
    astray = replace(one("web3"), place="elsewhere")
    verdict = judge([*without("web3"), astray])
    assert verdict == Verdict(lost=("web3",), unexpected=("web elsewhere web3",))


def test_a_held_telegram_reply_is_not_lost() -> None:
    assert judge(without("telegram2"), held=["telegram2"]).is_right


def test_a_held_telegram_reply_may_have_arrived() -> None:
    assert judge(RIGHT, held=["telegram2"]).is_right


@pytest.mark.parametrize("channel", [name for name, promise in PROMISES.items() if promise != "at_most_once"])
def test_a_reply_held_where_it_need_not_be_is_found(channel: str) -> None:
    verdict = judge(without(f"{channel}2"), held=[f"{channel}2"])
    assert verdict == Verdict(lost=(f"{channel}2",), wrongly_held=(f"{channel}2",))
