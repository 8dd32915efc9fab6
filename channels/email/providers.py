"""What providers post when mail comes in -> the raw mail and its envelope. Pure (E4).

Mailgun signs: HMAC-SHA256 of timestamp and token. SendGrid Inbound Parse and Postmark sign nothing; the URL that they
are given carries a name and a password (basic authentication). All three must be set to send the raw MIME.
Sources: documentation.mailgun.com "Receiving, Forwarding and Storing Messages" and "Securing Webhooks",
sendgrid.com "Inbound Parse" ("POST the raw, full MIME message"), postmarkapp.com "Inbound webhook" (`RawEmail`).
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl

from channels.email.mime import PARSER_ERRORS
from core.errors import InvalidSignature, MalformedPayload

Provider = Literal["mailgun", "sendgrid", "postmark"]
MAX_FIELDS = 1000
MAX_POST_BYTES = 36 * 1024 * 1024
"""Postmark's 35 MB is the most that one of them posts (E4); a raw mail over our own limit is quarantined."""


class Delivery(NamedTuple):
    """One mail as a provider hands it over."""

    raw: bytes
    envelope_from: str | None
    envelope_to: str


def verify_post(provider: Provider, secret: bytes, authorization: str, fields: Mapping[str, bytes]) -> None:
    """Check that a post is the provider's.

    Args:
        provider: who is meant to post here.
        secret: Mailgun's signing key for webhooks; for the others the password in the URL, whatever the name.
        authorization: that header of the request, "" without one.
        fields: as by `fields_of`.

    Raises:
        InvalidSignature: it is not.
    """
    if provider == "mailgun":
        words = fields.get("timestamp", b"") + fields.get("token", b"")
        is_theirs = bool(words) and hmac.compare_digest(
            hmac.digest(secret, words, hashlib.sha256).hex().encode(), fields.get("signature", b"")
        )
    else:
        is_theirs = hmac.compare_digest(_password(authorization), secret)
    if not is_theirs:
        raise InvalidSignature(f"not signed by {provider}")


def _password(authorization: str) -> bytes:
    scheme, _, encoded = authorization.partition(" ")
    try:
        return base64.b64decode(encoded, validate=True).partition(b":")[2] if scheme.lower() == "basic" else b""
    except ValueError:
        return b""


def fields_of(body: bytes, content_type: str) -> dict[str, bytes]:
    """Return the fields of a post: a form of either kind, or the texts of a JSON object; nothing if it is none.

    The first of a name counts.
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        pairs = _pairs(body, kind, content_type)
    except (RecursionError, *PARSER_ERRORS):
        return {}
    return dict(reversed(pairs))


def _pairs(body: bytes, kind: str, content_type: str) -> list[tuple[str, bytes]]:
    if kind == "application/json":
        found = json.loads(body)
        texts = found.items() if isinstance(found, dict) else ()
        return [(name, value.encode("utf-8", "replace")) for name, value in texts if isinstance(value, str)]
    if kind == "multipart/form-data":
        head = b"Content-Type: " + content_type.encode("latin-1", "replace").replace(b"\n", b" ") + b"\r\n\r\n"
        parts = BytesParser(policy=compat32).parsebytes(head + body).get_payload()
        return [_part(part) for part in parts if isinstance(part, Message)] if isinstance(parts, list) else []
    text = body.decode("latin-1")
    return [
        (name, value.encode("latin-1"))
        for name, value in parse_qsl(text, True, encoding="latin-1", max_num_fields=MAX_FIELDS)
    ]


def _part(part: Message) -> tuple[str, bytes]:
    content = part.get_payload(decode=True)
    return str(part.get_param("name", "", "content-disposition")), content if isinstance(content, bytes) else b""


def delivery_of(provider: Provider, fields: Mapping[str, bytes]) -> Delivery:
    """Return the mail of a post.

    Raises:
        MalformedPayload: it holds no raw mail; the provider is not set to send it.
    """
    mail_field = {"mailgun": "body-mime", "sendgrid": "email", "postmark": "RawEmail"}[provider]
    raw = fields.get(mail_field, b"")
    if not raw:
        raise MalformedPayload(f"no field {mail_field}: set {provider} to post the raw MIME message")
    if provider == "sendgrid":
        return Delivery(raw, *_sendgrid_envelope(fields.get("envelope", b"")))
    sender, to = ("sender", "recipient") if provider == "mailgun" else ("", "OriginalRecipient")
    envelope_from = _text(fields[sender]) if sender in fields else None
    return Delivery(raw, envelope_from, _text(fields.get(to, b"")))


def _sendgrid_envelope(field: bytes) -> tuple[str | None, str]:
    try:
        envelope = json.loads(field)
        sender, to = envelope.get("from"), envelope.get("to")
    except (ValueError, AttributeError, RecursionError):
        return None, ""
    recipients = to if isinstance(to, list) else []
    return sender if isinstance(sender, str) else None, ", ".join(str(one) for one in recipients[:100])


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip()
