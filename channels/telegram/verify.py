"""Who posted an update: Telegram repeats our secret in a header; there is no signature over the body (T1)."""

import hmac
from collections.abc import Sequence

from core.errors import InvalidSignature

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105  the name of the header, not a secret
"""Source: core.telegram.org/bots/api#setwebhook, `secret_token`."""


def verify(given: Sequence[str], secrets: Sequence[str]) -> None:
    """Compare the secret header with each of ours, in constant time.

    Args:
        given: all values of the header in the request; exactly one is expected.
        secrets: what we gave to setWebhook and, during a rotation, the one before; an empty one matches nothing.

    Raises:
        InvalidSignature: missing, repeated or wrong.

    >>> verify(["s3cret"], ["s3cret", "the one before"])
    """
    if len(given) != 1:
        raise InvalidSignature("the secret header is missing, or there is more than one")
    value = given[0].encode("utf-8", "surrogateescape")
    if not any(hmac.compare_digest(value, secret.encode()) for secret in secrets if secret):
        raise InvalidSignature("the secret header is wrong")
