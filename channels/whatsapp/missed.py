"""Messages that Twilio lists and may not have delivered, as its webhook would have posted them. Pure.

A webhook that failed is not tried again (W6): what it would have brought is only in the list (SEMANTICS section 9). The
list knows less than the webhook: no profile name, no pressed button's payload, no coordinates.
Source: twilio.com/docs/messaging/api/message-resource and .../media-resource.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from channels.inbound import CatchUp
from channels.payload import clean_text
from channels.whatsapp.payloads import MAX_MEDIA, SENT_AT

OVERLAP_S = 3600.0
"""SEMANTICS section 9."""
ON_ITS_WAY = timedelta(minutes=2)
"""A younger message may still come by the webhook, which knows more of it: at most six tries of 15 s (W6)."""
INBOUND = "inbound"
NOTHING_LISTED = "unsupported"
"""`MessageType` of a message that the list shows without words or media: a location, a contact, a poll."""


def how_often(every_s: float) -> CatchUp | None:
    """Return how Twilio is asked; None where the settings say never (0)."""
    return CatchUp(every_s=every_s, overlap_s=OVERLAP_S) if every_s else None


def is_missed(message: Any, since: datetime, now: datetime) -> bool:
    """Tell whether a listed message was sent to us since then, and ought to be here; one without a time counts."""
    at = message.date_sent or message.date_created
    is_ours = message.direction == INBOUND and bool(message.sid and message.from_)
    return is_ours and (at is None or since <= at <= now - ON_ITS_WAY)


def as_delivered(message: Any, media: Sequence[Any], origin: str) -> bytes:
    """Write a listed message as the webhook's form; its `MessageSid`, and so its name, is the same.

    It also says when the message was sent, which the webhook does not: the service window begins then (W20).

    Args:
        message: an entry of the Messages list.
        media: entries of its Media list.
        origin: of the API, before the paths that entries name.
    """
    fields = {
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsMessageSid": message.sid,
        "AccountSid": message.account_sid,
        "MessagingServiceSid": message.messaging_service_sid,
        "From": message.from_,
        "To": message.to,
        "Body": message.body,
        "NumMedia": str(len(media)),
        "NumSegments": message.num_segments,
        "SmsStatus": "received",
        "ApiVersion": message.api_version,
        "MessageType": None if message.body or media else NOTHING_LISTED,
        SENT_AT: sent_at.isoformat() if (sent_at := message.date_sent or message.date_created) else None,
    }
    for index, file in enumerate(media[:MAX_MEDIA]):
        fields[f"MediaUrl{index}"] = f"{origin}{str(file.uri).removesuffix('.json')}"
        fields[f"MediaContentType{index}"] = file.content_type
    return urlencode({name: clean_text(str(value)) for name, value in fields.items() if value is not None}).encode()
