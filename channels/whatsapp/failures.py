"""What Twilio's REST answers mean for the outbox. Pure.

Codes: twilio.com/docs/api/errors, classified in W27. A 5xx is never "not sent": Twilio does not promise that the
message was not created (SEMANTICS section 6.3).
"""

from collections.abc import Mapping

from channels.payload import load_object
from core.errors import (
    AccountRefused,
    DeliveryError,
    MalformedPayload,
    PermanentFailure,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
    WindowClosed,
)
from core.outbox import retry_after_s

REFUSED_ACCOUNT = frozenset({20003, 20005})
"""Wrong credentials, account not active: no message of this account will pass."""
TOO_FAST = frozenset({20429, 21611, 30001, 63017, 63018})
"""Rate of the account, queue of the sender, rate of the channel."""
TRY_AGAIN = frozenset({30008, 63009, 63010, 63012, 63023})
"""Trouble at the channel that passes."""
UNREACHABLE = frozenset({21211, 21610, 21614, 63003, 63024, 63032, 63033})
"""The recipient: not a number, said STOP, not a mobile, not on the channel, invalid, limited by WhatsApp, blocked."""

OUTSIDE_WINDOW = 63016
"""More than 24 hours since the person's last message; mostly told later, by the status callback (W20)."""


def failure_from(status: int, headers: Mapping[str, str], body: bytes) -> DeliveryError:
    """Read an answer that is not a success. The message never quotes Twilio's, which may hold a phone number.

    >>> failure_from(429, {"Retry-After": "7"}, b"").retry_after_s
    7.0
    >>> failure_from(400, {}, b'{"code": 21610}').unreachable
    True
    """
    code = code_of(body)
    told = f"twilio answered {status}" + (f", error {code}" if code else "")
    if status >= 500 or status < 300 or status == 408:
        return UnknownOutcome(told)
    if status < 400:
        return PermanentFailure(f"{told}: a redirect, which is not followed; check api_url", code="redirected")
    if status == 401 or code in REFUSED_ACCOUNT:
        return AccountRefused(told)
    if status == 429 or code in TOO_FAST:
        return RateLimited(retry_after_s(headers.get("Retry-After")), told)
    if code in TRY_AGAIN:
        return TemporaryFailure(told)
    if code == OUTSIDE_WINDOW:
        return WindowClosed(told, code=str(code))
    return PermanentFailure(told, code=str(code or status), unreachable=code in UNREACHABLE)


def code_of(body: bytes) -> int | None:
    """Return Twilio's error code, in the old and the RFC 9457 form of an answer.

    >>> code_of(b'{"code": 20003, "status": 401}'), code_of(b"<html>")
    (20003, None)
    """
    try:
        code = load_object(body).get("code")
    except MalformedPayload:
        return None
    return code if isinstance(code, int) else None
