"""WhatsApp by Meta's Cloud API as a channel: joins verify, normalize, render and the client."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel

from channels.base import Finding, Gap, Look, Resources, nothing_missed
from channels.http import headers_of, read_body, try_later
from channels.inbound import Capabilities, DeliveryKey, Inbound
from channels.invisible import harmless
from channels.media import Download
from channels.whatsapp import render as words_of_the_channel
from channels.whatsapp.address import is_loopback
from channels.whatsapp.cloud import media, normalize, render
from channels.whatsapp.cloud.account import CloudSettings
from channels.whatsapp.cloud.client import CloudClient
from channels.whatsapp.cloud.verify import SIGNATURE_HEADER, challenge_of, verify_signature
from core.errors import AccountRefused, DeliveryError, InvalidSignature, StoreUnavailable, UnknownOutcome
from core.events import Address, Attachment, Event
from core.ids import AccountName, ConversationId, OutId
from core.ports import Escape, Words
from core.replies import ApiCall, Receipt, Reply
from core.window import ContentTemplate, ServiceWindow

KEPT_HEADERS = ("content-type",)


class CloudChannel:
    """One phone number of the Cloud API."""

    name = normalize.NAME
    capabilities: Capabilities = render.CAPABILITIES.model_copy(update={"typing": render.TYPING})
    escapes: Mapping[str, Escape] = words_of_the_channel.ESCAPES

    def __init__(self, account: AccountName, settings: CloudSettings, resources: Resources) -> None:
        self.account = account
        window = ServiceWindow(prefix=render.BUCKET, policy=settings.outside_window)
        self.capabilities = self.capabilities.model_copy(update={"window": window})
        self._settings = settings
        self._resources = resources
        self._path = f"/whatsapp/{account}"
        self._secrets = _secrets(settings)
        self.client = CloudClient(settings)
        self._retired: list[CloudClient] = []

    def renew(self, settings: BaseModel) -> None:
        """Go on with another token."""
        assert isinstance(settings, CloudSettings)  # noqa: S101  an account keeps its provider while it runs
        self._settings, self._secrets = settings, _secrets(settings)
        self._retired.append(self.client)
        self.client = CloudClient(settings)

    def identify(self, inbound: Inbound) -> DeliveryKey:
        """Name a payload by its message's id, or by those of a batch."""
        return normalize.identify(inbound)

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        """Translate a batch."""
        return harmless(normalize.normalize(inbound, self._settings.phone_number_id))

    def render(self, reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
        """Write texts of at most 4096 characters, choices as buttons or a list."""
        return render.render(reply, words, address, self.capabilities)

    def render_template(
        self, template: ContentTemplate, values: Mapping[str, str], reply: Reply, address: Address
    ) -> ApiCall | None:
        """Send an approved template by its name and language."""
        return render.render_template(template, values, reply, address)

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        """Send one message; out id and thread travel with it and come back in its statuses."""
        thread = conversation_id.split(":", 2)[2]
        return await self.client.create(call.params, callback_data=normalize.callback_data(out_id, thread))

    async def show_typing(self, event: Event, *, is_on: bool) -> None:
        """Mark what is being answered as read, and show that somebody writes: Meta knows both only together."""
        await self.client.show_typing(normalize.wamid_of(event.id))

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime, others: frozenset[str]) -> Receipt | None:
        """Refuse: Meta has no list of messages. Only a status that comes later proves a send."""
        raise UnknownOutcome("meta cannot be asked what was sent")

    async def find_media(self, attachment: Attachment, inbound: Inbound) -> Download | bytes:
        """Ask for the address of a medium."""
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
            verify_signature(request.headers.getall(SIGNATURE_HEADER, []), body=body, secrets=self._secrets)
            await self._resources.accept(self._inbound(request, body))
        except InvalidSignature:
            return web.Response(status=401)
        except StoreUnavailable:
            return try_later()
        return web.Response()

    def _inbound(self, request: web.Request, body: bytes) -> Inbound:
        now = self._resources.clock.now()
        return Inbound(self.name, self.account, body, now, headers_of(request, KEPT_HEADERS))

    async def listen(self) -> None:
        """Return at once: Meta calls us."""

    def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """Ask nobody: Meta has no list of messages, and comes again for seven days (CHANNELS 3.3)."""
        return nothing_missed()

    async def check(self) -> list[Finding]:
        """Ask for the number, and look at our own address."""
        account = f"{self.name}:{self.account}"
        return [await self._check_number(account), self._check_address(account)]

    async def _check_number(self, account: str) -> Finding:
        fix = "check phone_number_id, and that this machine reaches api_url"
        try:
            number = await self.client.number()
        except AccountRefused as error:
            fix = "make a new token of a system user with whatsapp_business_messaging"
            return Finding(account=account, check="credentials", ok=False, detail=str(error), fix=fix)
        except DeliveryError as error:
            return Finding(account=account, check="credentials", ok=False, detail=str(error), fix=fix)
        shown = ("display_phone_number", "verified_name", "quality_rating")
        told = ", ".join(str(number[name]) for name in shown if name in number)
        return Finding(account=account, check="credentials", ok=True, detail=f"the number is {told or 'there'}")

    def _check_address(self, account: str) -> Finding:
        webhook = self._resources.public_url.rstrip("/") + self._path
        parts = urlsplit(webhook)
        if parts.scheme == "https" and not is_loopback(parts.hostname):
            detail = f"set the callback URL to {webhook}"
            return Finding(account=account, check="webhook", ok=True, detail=detail)
        fix = (
            f"set the public URL to an https address that Meta can call, and the callback URL to {parts.path} below it"
        )
        detail = f"Meta cannot call {webhook}"
        return Finding(account=account, check="webhook", ok=False, detail=detail, fix=fix)

    async def close(self) -> None:
        """Let go of connections."""
        for client in (*self._retired, self.client):
            await client.close()


def _secrets(settings: CloudSettings) -> tuple[bytes, ...]:
    secrets = (settings.app_secret, settings.previous_app_secret)
    return tuple(secret.get_secret_value().encode() for secret in secrets if secret is not None)
