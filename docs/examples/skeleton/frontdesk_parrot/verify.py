"""Did Parrot send this? HMAC-SHA256 with the webhook's secret over the raw bytes.

Source: name the page of the platform's documentation, and the day you read it.
"""

import hashlib
import hmac
from collections.abc import Sequence

from core.errors import InvalidSignature

SIGNATURE_HEADER = "X-Parrot-Signature"


def signature_of(secret: bytes, body: bytes) -> str:
    """Return what Parrot puts into `X-Parrot-Signature`.

    >>> signature_of(b"secret", b"{}")[:16]
    '77325902caca812d'
    """
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def verify_signature(signatures: Sequence[str], body: bytes, secret: bytes) -> None:
    """Accept a body that was signed with our secret.

    Args:
        signatures: every signature header; exactly one is right.
        body: raw bytes, never parsed and written again.
        secret: the webhook's.

    Raises:
        InvalidSignature: answer 401, store nothing.
    """
    if len(signatures) != 1:
        raise InvalidSignature(f"{len(signatures)} signature headers instead of one")
    given = signatures[0].encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(signature_of(secret, body).encode(), given):
        raise InvalidSignature("the signature does not fit: is the secret current?")
