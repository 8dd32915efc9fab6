"""Proving that a request comes from Slack; docs.slack.dev/authentication/verifying-requests-from-slack.

Written by hand rather than with `slack_sdk.signature`: that one decodes body and timestamp before it looks at them and
raises on rubbish, so a stranger could cause a 500.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from core.errors import InvalidSignature

MAX_AGE_S = 300
"""How far Slack's timestamp may be from our clock, either way (CHANNELS 1.2)."""
MAX_TIMESTAMP_DIGITS = 12
"""Seconds since 1970 have ten digits until the year 2286."""


def sign(body: bytes, timestamp: str, secret: str) -> str:
    """Return the signature that Slack would put on these raw bytes.

    >>> sign(b"{}", "1700000000", "secret")[:13]
    'v0=84dd7b277b'
    """
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def verify(
    body: bytes, signatures: Sequence[str], timestamps: Sequence[str], secrets: Sequence[str], now: datetime
) -> None:
    """Check the signature of a request's raw bytes.

    Args:
        body: exactly what arrived, before any JSON or form parsing.
        signatures: every `X-Slack-Signature` header of the request; more than one is refused.
        timestamps: every `X-Slack-Request-Timestamp` header, whole seconds.
        secrets: what may have signed it: the current secret and, during a rotation, the one before.
        now: our wall clock.

    Raises:
        InvalidSignature: answer 401 and store nothing.
    """
    if len(signatures) != 1 or len(timestamps) != 1:
        raise InvalidSignature("one signature and one timestamp are needed")
    timestamp = timestamps[0]
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= MAX_TIMESTAMP_DIGITS):
        raise InvalidSignature("the timestamp is not a number of seconds")
    if abs(now.timestamp() - int(timestamp)) > MAX_AGE_S:
        raise InvalidSignature(f"the timestamp is more than {MAX_AGE_S} s from our clock")
    given = signatures[0].encode("utf-8", "surrogateescape")  # bytes: compare_digest refuses non-ASCII text
    if not any(hmac.compare_digest(given, sign(body, timestamp, secret).encode()) for secret in secrets):
        raise InvalidSignature("the signature does not fit the body")
