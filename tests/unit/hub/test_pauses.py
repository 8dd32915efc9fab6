from datetime import timedelta

import pytest

from core.errors import AccountRefused, DeliveryError, PermanentFailure, RateLimited, TemporaryFailure, UnknownOutcome
from hub.pauses import FAILURES, REFUSED_PAUSE_S, SILENT_PAUSE_S, TRIED_WITHIN_S, Pauses
from hub.telemetry import Metrics
from tests.fakes import FakeClock

A = "slack:acme"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def pauses(clock: FakeClock, metrics: Metrics) -> Pauses:
    return Pauses(clock, metrics)


def fail(pauses: Pauses, count: int, error: DeliveryError | None = None) -> None:
    for number in range(count):
        pauses.note(A, f"bucket{number}", error or TemporaryFailure("refused"))


def gauge(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("frontdesk_paused", {"account": A})


def test_a_rate_limit_pauses_one_bucket_for_as_long_as_asked(pauses: Pauses, clock: FakeClock) -> None:
    """F042."""
    pauses.note(A, "C1", RateLimited(7.0))
    assert pauses.until(A, "C1") == clock.now() + timedelta(seconds=7)
    assert pauses.until(A, "C2") is None
    assert pauses.until("slack:other", "C1") is None
    clock.advance(7)
    assert pauses.until(A, "C1") is None


@pytest.mark.parametrize("error", [TemporaryFailure("refused"), UnknownOutcome("no answer")])
def test_five_failures_in_thirty_seconds_stop_the_account(
    error: DeliveryError, pauses: Pauses, clock: FakeClock, metrics: Metrics
) -> None:
    """SEMANTICS section 6.6."""
    fail(pauses, FAILURES - 1, error)
    assert pauses.until(A, "any") is None
    fail(pauses, 1, error)
    assert pauses.until(A, "any") == clock.now() + timedelta(seconds=SILENT_PAUSE_S)
    assert pauses.until("slack:other", "any") is None
    assert gauge(metrics) == 1


def test_failures_far_apart_stop_nothing(pauses: Pauses, clock: FakeClock) -> None:
    for _ in range(10 * FAILURES):
        fail(pauses, 1)
        clock.advance(8)
    assert pauses.until(A, "any") is None


@pytest.mark.parametrize("answer", [None, PermanentFailure("no such channel"), RateLimited(1.0)])
def test_a_platform_that_answers_in_between_is_not_silent(answer: DeliveryError | None, pauses: Pauses) -> None:
    fail(pauses, FAILURES - 1)
    pauses.note(A, "any", answer)
    fail(pauses, FAILURES - 1)
    assert pauses.until(A, "other") is None


def test_who_asks_while_the_one_try_is_under_way_waits_for_its_outcome_only(pauses: Pauses, clock: FakeClock) -> None:
    fail(pauses, FAILURES)
    clock.advance(SILENT_PAUSE_S)
    assert pauses.until(A, "first") is None
    assert pauses.until(A, "second") == clock.now() + timedelta(seconds=TRIED_WITHIN_S)
    pauses.note(A, "first", TemporaryFailure("refused"))
    assert pauses.until(A, "second") == clock.now() + timedelta(seconds=SILENT_PAUSE_S)


def test_one_call_in_thirty_seconds_is_tried(pauses: Pauses, clock: FakeClock) -> None:
    """F053."""
    fail(pauses, FAILURES)
    for _ in range(10):
        clock.advance(SILENT_PAUSE_S)
        tried = [pauses.until(A, f"bucket{number}") is None for number in range(1000)]
        assert tried == [True] + [False] * 999
        fail(pauses, 1)


def test_a_try_that_succeeds_sets_everybody_free(pauses: Pauses, clock: FakeClock, metrics: Metrics) -> None:
    fail(pauses, FAILURES)
    clock.advance(SILENT_PAUSE_S)
    assert pauses.until(A, "any") is None
    pauses.note(A, "any", None)
    assert all(pauses.until(A, "any") is None for _ in range(100))
    assert gauge(metrics) == 0


def test_refused_credentials_stop_the_account_at_once_and_are_tried_again_each_minute(
    pauses: Pauses, clock: FakeClock
) -> None:
    """F051."""
    pauses.note(A, "any", AccountRefused("token revoked"))
    assert pauses.until(A, "other") == clock.now() + timedelta(seconds=REFUSED_PAUSE_S)
    clock.advance(REFUSED_PAUSE_S)
    assert [pauses.until(A, "other") is None for _ in range(3)] == [True, False, False]
    pauses.note(A, "any", AccountRefused("token revoked"))
    assert pauses.until(A, "other") == clock.now() + timedelta(seconds=REFUSED_PAUSE_S)
