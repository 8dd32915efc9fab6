"""One account of Parrot as a channel: joins verify, normalize, render and the client."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from aiohttp import web
from channels.base import Channel, Finding, Gap, Look, Resources, nothing_missed
from channels.http import headers_of, read_body, try_later
from channels.inbound import Capabilities, DeliveryKey, Inbound
from channels.invisible import harmless
from channels.media import Download
from core.errors import DeliveryError, InvalidSignature, MediaRefused, StoreUnavailable, UnknownOutcome
from core.events import Address, Attachment, Event
from core.ids import AccountName, ConversationId, OutId
from core.ports import Escape, Words
from core.replies import ApiCall, Receipt, Reply

from frontdesk_parrot import normalize, render
from frontdesk_parrot.account import AccountSettings
from frontdesk_parrot.client import ParrotClient
from frontdesk_parrot.verify import SIGNATURE_HEADER, verify_signature

KEPT_HEADERS = ("content-type",)


class ParrotChannel:
    """One account."""

    name = normalize.NAME
    capabilities = Capabilities(
        max_text=render.MAX_TEXT,
        max_buttons=render.MAX_BUTTONS,
        max_button_label=render.MAX_LABEL,
        unknown_sends="unprovable",
        pace=render.ACCOUNT_PACE,
    )
    escapes: Mapping[str, Escape] = render.ESCAPES

    def __init__(self, account: AccountName, settings: AccountSettings, resources: Resources) -> None:
        self.account = account
        self._settings = settings
        self._resources = resources
        self._path = f"/parrot/{account}"
        self._client = ParrotClient(settings)

    def identify(self, inbound: Inbound) -> DeliveryKey:
        """Name a payload."""
        return normalize.identify(inbound)

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        """Translate a payload."""
        return harmless(normalize.normalize(inbound, self._settings.bot_id))

    def render(self, reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
        """Give a reply its shape."""
        return render.render(reply, words, address)

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        """Send one message."""
        return await self._client.create(call.params, out_id)

    async def show_typing(self, event: Event, *, is_on: bool) -> None:
        """Never asked: no ability is declared."""

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime, others: frozenset[str]) -> Receipt | None:
        """Refuse: only asked where `unknown_sends` is `provable`."""
        raise UnknownOutcome("parrot cannot be asked what was sent")

    async def find_media(self, attachment: Attachment, inbound: Inbound) -> Download:
        """Refuse: `normalize` finds no files."""
        raise MediaRefused("refused", "parrot carries no files")

    def routes(self) -> list[web.RouteDef]:
        """Receive webhooks."""
        return [web.post(self._path, self._receive)]

    async def _receive(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        try:
            secret = self._settings.secret.get_secret_value().encode()
            verify_signature(request.headers.getall(SIGNATURE_HEADER, []), body, secret)
            now = self._resources.clock.now()
            kept = headers_of(request, KEPT_HEADERS)
            await self._resources.accept(Inbound(self.name, self.account, body, now, kept))
        except InvalidSignature:
            return web.Response(status=401)
        except StoreUnavailable:
            return try_later()
        return web.Response()

    async def listen(self) -> None:
        """Return at once: Parrot calls us."""

    def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """Ask nobody: Parrot comes again by itself."""
        return nothing_missed()

    async def check(self) -> list[Finding]:
        """Ask whether the token is accepted."""
        account = f"{self.name}:{self.account}"
        try:
            await self._client.look()
        except DeliveryError as error:
            fix = "check token and api_url"
            return [Finding(account=account, check="credentials", ok=False, detail=str(error), fix=fix)]
        return [Finding(account=account, check="credentials", ok=True, detail="the token is accepted")]

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def build(account: AccountName, settings: AccountSettings, resources: Resources) -> Channel:
    """Make the channel of one account."""
    return ParrotChannel(account, settings, resources)
