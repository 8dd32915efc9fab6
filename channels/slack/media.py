"""A file of Slack by its id. Its addresses need our token, so they are asked for anew and kept nowhere (S15)."""

from channels.media import Download, origin_of
from channels.slack.client import SlackClient
from core.errors import MediaRefused, PermanentFailure

HOSTS = ("files.slack.com",)
"""docs.slack.dev/reference/objects/file-object: `url_private_download` begins with https://files.slack.com/."""
GONE = frozenset({"file_not_found", "file_deleted"})
"""docs.slack.dev/reference/methods/files.info."""


async def find_file(client: SlackClient, file_id: str) -> Download:
    """Ask where a file is; files of Slack Connect come as stubs and are found in the same way (S15).

    Raises:
        MediaRefused: it is gone, or Slack has no address for it (it is kept elsewhere, or hidden by a plan's limit).
        DeliveryError: Slack could not be asked.
    """
    try:
        answer, _ = await client.call("files.info", params={"file": file_id})
    except PermanentFailure as refusal:
        if refusal.code in GONE:
            raise MediaRefused("expired", "slack has the file no longer") from refusal
        raise
    file = answer.get("file")
    url = file.get("url_private_download") or file.get("url_private") if isinstance(file, dict) else None
    if not isinstance(url, str) or not url:
        raise MediaRefused("refused", "slack tells no address of the file")
    return Download(url, HOSTS, {"Authorization": f"Bearer {client.web.token}"}, origin_of(client.web.base_url))
