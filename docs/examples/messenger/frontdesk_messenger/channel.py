"""One Facebook Page as a channel: joins verify, normalize, render and the client."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from aiohttp import web
from channels.base import Channel, Finding, Gap, Look, Resources, nothing_missed
from channels.http import headers_of, read_body, try_later
from channels.inbound import Capabilities, DeliveryKey, Inbound
from channels.invisible import harmless
from channels.media import Download
from core.errors import AccountRefused, DeliveryError, InvalidSignature, StoreUnavailable, UnknownOutcome
from core.events import Address, Attachment, Event
from core.ids import AccountName, ConversationId, OutId
from core.ports import Escape, Words
from core.replies import ApiCall, Receipt, Reply

from frontdesk_messenger import media, normalize, render
from frontdesk_messenger.account import AccountSettings, is_loopback
from frontdesk_messenger.client import MessengerClient
from frontdesk_messenger.verify import SIGNATURE_HEADER, challenge_of, verify_signature

KEPT_HEADERS = ("content-type",)
NEEDED_FIELDS = frozenset({"messages", "messaging_postbacks"})
"""Webhook fields without which nobody is answered."""


class MessengerChannel:
    """One Page."""

    name = normalize.NAME
    capabilities = Capabilities(
        max_text=render.MAX_TEXT,
        text_unit="utf16_units",
        max_buttons=render.MAX_QUICK_REPLIES,
        max_button_label=render.MAX_TITLE,
        unknown_sends="unprovable",
        pace=render.PAGE_PACE,
        bucket_paces={"": render.PERSON_PACE},
        typing=render.TYPING,
    )
    escapes: Mapping[str, Escape] = render.ESCAPES

    def __init__(self, account: AccountName, settings: AccountSettings, resources: Resources) -> None:
        self.account = account
        self._settings = settings
        self._resources = resources
        self._path = f"/messenger/{account}"
        secrets = (settings.app_secret, settings.previous_app_secret)
        self._secrets = tuple(secret.get_secret_value().encode() for secret in secrets if secret is not None)
        self.client = MessengerClient(settings)

    def identify(self, inbound: Inbound) -> DeliveryKey:
        """Name a payload by its one event, or by those of a batch."""
        return normalize.identify(inbound)

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        """Translate a batch."""
        return harmless(normalize.normalize(inbound, self._settings.page_id))

    def render(self, reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
        """Write texts of at most 2000 characters, choices as buttons, quick replies or a list."""
        return render.render(reply, words, address)

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        """Send one message; the out id travels with it and comes back in its echo."""
        return await self.client.create(call.params, metadata=normalize.OURS + out_id)

    async def show_typing(self, event: Event, *, is_on: bool) -> None:
        """Show the dots; Messenger takes them away with the next message."""
        await self.client.show_typing(render.recipient_of(event.address))

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime, others: frozenset[str]) -> Receipt | None:
        """Refuse: the list of messages does not tell our metadata. An echo that comes later proves a send."""
        raise UnknownOutcome("messenger cannot be asked what was sent")

    async def find_media(self, attachment: Attachment, inbound: Inbound) -> Download:
        """Ask for the address of a file; it is asked for each time, because addresses expire."""
        return await media.find_file(self.client, attachment.reference)

    def routes(self) -> list[web.RouteDef]:
        """Receive the handshake and the batches."""
        return [web.get(self._path, self._shake_hands, allow_head=False), web.post(self._path, self._receive)]

    async def _shake_hands(self, request: web.Request) -> web.Response:
        try:
            challenge = challenge_of(request.query, self._settings.verify_token.get_secret_value().encode())
        except InvalidSignature:
            return web.Response(status=403)
        return web.Response(text=challenge, headers={"X-Content-Type-Options": "nosniff"})

    async def _receive(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        try:
            verify_signature(request.headers.getall(SIGNATURE_HEADER, []), body, self._secrets)
            await self._resources.accept(self._inbound(request, body))
        except InvalidSignature:
            return web.Response(status=401)
        except StoreUnavailable:
            return try_later()
        return web.Response(text="EVENT_RECEIVED")

    def _inbound(self, request: web.Request, body: bytes) -> Inbound:
        now = self._resources.clock.now()
        return Inbound(self.name, self.account, body, now, headers_of(request, KEPT_HEADERS))

    async def listen(self) -> None:
        """Return at once: Meta calls us."""

    def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """Ask nobody: Meta comes again by itself for what was not answered with 200."""
        return nothing_missed()

    async def check(self) -> list[Finding]:
        """Ask for the Page and its subscriptions, and look at our own address."""
        return [await self._check_page(), await self._check_fields(), self._check_address()]

    async def _check_page(self) -> Finding:
        try:
            page = await self.client.page()
        except DeliveryError as error:
            is_refused = isinstance(error, AccountRefused)
            fix = "make a new access token of the Page" if is_refused else "check page_id, and that api_url is reached"
            return self._found("credentials", str(error), fix)
        return self._found("credentials", f"the page is {page.get('name', 'there')}")

    async def _check_fields(self) -> Finding:
        try:
            missing = NEEDED_FIELDS - await self.client.subscribed()
        except DeliveryError as error:
            return self._found("subscription", str(error), "look at the credentials first")
        if missing:
            told = ", ".join(sorted(missing))
            return self._found("subscription", f"the page does not send {told}", f"subscribe the page to {told}")
        return self._found("subscription", "the page sends what is needed")

    def _check_address(self) -> Finding:
        webhook = self._resources.public_url.rstrip("/") + self._path
        parts = urlsplit(webhook)
        if parts.scheme == "https" and not is_loopback(parts.hostname):
            return self._found("webhook", f"set the callback URL to {webhook}")
        return self._found("webhook", f"Meta cannot call {webhook}", "set the public URL to an https address")

    def _found(self, check: str, detail: str, fix: str | None = None) -> Finding:
        return Finding(account=f"{self.name}:{self.account}", check=check, ok=fix is None, detail=detail, fix=fix)

    async def close(self) -> None:
        """Let go of connections."""
        await self.client.close()


def build(account: AccountName, settings: AccountSettings, resources: Resources) -> Channel:
    """Make the channel of one Page."""
    return MessengerChannel(account, settings, resources)
