"""The slice of Twilio's messaging webhooks that we read; whatever else is in them is left alone (W2).

Source: twilio.com/docs/messaging/guides/webhook-request and .../outbound-message-status-in-status-callbacks.
"""

from typing import Annotated
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from channels.payload import clean_text
from core.errors import MalformedPayload
from core.model import AwareDatetime

MAX_FIELDS = 1000
"""Parameters that are read; a message with ten media has about 60. Bounds the work an unsigned body can cause."""
SENT_AT = "FrontdeskSentAt"
"""Ours, ISO 8601: when a message was sent that the list told; Twilio's own parameters have no such prefix."""
MAX_MEDIA = 10
"""Media of one message (an MMS; WhatsApp has one, W10)."""


def form_pairs(body: bytes) -> list[tuple[bytes, bytes]]:
    """Read a form as sent: unknown, empty and repeated parameters all stay, in order (W2, W3).

    Works on bytes, because the signature is made over bytes: decoding them leniently first would lose some.

    Raises:
        MalformedPayload: more than `MAX_FIELDS` parameters.

    >>> form_pairs(b"Body=a+%2B+b&Empty=&Digits=1&Digits=2")
    [(b'Body', b'a + b'), (b'Empty', b''), (b'Digits', b'1'), (b'Digits', b'2')]
    """
    if body.count(b"&") >= MAX_FIELDS:
        raise MalformedPayload(f"a form of more than {MAX_FIELDS} parameters")
    pairs = (part.partition(b"=") for part in body.replace(b"+", b" ").split(b"&") if part)
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs]


def form_fields(body: bytes) -> dict[str, str]:
    """Return the form's parameters that are not blank; the first of repeated ones counts, rubbish becomes U+FFFD.

    NUL characters are dropped (W12).

    Raises:
        MalformedPayload: more than `MAX_FIELDS` parameters.

    >>> form_fields(b"Body=&From=%2B1&From=%2B2")
    {'From': '+1'}
    """
    fields: dict[str, str] = {}
    for name, value in form_pairs(body):
        if text := clean_text(value.decode("utf-8", "replace")):
            fields.setdefault(name.decode("utf-8", "replace"), text)
    return fields


Sid = Annotated[str, Field(min_length=1, max_length=64)]
Party = Annotated[str, Field(min_length=1, max_length=256)]
"""`whatsapp:+E164`, `whatsapp:` and a business-scoped user id (W1), or a bare number or short code (SMS)."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_pascal)

    message_sid: Sid
    to: Party


class InboundMessage(_Form):
    """What a person sent."""

    from_: Party = Field(alias="From")
    body: str = ""
    profile_name: str | None = None
    message_type: str | None = None
    button_payload: str | None = None
    button_text: str | None = None
    list_id: str | None = None
    list_title: str | None = None
    original_replied_message_sid: str | None = None
    opt_out_type: str | None = None
    """Of a word that Advanced Opt-Out has acted on and answered."""
    latitude: float | None = Field(default=None, allow_inf_nan=False, ge=-90, le=90)
    longitude: float | None = Field(default=None, allow_inf_nan=False, ge=-180, le=180)
    address: str | None = None
    label: str | None = None
    sent_at: AwareDatetime | None = Field(default=None, alias=SENT_AT)


class StatusCallback(_Form):
    """What became of something we sent; `To` is the person. A messaging service has no `From` at first."""

    message_status: str
    error_code: str | None = None


INBOUND_STATUSES = frozenset({"received", "receiving"})


def is_status(fields: dict[str, str]) -> bool:
    """Tell a status callback from a message: only the former has a `MessageStatus` of something outbound.

    >>> is_status({"MessageStatus": "delivered"}), is_status({"SmsStatus": "received"})
    (True, False)
    """
    return fields.get("MessageStatus", "received") not in INBOUND_STATUSES
