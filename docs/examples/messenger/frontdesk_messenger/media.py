"""Files by their message and place: the address is asked for anew, because the one in the payload expires."""

from typing import Any

from channels.media import Download
from core.errors import MediaRefused, PermanentFailure

from frontdesk_messenger.client import MessengerClient

HOSTS = (".fbcdn.net", ".fbsbx.com")
"""Where Meta keeps what people send; developers.facebook.com/docs/graph-api/reference/message/attachments [K]."""
FIELDS = ("image_data", "video_data", "audio_data")
"""Where an attachment holds its address, beside `file_url`; the same page."""


async def find_file(client: MessengerClient, reference: str) -> Download:
    """Ask for the address of a file.

    Args:
        client: of the Page.
        reference: `{mid}/attachments#{place}`, as `attachments.py` wrote it.

    Raises:
        MediaRefused: the message has no such file, or has it no longer.
        DeliveryError: Meta could not be asked.
    """
    message_id, _, place = reference.rpartition("/attachments#")
    try:
        found = await client.attachments(message_id)
    except PermanentFailure as refusal:
        raise MediaRefused("expired", "meta has the message no longer") from refusal
    number = int(place) if place.isdecimal() else len(found)
    url = _address_of(found[number]) if number < len(found) else None
    if url is None:
        raise MediaRefused("expired", "meta tells no address of the file")
    return Download(url, HOSTS)


def _address_of(attachment: Any) -> str | None:
    if not isinstance(attachment, dict):
        return None
    holders = (attachment.get(name) for name in FIELDS)
    urls = (attachment.get("file_url"), *(holder.get("url") for holder in holders if isinstance(holder, dict)))
    return next((url for url in urls if isinstance(url, str)), None)
