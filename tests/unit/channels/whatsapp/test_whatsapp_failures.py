"""W27, SEMANTICS section 6, F042-F052."""

import json

import pytest

from channels.whatsapp.failures import TOO_FAST, TRY_AGAIN, UNREACHABLE, code_of, failure_from
from core.errors import (
    AccountRefused,
    DeliveryError,
    PermanentFailure,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)


def failure(status: int, code: int | None = None, **headers: str) -> DeliveryError:
    body = json.dumps({"code": code, "message": "The 'To' number +4915112345678 ...", "status": status}).encode()
    return failure_from(status, headers, body if code else b"")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (500, None, UnknownOutcome),
        (502, None, UnknownOutcome),
        (503, 20503, UnknownOutcome),
        (504, None, UnknownOutcome),
        (408, None, UnknownOutcome),
        (401, 20003, AccountRefused),
        (401, None, AccountRefused),
        (403, 20003, AccountRefused),
        (400, 20005, AccountRefused),
        (429, 20429, RateLimited),
        (429, None, RateLimited),
        (400, 63017, RateLimited),
        (400, 63012, TemporaryFailure),
        (400, 21617, PermanentFailure),
        (400, None, PermanentFailure),
        (404, 20404, PermanentFailure),
        (302, None, PermanentFailure),
        (307, None, PermanentFailure),
    ],
)
def test_each_answer_means_one_thing(status: int, code: int | None, expected: type[DeliveryError]):
    assert type(failure(status, code)) is expected


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("-5", 1.0), ("1e9", 3600.0), ("soon", 5.0)])
def test_a_rate_limit_carries_clamped_seconds(header: str, seconds: float):
    error = failure(429, 20429, **{"Retry-After": header})
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == seconds


@pytest.mark.parametrize("code", sorted(UNREACHABLE))
def test_a_person_who_cannot_be_reached_is_named_unreachable(code: int):
    error = failure(400, code)
    assert isinstance(error, PermanentFailure)
    assert (error.code, error.unreachable) == (str(code), True)


@pytest.mark.parametrize("code", [21606, 21617, 63015, 63016, 63021])
def test_other_refusals_say_nothing_about_the_person(code: int):
    error = failure(400, code)
    assert isinstance(error, PermanentFailure)
    assert (error.code, error.unreachable) == (str(code), False)


def test_a_refusal_without_a_code_has_the_status_as_code():
    error = failure(404)
    assert isinstance(error, PermanentFailure)
    assert error.code == "404"


def test_no_code_is_in_two_lists():
    assert not (TOO_FAST & TRY_AGAIN)
    assert not (TOO_FAST & UNREACHABLE)
    assert not (TRY_AGAIN & UNREACHABLE)


def test_the_vendors_words_are_not_repeated_for_they_may_hold_a_number():
    assert "+49" not in str(failure(400, 21211))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code": "x"}', b'{"code": null}', b"[" * 100_000, b"\xff"])
def test_an_unreadable_answer_has_no_code(body: bytes):
    assert code_of(body) is None
