"""Web chat, joined together."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from aiohttp import web

from channels.base import Channel, Finding, Gap, Look, Resources, nothing_missed
from channels.inbound import Capabilities, DeliveryKey, Inbound, TypingAbility
from channels.invisible import harmless
from channels.media import Download
from channels.web.account import AccountSettings
from channels.web.api import Api
from channels.web.client import MailboxClient
from channels.web.gate import Gate
from channels.web.journal import Journal
from channels.web.normalize import CHANNEL, KEPT, identify, normalize
from channels.web.pages import Pages
from channels.web.readers import Readers
from channels.web.render import CAPABILITIES, ESCAPES, render
from channels.web.sockets import SIGN_RENEWED_EVERY_S, Sockets
from channels.web.uploads import FileTokens, Uploads
from core.errors import MediaRefused
from core.events import Address, Attachment, Event
from core.ids import AccountName, ChannelName, ConversationId, OutId, account_key
from core.ports import Escape, Words
from core.replies import ApiCall, Receipt, Reply


class WebChannel:
    """One web chat."""

    name: ChannelName = CHANNEL
    escapes: Mapping[str, Escape] = ESCAPES
    capabilities: Capabilities = CAPABILITIES.model_copy(
        update={"typing": TypingAbility(renew_every_s=SIGN_RENEWED_EVERY_S, must_end=True)}
    )

    def __init__(self, account: AccountName, settings: AccountSettings, resources: Resources) -> None:
        self.account = account
        self._settings = settings
        self._base = f"/web/{account}"
        self._readers = Readers(resources.mailbox)
        self._client = MailboxClient(resources.mailbox, self._readers, resources.clock)
        self._shelf = resources.media
        gate, files = Gate(account, settings, resources), FileTokens(settings.keys(), account)
        journal = Journal(account, resources, files)
        self._api = Api(gate, journal, self._readers, Uploads(gate, files, resources.media))
        self._sockets = Sockets(gate, journal, self._readers)
        self._pages = Pages(self._base, settings, resources.public_url)

    def identify(self, inbound: Inbound) -> DeliveryKey:
        """Name a payload by the visitor's session and the client's own id."""
        return DeliveryKey(identify(inbound.body, self.account))

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        """Translate what a visitor said."""
        return harmless(normalize(inbound.body, account=self.account, received_at=inbound.received_at))

    def render(self, reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
        """Give a reply its shape."""
        return render(reply, words, address, self.capabilities)

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        """Leave a message in the mailbox."""
        return await self._client.send(call, out_id, seq, conversation_id)

    async def show_typing(self, event: Event, *, is_on: bool) -> None:
        """Tell the open pages of a conversation, those that hold their socket in this process."""
        await self._sockets.show_typing(event.conversation_id, is_on=is_on)

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime, others: frozenset[str]) -> Receipt | None:
        """Never asked: sending again is harmless."""
        return None

    async def find_media(self, attachment: Attachment, inbound: Inbound) -> Download | bytes:
        """Return an upload: it was kept before its message came.

        Raises:
            MediaRefused: its time is over.
        """
        file = await self._shelf.kept(attachment.reference.removeprefix(KEPT)) if self._shelf is not None else None
        if file is None:
            raise MediaRefused("expired", "the upload is not kept any more")
        return file.data

    def routes(self) -> list[web.RouteDef]:
        """Return the page, the HTTP interface and the socket."""
        socket = web.get(f"{self._base}/ws", self._sockets.serve, allow_head=False)
        return [*self._pages.routes(), *self._api.routes(self._base), socket]

    async def listen(self) -> None:
        """Return at once: visitors come to us."""

    def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """Ask nobody: the client sends a message again until it is acknowledged."""
        return nothing_missed()

    async def check(self) -> list[Finding]:
        """Say who may embed the widget; nothing here can be broken on somebody else's side."""
        origins = self._settings.allowed_origins
        detail = f"may be embedded by {', '.join(origins)}" if origins else "allowed_origins is empty: own page only"
        fix = None if origins else "list the origins of the sites that embed the widget, if any"
        return [Finding(account=account_key(CHANNEL, self.account), check="embedding", ok=True, detail=detail, fix=fix)]

    async def close(self) -> None:
        """Send the clients away, to come back to a process that lives."""
        await self._sockets.close()
        await self._readers.close()


def build(account: AccountName, settings: AccountSettings, resources: Resources) -> Channel:
    """Make the channel of one account."""
    return WebChannel(account, settings, resources)
