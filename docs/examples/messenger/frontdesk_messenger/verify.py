"""Did Meta send this? HMAC-SHA256 with the app secret over the raw bytes, and the handshake of a new callback URL.

Source: developers.facebook.com/docs/messenger-platform/webhooks. Meta signs the body with non-ASCII characters as
escapes, so it is never parsed and written again before it is checked.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from core.errors import InvalidSignature

SIGNATURE_HEADER = "X-Hub-Signature-256"
PREFIX = "sha256="
MAX_CHALLENGE = 256
"""Characters of a challenge that we repeat; Meta's is a number of about ten. Ours."""


def signature_of(secret: bytes, body: bytes) -> str:
    """Return what Meta puts into `X-Hub-Signature-256`.

    >>> signature_of(b"secret", b"{}")[:23]
    'sha256=77325902caca812d'
    """
    return PREFIX + hmac.new(secret, body, hashlib.sha256).hexdigest()


def verify_signature(signatures: Sequence[str], body: bytes, secrets: Sequence[bytes]) -> None:
    """Accept a body that was signed with one of `secrets`; all of them are tried, in constant time.

    Args:
        signatures: every `X-Hub-Signature-256` header; exactly one is right.
        body: raw bytes.
        secrets: the app secret and, while it is changed, the one before.

    Raises:
        InvalidSignature: answer 401, store nothing.
    """
    if len(signatures) != 1:
        raise InvalidSignature(f"{len(signatures)} signature headers instead of one")
    given = signatures[0].encode("utf-8", "surrogateescape")
    matches = [hmac.compare_digest(signature_of(secret, body).encode(), given) for secret in secrets]
    if not any(matches):
        raise InvalidSignature("the signature does not fit: is the app secret current?")


def challenge_of(query: Mapping[str, str], verify_token: bytes) -> str:
    """Return what the handshake of a callback URL must be answered with.

    Args:
        query: of the GET: `hub.mode`, `hub.verify_token`, `hub.challenge`.
        verify_token: the one in our settings.

    Raises:
        InvalidSignature: another mode or token, or no challenge; answer 403.
    """
    token = query.get("hub.verify_token", "").encode("utf-8", "surrogateescape")
    challenge = query.get("hub.challenge", "")
    is_known = hmac.compare_digest(token, verify_token)
    if query.get("hub.mode") != "subscribe" or not is_known or not 0 < len(challenge) <= MAX_CHALLENGE:
        raise InvalidSignature("not a handshake with our verify token")
    return challenge
