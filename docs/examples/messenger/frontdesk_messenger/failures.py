"""What the Send API's answers mean for the outbox. Pure.

Codes: developers.facebook.com/docs/messenger-platform/error-codes, read 2026-11. An error has a code and often a
subcode, and the subcode says more. A 5xx is never "not sent": Meta does not promise that the message was not taken.
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
)
from core.outbox import retry_after_s

OUTSIDE_WINDOW = frozenset({2018065, 2018278})
"""Subcodes: the person's last message is more than 24 hours old. FAILED and shown: nothing may be sent any more."""
UNREACHABLE = frozenset({1545041, 2018001, 2018108})
"""Subcodes: the person does not take messages from this Page, or is nobody that the Page knows."""
GONE = 551
"""The person is not available: they blocked the Page, or closed their account."""
TOO_FAST = frozenset({4, 17, 32, 613, 80006})
"""Calls of the app, of its user, of the Page; sends; Messenger's share of the business."""
REFUSED_ACCOUNT = frozenset({3, 10, 102, 190, 368}) | frozenset(range(200, 300))
"""Token unusable or expired, permission missing, Page blocked for its behaviour."""
NOT_SENT = 1200
"""Temporary send message failure."""
IN_DOUBT = frozenset({1, 2})
"""Unknown and unexpected errors: of 1 (1357046) the page says that the messages were sent all the same."""


def failure_from(status: int, headers: Mapping[str, str], body: bytes) -> DeliveryError:
    """Read an answer that is not a success. The message never quotes Meta's, which may hold a person's name.

    >>> failure_from(400, {}, b'{"error": {"code": 551, "error_subcode": 1545041}}').unreachable
    True
    >>> failure_from(400, {}, b'{"error": {"code": 10, "error_subcode": 2018278}}').code
    '10/2018278'
    """
    code, subcode = codes_of(body)
    named = "/".join(str(part) for part in (code, subcode) if part is not None)
    told = f"messenger answered {status}" + (f", error {named}" if named else "")
    if status == 429 or code in TOO_FAST:
        return RateLimited(retry_after_s(headers.get("Retry-After")), told)
    if code == GONE or subcode in UNREACHABLE:
        return PermanentFailure(told, code=named, unreachable=True)
    if subcode in OUTSIDE_WINDOW:
        return PermanentFailure(f"{told}: more than 24 hours after the person's last message", code=named)
    if status == 401 or code in REFUSED_ACCOUNT:
        return AccountRefused(told)
    if code == NOT_SENT:
        return TemporaryFailure(told)
    if status >= 500 or status < 300 or status == 408 or code in IN_DOUBT:
        return UnknownOutcome(told)
    if status < 400:
        return PermanentFailure(f"{told}: a redirect, which is not followed; check api_url", code="redirected")
    return PermanentFailure(told, code=named or str(status))


def codes_of(body: bytes) -> tuple[int | None, int | None]:
    """Return the Graph API's code and subcode.

    >>> codes_of(b'{"error": {"code": 190, "error_subcode": 463}}'), codes_of(b"<html>")
    ((190, 463), (None, None))
    """
    try:
        error: Any = load_object(body).get("error")
    except MalformedPayload:
        return None, None
    return (_number(error, "code"), _number(error, "error_subcode")) if isinstance(error, dict) else (None, None)


def _number(error: Mapping[str, Any], name: str) -> int | None:
    value = error.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
