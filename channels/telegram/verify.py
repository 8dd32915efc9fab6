"""Who posted an update: Telegram repeats our secret in a header; there is no signature over the body (T1)."""

import hmac
from collections.abc import Sequence

from core.errors import InvalidSignature

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105  the name of the header, not a secret
"""Source: core.telegram.org/bots/api#setwebhook, `secret_token`."""


def verify(given: Sequence[str], secret: str) -> None:
    """Compare every value of the secret header with ours, in constant time.

    Args:
        given: all values of the header in the request; exactly one is expected.
        secret: what we gave to setWebhook; an empty one matches nothing.

    Raises:
        InvalidSignature: missing, repeated or wrong.

    >>> verify(["s3cret"], "s3cret")
    """
    if len(given) != 1 or not secret:
        raise InvalidSignature("the secret header is missing, or there is more than one")
    if not hmac.compare_digest(given[0].encode("utf-8", "surrogateescape"), secret.encode()):
        raise InvalidSignature("the secret header is wrong")
