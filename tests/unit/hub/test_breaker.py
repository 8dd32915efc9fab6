from datetime import timedelta

import pytest

from hub.breaker import LEAST_DEAD, PROBE_EVERY_S, WINDOW_S, Breaker
from hub.telemetry import Metrics
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def breaker(clock: FakeClock, metrics: Metrics) -> Breaker:
    return Breaker(clock, metrics)


def kill(breaker: Breaker, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        breaker.note_dead(f"row{number}")


def test_turns_wait_once_twenty_different_messages_are_dead(breaker: Breaker, clock: FakeClock) -> None:
    """SEMANTICS section 8.5."""
    kill(breaker, LEAST_DEAD - 1)
    assert breaker.due() is None
    kill(breaker, 1, first=99)
    assert breaker.is_open
    assert breaker.due() == clock.now() + timedelta(seconds=PROBE_EVERY_S)


def test_one_message_that_dies_again_and_again_is_one(breaker: Breaker) -> None:
    for _ in range(10 * LEAST_DEAD):
        breaker.note_dead("row1")
    assert not breaker.is_open


@pytest.mark.parametrize(("handled", "opens"), [(1900, True), (1980, False), (100_000, False)])
def test_one_in_a_hundred_is_poison_and_more_is_a_fault_of_ours(breaker: Breaker, handled: int, opens: bool) -> None:
    for _ in range(handled):
        breaker.note_handled()
    kill(breaker, LEAST_DEAD)
    assert breaker.is_open is opens


def test_what_died_more_than_five_minutes_ago_does_not_count(breaker: Breaker, clock: FakeClock) -> None:
    kill(breaker, LEAST_DEAD - 1)
    clock.advance(WINDOW_S)
    kill(breaker, 1, first=99)
    assert not breaker.is_open


def test_what_was_handled_more_than_five_minutes_ago_does_not_count(breaker: Breaker, clock: FakeClock) -> None:
    for _ in range(100_000):
        breaker.note_handled()
    clock.advance(WINDOW_S + 1)
    kill(breaker, LEAST_DEAD)
    assert breaker.is_open


def test_one_turn_in_thirty_seconds_is_let_through(breaker: Breaker, clock: FakeClock) -> None:
    kill(breaker, LEAST_DEAD)
    for _ in range(5):
        clock.advance(PROBE_EVERY_S)
        assert [breaker.due() is None for _ in range(100)] == [True] + [False] * 99


def test_a_turn_let_through_that_succeeds_ends_the_wait(breaker: Breaker, clock: FakeClock, metrics: Metrics) -> None:
    kill(breaker, LEAST_DEAD)
    assert metrics.registry.get_sample_value("frontdesk_claims_paused") == 1
    clock.advance(PROBE_EVERY_S)
    assert breaker.due() is None
    breaker.note_handled()
    assert not breaker.is_open
    assert all(breaker.due() is None for _ in range(100))
    assert metrics.registry.get_sample_value("frontdesk_claims_paused") == 0


def test_a_turn_that_was_under_way_already_proves_nothing(breaker: Breaker) -> None:
    kill(breaker, LEAST_DEAD)
    breaker.note_handled()
    assert breaker.is_open


def test_a_turn_let_through_that_dies_changes_nothing(breaker: Breaker, clock: FakeClock) -> None:
    kill(breaker, LEAST_DEAD)
    clock.advance(PROBE_EVERY_S)
    assert breaker.due() is None
    breaker.note_dead("probe")
    breaker.note_handled()
    assert breaker.is_open


def test_the_next_death_after_a_lucky_probe_stops_the_turns_again(breaker: Breaker, clock: FakeClock) -> None:
    kill(breaker, LEAST_DEAD)
    clock.advance(PROBE_EVERY_S)
    breaker.due()
    breaker.note_handled()
    kill(breaker, 1, first=99)
    assert breaker.is_open


def test_a_new_process_begins_with_turns(clock: FakeClock) -> None:
    metrics = Metrics()
    assert Breaker(clock, metrics).due() is None
    assert metrics.registry.get_sample_value("frontdesk_claims_paused") == 0


def test_a_year_without_a_death_is_remembered_in_little_memory(breaker: Breaker, clock: FakeClock) -> None:
    for _ in range(5000):
        breaker.note_handled()
        clock.advance(1)
    assert len(breaker._handled) <= WINDOW_S + 1
