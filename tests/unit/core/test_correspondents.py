"""What one address was told and what was reported of it, as numbers and times (F101, F103)."""

from datetime import timedelta

import pytest

from core.correspondents import (
    ANSWERS_COUNTED_FOR,
    ANSWERS_KEPT,
    BOUNCES_COUNTED_FOR,
    CORRESPONDENTS_KEPT,
    HARD_BOUNCE,
    SOFT_BOUNCE,
    SUSPENDED_AT,
    Correspondent,
)
from core.ids import DeskName, EventId, OutId, out_id
from tests.fakes import START

NOBODY = Correspondent(id="email:help:x")
DESK = DeskName("support")
MOMENT = timedelta(seconds=1)


def answered(count: int, limit: int = 3) -> Correspondent:
    known = NOBODY
    for number in range(count):
        known = known.answered(EventId(f"e{number}"), START, limit)
    return known


def bounced(*weights: int) -> Correspondent:
    known = NOBODY
    for number, weight in enumerate(weights):
        known = known.bounced(EventId(f"b{number}"), weight, START)
    return known


def test_three_answers_in_a_day_and_the_fourth_when_the_first_is_a_day_old() -> None:
    """F101."""
    known = answered(2).answered(EventId("last"), START + timedelta(hours=5), 3)
    nearly = START + ANSWERS_COUNTED_FOR - MOMENT
    assert not known.may_have_answer(EventId("new"), nearly, 3)
    assert known.may_have_answer(EventId("new"), START + ANSWERS_COUNTED_FOR, 3)
    assert answered(2).may_have_answer(EventId("new"), START, 3)


def test_the_same_event_counts_once_and_may_always_be_taken_again() -> None:
    """F101: a crash between the count and the commit."""
    known = answered(3)
    assert known.answered(EventId("e1"), START, 3) == known
    assert known.may_have_answer(EventId("e1"), START, 3)


def test_without_a_limit_everything_is_answered_and_the_record_stays_small() -> None:
    known = answered(200, limit=0)
    assert known.may_have_answer(EventId("new"), START, 0)
    assert len(known.answers) == ANSWERS_KEPT


def test_a_greater_limit_is_counted_to_its_end() -> None:
    known = answered(99, limit=100)
    assert known.may_have_answer(EventId("new"), START, 100)
    assert not known.answered(EventId("new"), START, 100).may_have_answer(EventId("newer"), START, 100)


@pytest.mark.parametrize(
    ("weights", "score"),
    [((HARD_BOUNCE,) * 2, 4), ((HARD_BOUNCE,) * 3, 6), ((SOFT_BOUNCE,) * 4, 4), ((SOFT_BOUNCE,) * 5, 5)],
)
def test_three_hard_bounces_or_five_soft_ones_suspend(weights: tuple[int, ...], score: int) -> None:
    """F103."""
    known = bounced(*weights)
    assert known.score(START) == score
    assert known.is_suspended(START) is (score >= SUSPENDED_AT)


def test_a_report_counts_once_however_often_it_is_taken() -> None:
    """F103."""
    known = bounced(HARD_BOUNCE)
    assert known.bounced(EventId("b0"), HARD_BOUNCE, START + MOMENT) == known


def test_ten_thousand_reports_leave_no_more_than_what_suspends() -> None:
    known = bounced(*[SOFT_BOUNCE] * 10_000)
    assert len(known.bounces) == SUSPENDED_AT


def test_a_suspension_ends_after_a_week() -> None:
    known = bounced(*[HARD_BOUNCE] * 3)
    assert known.is_suspended(START + BOUNCES_COUNTED_FOR - MOMENT)
    later = START + BOUNCES_COUNTED_FOR
    assert not known.is_suspended(later)
    assert known.bounced(EventId("new"), HARD_BOUNCE, later).score(later) == HARD_BOUNCE


def test_a_person_who_writes_from_the_address_ends_it_at_once() -> None:
    known = bounced(*[HARD_BOUNCE] * 3).heard()
    assert not known.is_suspended(START)
    assert known.score(START) == 0


def test_nothing_is_forgotten_while_it_counts() -> None:
    assert max(ANSWERS_COUNTED_FOR, BOUNCES_COUNTED_FOR) < CORRESPONDENTS_KEPT


@pytest.mark.parametrize(("step", "index"), [(0, 0), (0, 2), (1, 0)])
def test_an_answer_is_known_by_the_name_of_its_mail(step: int, index: int) -> None:
    """F103: only who got the mail can quote it."""
    known = answered(3)
    assert known.was_sent([OutId("x"), out_id(DESK, "e1", step, index)], DESK)
    assert not known.was_sent([out_id(DESK, "e7", step, index)], DESK)
    assert not NOBODY.was_sent([out_id(DESK, "e1", step, index)], DESK)
