"""A verified visitor's words go into the inbox."""

import orjson

from channels.base import Acceptance, Resources
from channels.inbound import Inbound
from channels.web.normalize import CHANNEL
from channels.web.payloads import Posted
from channels.web.uploads import FileTokens
from core.ids import AccountName


class Journal:
    """Writes what visitors of one account say into the hub's inbox."""

    def __init__(self, account: AccountName, resources: Resources, files: FileTokens) -> None:
        self._account = account
        self._files = files
        self._resources = resources

    async def write(self, session_id: str, said: Posted) -> Acceptance:
        """Return once the message is durable.

        Raises:
            MalformedPayload: it names a file that this session did not upload.
            StoreUnavailable: it is not; the client keeps it and comes again with the same id.
        """
        body = {"session": session_id, **said.model_dump(exclude={"type", "files"}, exclude_none=True)}
        if said.files:
            uploaded = self._files.read(session_id, said.files)
            body["uploaded"] = [file.model_dump(exclude_none=True) for file in uploaded]
        received_at = self._resources.clock.now()
        return await self._resources.accept(Inbound(CHANNEL, self._account, orjson.dumps(body), received_at))
