"""What Meta's answers mean (CHANNELS 3.3), and what its signature is worth."""

import pytest

from channels.whatsapp.cloud.failures import OUTSIDE_WINDOW, failure_from
from channels.whatsapp.cloud.verify import challenge_of, signature_of, verify_signature
from core.errors import (
    AccountRefused,
    DeliveryError,
    InvalidSignature,
    PermanentFailure,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
    WindowClosed,
)


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (401, 190, AccountRefused),
        (400, 190, AccountRefused),
        (403, 10, AccountRefused),
        (403, 200, AccountRefused),
        (400, 131031, AccountRefused),
        (400, 130429, RateLimited),
        (400, 131056, RateLimited),
        (429, 80007, RateLimited),
        (500, 130429, RateLimited),
        (400, 131016, TemporaryFailure),
        (500, 131000, UnknownOutcome),
        (503, 131016, UnknownOutcome),
        (408, 1, UnknownOutcome),
        (400, 131047, WindowClosed),
        (400, 131049, PermanentFailure),
        (302, 1, PermanentFailure),
    ],
)
def test_each_code_has_its_meaning(status: int, code: int, meaning: type[DeliveryError]) -> None:
    assert type(failure_from(status, {}, b'{"error": {"code": %d}}' % code)) is meaning


def test_a_closed_window_is_named() -> None:
    failure = failure_from(400, {}, b'{"error": {"code": 131047}}')
    assert isinstance(failure, PermanentFailure)
    assert (failure.code, failure.unreachable) == (OUTSIDE_WINDOW, False)


def test_who_is_not_on_whatsapp_cannot_be_reached() -> None:
    failure = failure_from(400, {}, b'{"error": {"code": 131026}}')
    assert isinstance(failure, PermanentFailure)
    assert failure.unreachable


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "no"}', b'{"error": {"code": "190"}}'])
def test_an_answer_of_another_shape_is_judged_by_its_status(body: bytes) -> None:
    assert type(failure_from(400, {}, body)) is PermanentFailure
    assert type(failure_from(502, {}, body)) is UnknownOutcome


def test_a_failure_never_quotes_what_meta_said() -> None:
    body = b'{"error": {"code": 131026, "message": "to +4915112345678"}}'
    assert "4915112345678" not in str(failure_from(400, {}, body))


BODY = rb'{"text": "\u00e4\/b"}'


def test_the_raw_bytes_are_signed_and_nothing_else() -> None:
    """CHANNELS 3.3: never a re-dump; the same JSON with other escapes does not pass."""
    signature = signature_of(b"secret", BODY)
    verify_signature([signature], body=BODY, secrets=(b"new", b"secret"))
    for forged, body in (
        ([signature], '{"text": "\u00e4/b"}'.encode()),
        ([signature.removeprefix("sha256=")], BODY),
        ([signature.swapcase()], BODY),
        ([signature, signature], BODY),
        ([], BODY),
        (["\udcff"], BODY),
    ):
        with pytest.raises(InvalidSignature):
            verify_signature(forged, body=body, secrets=(b"new", b"secret"))


def test_a_handshake_is_answered_with_its_challenge_for_our_token_only() -> None:
    good = {"hub.mode": "subscribe", "hub.verify_token": "ours", "hub.challenge": "1158201444"}
    assert challenge_of(good, b"ours") == "1158201444"
    wrong = ({"hub.mode": "other"}, {"hub.verify_token": "x"}, {"hub.challenge": ""}, {"hub.challenge": "1" * 257})
    for change in wrong:
        with pytest.raises(InvalidSignature):
            challenge_of(good | change, b"ours")
