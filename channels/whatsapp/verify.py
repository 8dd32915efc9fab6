"""Did Twilio send this? HMAC-SHA1 with the Auth Token over the public URL and every parameter as sent (W3).

Written by hand: the vendor's validator takes 61 us, compares in Python, and raises `TypeError` on a missing header
(W4). A test holds this against the vendor's on generated requests. Source: twilio.com/docs/usage/security and
`twilio.request_validator` 9.13.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from channels.whatsapp.payloads import form_pairs
from core.errors import InvalidSignature, MalformedPayload

SIGNATURE_HEADER = "X-Twilio-Signature"
ALGORITHM = "sha1"
"""The one algorithm of the Auth Token. Twilio's `X-Twilio-Webhooks-Signature-Settings` header is not read: who sends a
request must not choose how it is checked (W5)."""
BODY_HASH = "bodySHA256"
DEFAULT_PORTS = {"https": 443, "http": 80}
JSON = "application/json"


def origins_of(public_url: str) -> tuple[str, ...]:
    """Return the two ways in which Twilio may write our origin: its signer is not consistent about the port.

    >>> origins_of("https://desk.example")
    ('https://desk.example', 'https://desk.example:443')
    >>> origins_of("https://desk.example:8443")
    ('https://desk.example', 'https://desk.example:8443')
    """
    parts = urlsplit(public_url.rstrip("/"))
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 443)
    host = parts.netloc.removesuffix(f":{parts.port}") if parts.port else parts.netloc
    return tuple(f"{parts.scheme}://{netloc}{parts.path}" for netloc in (host, f"{host}:{port}"))


def signature_of(token: bytes, url: str, parameters: bytes = b"") -> bytes:
    """Return what Twilio puts into `X-Twilio-Signature`.

    >>> signature_of(b"12345", "https://desk.example/whatsapp/main", b"Bodyhello")
    b'FXa1Wzj7GEgi9ufyvggeMFhQrFg='
    """
    message = url.encode("utf-8", "surrogateescape") + parameters
    return base64.b64encode(hmac.digest(token, message, ALGORITHM))


def signed_parameters(body: bytes) -> bytes:
    """Return a form the way it is signed: names sorted, values of one name sorted and told once.

    >>> signed_parameters(b"b=2&a=9&b=1&b=2&c=")
    b'a9b1b2c'
    """
    return b"".join(name + value for name, value in sorted(set(form_pairs(body))))


def verify_signature(
    signatures: Sequence[str],
    *,
    origins: Sequence[str],
    target: str,
    body: bytes,
    media_type: str,
    tokens: Sequence[bytes],
) -> None:
    """Accept a request that was signed with one of `tokens`; all of them are tried, in constant time.

    Args:
        signatures: every `X-Twilio-Signature` header; exactly one is right.
        origins: `origins_of` the address in our settings; never taken from Host or X-Forwarded-* (F070).
        target: path and query exactly as received.
        body: raw bytes.
        media_type: of the body. JSON is bound to the URL by its hash (W4), a form by its parameters.
        tokens: the current Auth Token and, while it is rotated, the one before.

    Raises:
        InvalidSignature: answer 401, store nothing.
    """
    if len(signatures) != 1:
        raise InvalidSignature(f"{len(signatures)} signature headers instead of one")
    parameters = _json_parameters(target, body) if media_type == JSON else _form_parameters(body)
    given = signatures[0].encode("utf-8", "surrogateescape")
    matches = [
        hmac.compare_digest(signature_of(token, origin + target, parameters), given)
        for token in tokens
        for origin in origins
    ]
    if not any(matches):
        raise InvalidSignature(
            "the signature does not fit: is the auth token current, and public_url what Twilio calls?"
        )


def _form_parameters(body: bytes) -> bytes:
    try:
        return signed_parameters(body)
    except MalformedPayload as error:
        raise InvalidSignature(str(error)) from error


def _json_parameters(target: str, body: bytes) -> bytes:
    """Check the body against the hash in the query; nothing is appended to the URL then."""
    stated = parse_qs(target.partition("?")[2], max_num_fields=None).get(BODY_HASH, [])
    computed = hashlib.sha256(body).hexdigest().encode()
    if len(stated) != 1 or not hmac.compare_digest(stated[0].encode("utf-8", "surrogateescape"), computed):
        raise InvalidSignature(f"a JSON body that {BODY_HASH} does not vouch for")
    return b""
