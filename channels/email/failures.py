"""What an SMTP server's refusal means. Pure (RFC 5321 section 4.2, RFC 3463, SEMANTICS section 6)."""

import re
from typing import Literal

from core.errors import AccountRefused, DeliveryError, PermanentFailure, TemporaryFailure, UnknownOutcome

Stage = Literal["connect", "login", "envelope", "content"]
"""How far a send came: greeting, EHLO and TLS; authentication; MAIL and RCPT; DATA and what follows it."""

ENHANCED = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
NEEDS_LOGIN = frozenset({530, 534, 535, 538})  # RFC 4954 section 6
NO_SUCH_RECIPIENT = frozenset({550, 551, 553})  # RFC 5321 section 4.2.3


def failure_from(stage: Stage, code: int | None, text: str = "") -> DeliveryError:
    """Read a refusal, or the loss of the connection where there is no code.

    >>> type(failure_from("envelope", 452, "4.2.2 Mailbox full")).__name__
    'TemporaryFailure'
    >>> type(failure_from("content", None, "connection lost")).__name__
    'UnknownOutcome'
    """
    said = f"{code} {text}".strip() if code else text
    if code is None or not 400 <= code <= 599:
        # Before the content nothing can have been taken over; after it the reply to the dot may be what is lost.
        return UnknownOutcome(said) if stage == "content" else TemporaryFailure(said)
    if code < 500:
        return TemporaryFailure(said)
    if stage in ("connect", "login") or code in NEEDS_LOGIN:
        # The server refuses us, not this mail: pause the account rather than lose one answer after the other.
        return AccountRefused(said)
    enhanced = ENHANCED.search(text)
    unreachable = stage == "envelope" and code in NO_SUCH_RECIPIENT
    return PermanentFailure(said, code=enhanced.group() if enhanced else str(code), unreachable=unreachable)
