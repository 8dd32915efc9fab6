"""New credentials without a restart: when an account's are refused, its secret files are read once more.

A secret that comes as `NAME_FILE` may be replaced while the hub runs; the environment of a process cannot change.
"""

import asyncio
from collections.abc import Callable, Mapping

import structlog
from pydantic import BaseModel

from channels.base import Channel, Renewable
from core.errors import ConfigError

log = structlog.get_logger(__name__)


class Renewal:
    """Gives refused accounts the credentials that stand in their files now.

    Args:
        channels: by `channel:account`.
        known: the settings that each was built with.
        read: reads those of one account anew; None where they are incomplete.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        known: Mapping[str, BaseModel],
        read: Callable[[str], BaseModel | None],
    ) -> None:
        self._channels = channels
        self._known = dict(known)
        self._read = read

    async def look(self, account: str) -> bool:
        """Look for other credentials; True: the account has them now, and may be tried at once."""
        channel = self._channels[account]
        if not isinstance(channel, Renewable):
            return False
        try:
            found = await asyncio.to_thread(self._read, account)
        except ConfigError as error:
            log.warning("credentials_not_read", account=account, error=str(error))
            return False
        if found is None or found == self._known.get(account):
            return False
        channel.renew(found)
        self._known[account] = found
        log.info("credentials_renewed", account=account)
        return True
