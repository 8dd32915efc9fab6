"""What the Graph API's answers mean for the outbox. Pure.

Codes: developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes (CHANNELS 3.3). A 5xx is never "not sent":
Meta does not promise that the message was not taken, unless the code says that it was refused for its rate.
"""

from collections.abc import Mapping
from typing import Any

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

REFUSED_ACCOUNT = frozenset({0, 3, 10, 190, 368, 131005, 131031, 131042, 133010}) | frozenset(range(200, 300))
"""Token unusable or expired, permission missing, account locked or without payment, number not registered."""
TOO_FAST = frozenset({4, 613, 80007, 130429, 131048, 131056, 133016})
"""Calls of the app, of the account; messages of the number; suspected spam; too many to one person in a short time."""
TRY_AGAIN = frozenset({2, 131016, 131057})
"""Service unavailable, account in maintenance."""
UNREACHABLE = frozenset({131021, 131026, 131030})
"""The recipient: ourselves, not on WhatsApp or with terms not accepted, not among a test number's recipients."""
OUTSIDE_WINDOW = "131047"
"""More than 24 hours since the person's last message: what 63016 is at Twilio (W20)."""


def failure_from(status: int, headers: Mapping[str, str], body: bytes) -> DeliveryError:
    """Read an answer that is not a success. The message never quotes Meta's, which may hold a phone number.

    >>> failure_from(429, {"Retry-After": "7"}, b"").retry_after_s
    7.0
    >>> failure_from(400, {}, b'{"error": {"code": 131026}}').unreachable
    True
    """
    code = code_of(body)
    told = f"meta answered {status}" + (f", error {code}" if code is not None else "")
    if status == 429 or code in TOO_FAST:
        return RateLimited(retry_after_s(headers.get("Retry-After")), told)
    if status >= 500 or status < 300 or status == 408:
        return UnknownOutcome(told)
    if status < 400:
        return PermanentFailure(f"{told}: a redirect, which is not followed; check api_url", code="redirected")
    if status == 401 or code in REFUSED_ACCOUNT:
        return AccountRefused(told)
    if code in TRY_AGAIN:
        return TemporaryFailure(told)
    if str(code) == OUTSIDE_WINDOW:
        return WindowClosed(told, code=OUTSIDE_WINDOW)
    return PermanentFailure(told, code=str(code or status), unreachable=code in UNREACHABLE)


def code_of(body: bytes) -> int | None:
    """Return the Graph API's error code.

    >>> code_of(b'{"error": {"code": 190, "type": "OAuthException"}}'), code_of(b"<html>")
    (190, None)
    """
    try:
        error: Any = load_object(body).get("error")
    except MalformedPayload:
        return None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and not isinstance(code, bool) else None
