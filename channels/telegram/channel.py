"""One Telegram bot as a channel: joins verify, normalize, render, client and polling."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from channels.base import Channel, Finding, Gap, Look, Resources
from channels.http import read_body, try_later
from channels.inbound import Capabilities, DeliveryKey, Inbound
from channels.invisible import harmless
from channels.media import Download
from channels.telegram import media
from channels.telegram import render as shape
from channels.telegram.account import AccountSettings
from channels.telegram.backlog import CATCH_UP, Backlog
from channels.telegram.client import TelegramClient, as_body
from channels.telegram.doctor import Setup, examine
from channels.telegram.normalize import CHANNEL, Bot, name_update, normalize
from channels.telegram.payloads import HANDLED_UPDATES
from channels.telegram.polling import Poller, until_done
from channels.telegram.verify import SECRET_HEADER, verify
from core.errors import InvalidSignature, StoreUnavailable, UnknownOutcome
from core.events import Address, Attachment, Event
from core.ids import AccountName, ConversationId, OutId
from core.ports import Escape, Words
from core.replies import ApiCall, Receipt, Reply


class TelegramChannel:
    """One bot."""

    name = CHANNEL
    escapes: Mapping[str, Escape] = shape.ESCAPES
    capabilities: Capabilities = shape.CAPABILITIES.model_copy(update={"catch_up": CATCH_UP, "typing": shape.TYPING})

    def __init__(
        self, account: AccountName, settings: AccountSettings, resources: Resources, client: TelegramClient
    ) -> None:
        self.account = account
        self._settings = settings
        self._resources = resources
        self._client = client
        self._bot = Bot(account, settings.bot_id, settings.username)
        self._path = f"/telegram/{account}"
        self._backlog = Backlog(f"{CHANNEL}:{account}", client, resources.clock)

    def identify(self, inbound: Inbound) -> DeliveryKey:
        """Name an update by its id."""
        return name_update(inbound.body, inbound.account)

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        """Translate an update."""
        return harmless(normalize(inbound.body, self._bot, inbound.received_at))

    def render(self, reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
        """Shape a reply as Bot API calls."""
        return shape.render(reply, words, address, self.capabilities)

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        """Send one call; the Bot API has no field that would carry `out_id`."""
        return await self._client.send(call)

    async def show_typing(self, event: Event, *, is_on: bool) -> None:
        """Show that the bot writes; it goes after five seconds or with the next message (T25)."""
        await self._client.call("sendChatAction", shape.typing(event.address))

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime, others: frozenset[str]) -> Receipt | None:
        """Refuse: a bot cannot read its own history, so nothing can be proven."""
        raise UnknownOutcome("telegram cannot be asked what a bot has sent")

    async def find_media(self, attachment: Attachment, inbound: Inbound) -> Download | bytes:
        """Ask for the path of a file."""
        return await media.find_file(self._client, attachment.reference)

    def routes(self) -> list[web.RouteDef]:
        """Return the webhook's route; none in polling mode, where nothing could verify a caller."""
        return [web.post(self._path, self._receive)] if self._settings.mode == "webhook" else []

    async def _receive(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        try:
            verify(request.headers.getall(SECRET_HEADER, []), self._settings.webhook_secrets())
        except InvalidSignature:
            return web.Response(status=401)
        try:
            await self._resources.accept(self._inbound(body))
        except StoreUnavailable:
            return try_later()
        return web.Response()

    def _inbound(self, body: bytes) -> Inbound:
        return Inbound(self.name, self.account, body, self._resources.clock.now())

    async def listen(self) -> None:
        """Tell Telegram where to deliver and return; in polling mode ask for updates until cancelled."""
        if self._settings.mode == "webhook":
            await until_done(self._set_webhook)
            return
        await until_done(lambda: self._client.call("deleteWebhook", {"drop_pending_updates": False}))
        await Poller(self._client, HANDLED_UPDATES, self._journal).run()

    async def _set_webhook(self) -> None:
        newest = self._settings.webhook_secrets()[0]
        await self._client.call(
            "setWebhook", {"url": self._url, "secret_token": newest, "allowed_updates": list(HANDLED_UPDATES)}
        )

    @property
    def _url(self) -> str:
        return f"{self._resources.public_url}{self._path}"

    async def _journal(self, update: Any) -> None:
        await self._resources.accept(self._inbound(as_body(update)))

    async def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """Ask how much waits for us; what Telegram has given up cannot be had any more.

        Raises:
            DeliveryError: Telegram does not answer.
        """
        yield Look(closed=tuple(gaps), pending=await self._backlog.count())

    async def check(self) -> list[Finding]:
        """Ask Telegram who we are and how it delivers to us."""
        setup = Setup(f"{self.name}:{self.account}", self._settings.mode, self._settings.username, self._url)
        return await examine(self._client, setup, self._resources.clock.now())

    async def close(self) -> None:
        """Close the connections to Telegram."""
        await self._client.close()


def build(account: AccountName, settings: AccountSettings, resources: Resources) -> Channel:
    """Build the channel of one bot."""
    return TelegramChannel(
        account, settings, resources, TelegramClient(settings.token.get_secret_value(), settings.api_url)
    )
