"""What Slack's answers mean for a send; docs.slack.dev/apis/web-api/using-the-slack-web-api#responses, CHANNELS 1.5."""

from collections.abc import Mapping
from http import HTTPStatus

from core.errors import (
    AccountRefused,
    DeliveryError,
    PermanentFailure,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from core.outbox import retry_after_s

RATE_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
ACCOUNT_REFUSED = frozenset(
    {
        "access_denied",
        "account_inactive",
        "enterprise_is_restricted",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)
"""The installation is at fault, not the message: the same call works once somebody has mended it."""
NOT_DONE_NOW = frozenset({"request_timeout", "service_unavailable", "team_added_to_org"})
"""Refused before anything was done. request_timeout: "the POST data was either missing or truncated"."""
PERHAPS_DONE = frozenset({"internal_error", "fatal_error"})
"""Documented with "it's possible some aspect of the operation succeeded"."""
UNREACHABLE = frozenset(
    {"cannot_dm_bot", "channel_not_found", "is_archived", "messages_tab_disabled", "not_in_channel", "user_disabled"}
    | {"user_not_found", "user_not_visible"}
)
"""Nobody can be reached there any more."""
REDIRECTED = "redirected"
CLIENT_ERRORS_IN_DOUBT = frozenset({HTTPStatus.REQUEST_TIMEOUT})


def failure_from_answer(status: int, headers: Mapping[str, str], error: str | None) -> DeliveryError:
    """Read an answer that is not a success.

    Args:
        status: HTTP status.
        headers: of the answer; `Retry-After` is in seconds.
        error: Slack's `error` where the body is `{"ok": false, ...}`, None where it could not be read.

    >>> failure_from_answer(429, {"Retry-After": "30"}, None).retry_after_s
    30.0
    >>> failure_from_answer(200, {}, "channel_not_found").code
    'channel_not_found'
    """
    if status == HTTPStatus.TOO_MANY_REQUESTS or error in RATE_LIMITED:
        return RateLimited(retry_after_s(headers.get("Retry-After")), f"slack: {error or status}")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return PermanentFailure(f"slack redirects ({status}); not followed", code=REDIRECTED)
    if status == HTTPStatus.UNAUTHORIZED:
        return AccountRefused(f"slack: {error or status}")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in CLIENT_ERRORS_IN_DOUBT:
        return UnknownOutcome(f"slack answered {status}")
    if error is not None:
        return _failure_from_error(error)
    if status >= HTTPStatus.BAD_REQUEST:
        return PermanentFailure(f"slack answered {status}", code=f"http_{status}")
    return UnknownOutcome("slack's answer cannot be read")


def _failure_from_error(error: str) -> DeliveryError:
    if error in ACCOUNT_REFUSED:
        return AccountRefused(f"slack: {error}")
    if error in NOT_DONE_NOW:
        return TemporaryFailure(f"slack: {error}")
    if error in PERHAPS_DONE:
        return UnknownOutcome(f"slack: {error}")
    return PermanentFailure(f"slack: {error}", code=error, unreachable=error in UNREACHABLE)
