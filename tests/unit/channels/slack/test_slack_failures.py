"""What Slack's answers mean: CHANNELS 1.5 Outbound, F042 to F051."""

import pytest

from channels.slack.failures import failure_from_answer
from core.errors import AccountRefused, PermanentFailure, RateLimited, TemporaryFailure, UnknownOutcome


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (429, None, RateLimited),
        (429, "ratelimited", RateLimited),
        (200, "ratelimited", RateLimited),
        (200, "rate_limited", RateLimited),
        (200, "invalid_auth", AccountRefused),
        (200, "token_revoked", AccountRefused),
        (200, "token_expired", AccountRefused),
        (200, "account_inactive", AccountRefused),
        (200, "missing_scope", AccountRefused),
        (401, None, AccountRefused),
        (200, "channel_not_found", PermanentFailure),
        (200, "not_in_channel", PermanentFailure),
        (200, "is_archived", PermanentFailure),
        (200, "invalid_blocks", PermanentFailure),
        (200, "invalid_blocks_format", PermanentFailure),
        (200, "msg_too_long", PermanentFailure),
        (200, "msg_blocks_too_long", PermanentFailure),
        (200, "no_text", PermanentFailure),
        (200, "restricted_action", PermanentFailure),
        (200, "ekm_access_denied", PermanentFailure),
        (200, "an_error_of_next_year", PermanentFailure),
        (302, None, PermanentFailure),
        (403, None, PermanentFailure),
        (404, None, PermanentFailure),
        (200, "service_unavailable", TemporaryFailure),
        (200, "request_timeout", TemporaryFailure),
        (200, "internal_error", UnknownOutcome),
        (200, "fatal_error", UnknownOutcome),
        (500, None, UnknownOutcome),
        (502, "channel_not_found", UnknownOutcome),
        (503, None, UnknownOutcome),
        (504, None, UnknownOutcome),
        (408, None, UnknownOutcome),
        (200, None, UnknownOutcome),
    ],
)
def test_every_answer_has_its_meaning(status: int, error: str | None, expected: type[Exception]):
    assert type(failure_from_answer(status, {}, error)) is expected


@pytest.mark.parametrize(
    ("header", "pause_s"), [("7", 7.0), (None, 5.0), ("-5", 1.0), ("1e9", 3600.0), ("Wed, 21 Oct 2026", 5.0)]
)
def test_a_rate_limit_carries_clamped_seconds(header: str | None, pause_s: float):
    """F042, F043"""
    failure = failure_from_answer(429, {} if header is None else {"Retry-After": header}, None)
    assert isinstance(failure, RateLimited)
    assert failure.retry_after_s == pause_s


def test_a_channel_that_is_gone_marks_the_person_unreachable_and_a_bad_message_does_not():
    gone, bad = failure_from_answer(200, {}, "is_archived"), failure_from_answer(200, {}, "invalid_blocks")
    assert isinstance(gone, PermanentFailure)
    assert isinstance(bad, PermanentFailure)
    assert (gone.unreachable, gone.code, bad.unreachable, bad.code) == (True, "is_archived", False, "invalid_blocks")


def test_a_redirect_says_so():
    """F050"""
    failure = failure_from_answer(302, {"Location": "https://evil.example"}, None)
    assert isinstance(failure, PermanentFailure)
    assert failure.code == "redirected"
