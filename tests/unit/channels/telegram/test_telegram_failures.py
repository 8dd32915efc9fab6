import json
from typing import Any

import pytest

from channels.telegram.failures import failure_from
from core.errors import (
    AccountRefused,
    DeliveryError,
    PermanentFailure,
    RateLimited,
    RecipientMoved,
    TemporaryFailure,
    UnknownOutcome,
)


def refusal(status: int, description: str, **parameters: Any) -> bytes:
    told = {"ok": False, "error_code": status, "description": description, "parameters": parameters}
    return json.dumps(told).encode()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, PermanentFailure),
        (400, PermanentFailure),
        (401, AccountRefused),
        (403, PermanentFailure),
        (404, AccountRefused),
        (408, UnknownOutcome),
        (409, TemporaryFailure),
        (413, PermanentFailure),
        (429, RateLimited),
        (500, UnknownOutcome),
        (502, UnknownOutcome),
        (503, UnknownOutcome),
        (504, UnknownOutcome),
        (200, UnknownOutcome),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"[" * 100_000, b'{"ok": tru', b'{"parameters": 3}'])
def test_the_status_decides_whatever_the_body_f044_f050_f051(
    status: int, expected: type[DeliveryError], body: bytes
) -> None:
    assert type(failure_from(status, body)) is expected


@pytest.mark.parametrize(
    ("told", "header", "seconds"),
    [(14, None, 14), (None, "7", 7), (None, None, 5), (-5, None, 1), (1e9, None, 3600), ("soon", "7", 5)],
)
def test_a_rate_limit_carries_clamped_seconds_f042_f043_t22(told: Any, header: str | None, seconds: float) -> None:
    parameters = {} if told is None else {"retry_after": told}
    failure = failure_from(429, refusal(429, "Too Many Requests", **parameters), header)
    assert isinstance(failure, RateLimited)
    assert failure.retry_after_s == seconds


@pytest.mark.parametrize(
    "description",
    [
        "Forbidden: bot was blocked by the user",
        "Forbidden: user is deactivated",
        "Forbidden: bot was kicked from the group chat",
        "Forbidden: bot can't initiate conversation with a user",
    ],
)
def test_whoever_is_gone_is_unreachable_t9_f052(description: str) -> None:
    failure = failure_from(403, refusal(403, description))
    assert isinstance(failure, PermanentFailure)
    assert failure.unreachable
    assert description in str(failure)


def test_a_403_of_something_in_between_says_nothing_about_the_person() -> None:
    failure = failure_from(403, b"<html>blocked by policy</html>")
    assert isinstance(failure, PermanentFailure)
    assert not failure.unreachable


@pytest.mark.parametrize(
    ("description", "code", "unreachable"),
    [
        ("Bad Request: can't parse entities: Unclosed start tag", "cannot_parse_entities", False),
        ("Bad Request: query is too old and response timeout expired", "query_too_old", False),
        ("Bad Request: chat not found", "chat_not_found", True),
        ("Bad Request: message is too long", "message_too_long", False),
        ("Bad Request: something new", "http_400", False),
    ],
)
def test_a_400_is_permanent_and_has_a_code_t24(description: str, code: str, unreachable: bool) -> None:
    failure = failure_from(400, refusal(400, description))
    assert isinstance(failure, PermanentFailure)
    assert (failure.code, failure.unreachable) == (code, unreachable)


def test_a_group_that_moved_says_so_t10() -> None:
    failure = failure_from(400, refusal(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-100))
    assert isinstance(failure, RecipientMoved)
    assert (failure.place, failure.bucket) == ({"chat_id": "-100"}, "-100")


def test_a_refusal_inside_a_200_is_read_as_what_it_names() -> None:
    assert isinstance(failure_from(200, refusal(400, "Bad Request: no")), PermanentFailure)
    assert isinstance(failure_from(200, b'{"ok": true}'), UnknownOutcome)
