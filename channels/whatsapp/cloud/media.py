"""Media of the Cloud API by its id: the address is good for five minutes and wants our token (CHANNELS 3.3)."""

from channels.media import Download, origin_of
from channels.whatsapp.cloud.client import CloudClient
from core.errors import MediaRefused, PermanentFailure

PREFIX = "media:"
HOSTS = ("lookaside.fbsbx.com",)
"""developers.facebook.com/docs/whatsapp/cloud-api/reference/media, "Download media" [K]."""
GONE = frozenset({"100", "131052", "404"})
"""Unknown id; media download error: the reference's error codes [K]. Meta keeps media for 30 days."""


async def find_file(client: CloudClient, reference: str) -> Download:
    """Ask for the address of a medium.

    Raises:
        MediaRefused: it is gone, or Meta tells no address.
        DeliveryError: Meta could not be asked.
    """
    try:
        url = (await client.medium(reference.removeprefix(PREFIX))).get("url")
    except PermanentFailure as refusal:
        if refusal.code in GONE:
            raise MediaRefused("expired", "meta has the file no longer") from refusal
        raise
    if not isinstance(url, str) or not url:
        raise MediaRefused("refused", "meta tells no address of the file")
    return Download(url, HOSTS, client.proof, origin_of(client.api_url))
