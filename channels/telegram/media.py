"""A file of Telegram by its `file_id`. Its address holds the bot's token (T21): it is built here and kept nowhere."""

from channels.media import Download, origin_of
from channels.telegram.client import TelegramClient
from channels.telegram.failures import FILE_GONE, FILE_TOO_BIG
from core.errors import MediaRefused, PermanentFailure


async def find_file(client: TelegramClient, file_id: str) -> Download:
    """Ask for a file's path; the address is good for an hour at least (T21).

    Raises:
        MediaRefused: over 20 MB, which a bot cannot have (T21), or gone.
        DeliveryError: Telegram could not be asked.
    """
    try:
        found = await client.call("getFile", {"file_id": file_id})
    except PermanentFailure as refusal:
        if refusal.code == FILE_TOO_BIG:
            raise MediaRefused("too_big", "telegram hands over 20 MB at most") from None
        if refusal.code == FILE_GONE:
            raise MediaRefused("expired", "telegram does not know the file any more") from None
        raise
    path = found.get("file_path") if isinstance(found, dict) else None
    if not isinstance(path, str) or not path or ".." in path.split("/"):
        raise MediaRefused("refused", "telegram tells no path of the file")
    url = client.file_url(path)
    return Download(url, (), own_origin=origin_of(url))
