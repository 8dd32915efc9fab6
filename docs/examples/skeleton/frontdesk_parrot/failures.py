"""What Parrot's answers mean for the outbox. Pure. Source: name the page of the platform's documentation."""

from collections.abc import Mapping

from core.errors import AccountRefused, DeliveryError, PermanentFailure, RateLimited, UnknownOutcome
from core.outbox import retry_after_s

GONE = frozenset({404, 410})
"""There is no such chat any more, or it does not take our messages."""


def failure_from(status: int, headers: Mapping[str, str]) -> DeliveryError:
    """Read an answer that is not a success. Its text is never quoted: it may hold somebody's words or name.

    >>> failure_from(429, {"Retry-After": "30"}).retry_after_s
    30.0
    """
    told = f"parrot answered {status}"
    if status == 429:
        return RateLimited(retry_after_s(headers.get("Retry-After")), told)
    if status in (401, 403):
        return AccountRefused(told)
    if status >= 500:  # nothing says that the message was not taken
        return UnknownOutcome(told)
    return PermanentFailure(told, code=str(status), unreachable=status in GONE)
