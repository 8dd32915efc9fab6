"""WhatsApp by Twilio as a channel: joins verify, normalize, render and the client."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from aiohttp import web
from pydantic import BaseModel

from channels.base import Channel, Finding, Gap, Look, Resources
from channels.http import headers_of, read_body, try_later
from channels.inbound import Capabilities, DeliveryKey, Inbound
from channels.invisible import harmless
from channels.media import Download
from channels.whatsapp import media, normalize, render
from channels.whatsapp.account import WHATSAPP_PREFIX, AccountSettings
from channels.whatsapp.client import TwilioClient
from channels.whatsapp.cloud.account import CloudSettings
from channels.whatsapp.cloud.channel import CloudChannel
from channels.whatsapp.contents import title_limit
from channels.whatsapp.doctor import examine
from channels.whatsapp.missed import how_often
from channels.whatsapp.normalize import NAME, OUT_ID_HEADER
from channels.whatsapp.payloads import form_fields
from channels.whatsapp.verify import SIGNATURE_HEADER, origins_of, verify_signature
from core.errors import InvalidSignature, MalformedPayload, StoreUnavailable
from core.events import Address, Attachment, Event
from core.ids import AccountName, ConversationId, OutId
from core.ports import Escape, Words
from core.replies import ApiCall, Receipt, Reply
from core.window import ContentTemplate, ServiceWindow

KEPT_HEADERS = ("content-type", "i-twilio-idempotency-token")
NOTHING_TO_SAY = "<Response/>"
"""TwiML for "no reply": any other text would be sent to the person (W8)."""
OUT_ID = "{out_id:[A-Za-z0-9_-]{1,64}}"


class WhatsAppChannel:
    """One Twilio sender."""

    name = NAME
    capabilities: Capabilities = render.CAPABILITIES.model_copy(update={"typing": render.TYPING})
    escapes: Mapping[str, Escape] = render.ESCAPES

    def __init__(self, account: AccountName, settings: AccountSettings, resources: Resources) -> None:
        self.account = account
        window = ServiceWindow(prefix=WHATSAPP_PREFIX, policy=settings.outside_window)
        most = max(settings.choice_contents, default=0)
        chosen = {
            "catch_up": how_often(settings.catch_up_every_s),
            "window": window,
            "max_buttons": most,
            "max_button_label": title_limit(most) if most else 0,
        }
        self.capabilities = self.capabilities.model_copy(update=chosen)
        self._settings = settings
        self._resources = resources
        self._path = f"/whatsapp/{account}"
        self._public_url = resources.public_url.rstrip("/")
        self._origins = origins_of(self._public_url)
        self._tokens = _tokens(settings)
        self.client = TwilioClient(settings)
        self._retired: list[TwilioClient] = []

    def renew(self, settings: BaseModel) -> None:
        """Go on with another token."""
        assert isinstance(settings, AccountSettings)  # noqa: S101  an account keeps its provider while it runs
        self._settings, self._tokens = settings, _tokens(settings)
        self._retired.append(self.client)
        self.client = TwilioClient(settings)
        self.client.known = self._retired[-1].known

    def identify(self, inbound: Inbound) -> DeliveryKey:
        """Name a payload by its MessageSid."""
        return normalize.identify(inbound)

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        """Translate a form."""
        return harmless(normalize.normalize(inbound, self._settings.number))

    def render(self, reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
        """Write texts of at most 1600 characters; choices as a content shows them, or numbered."""
        settings = self._settings
        return render.render(
            reply,
            words,
            address,
            self.capabilities,
            number=settings.number,
            messaging_service_sid=settings.messaging_service_sid,
            choice_contents=settings.choice_contents,
        )

    def render_template(
        self, template: ContentTemplate, values: Mapping[str, str], reply: Reply, address: Address
    ) -> ApiCall | None:
        """Send an approved template by its ContentSid (W20)."""
        settings = self._settings
        sid = settings.messaging_service_sid
        return render.render_template(
            template, values, reply, address, number=settings.number, messaging_service_sid=sid
        )

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        """Create one message; the out id travels in the status callback's path."""
        callback = f"{self._public_url}{self._path}/status/{out_id}"
        return await self.client.create(call.params, out_id=out_id, status_callback=callback)

    async def show_typing(self, event: Event, *, is_on: bool) -> None:
        """Show that somebody writes; Twilio also marks what is being answered as read (W29). SMS has no such thing."""
        if event.address.get("to", "").startswith(WHATSAPP_PREFIX):
            await self.client.show_typing(event.id.rpartition(":")[2])

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime, others: frozenset[str]) -> Receipt | None:
        """Look among the messages that Twilio lists, and among the status callbacks seen here."""
        return await self.client.find(call.params, out_id=out_id, since=since, others=others)

    async def find_media(self, attachment: Attachment, inbound: Inbound) -> Download | bytes:
        """Return how a medium is fetched from Twilio."""
        return media.find_file(self._settings, attachment.reference)

    def routes(self) -> list[web.RouteDef]:
        """Receive messages and status callbacks."""
        return [
            web.post(self._path, self._receive),
            web.post(f"{self._path}/status", self._receive),
            web.post(f"{self._path}/status/{OUT_ID}", self._receive),
        ]

    async def _receive(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        try:
            self._verify(request, body)
            await self._resources.accept(self._inbound(request, body))
        except InvalidSignature:
            return web.Response(status=401)
        except StoreUnavailable:
            return try_later()
        if out_id := request.match_info.get("out_id"):
            self._remember(body, out_id)
        return web.Response(text=NOTHING_TO_SAY, content_type="text/xml")

    def _verify(self, request: web.Request, body: bytes) -> None:
        verify_signature(
            request.headers.getall(SIGNATURE_HEADER, []),
            origins=self._origins,
            target=request.raw_path,
            body=body,
            media_type=request.content_type,
            tokens=self._tokens,
        )

    def _inbound(self, request: web.Request, body: bytes) -> Inbound:
        headers = headers_of(request, KEPT_HEADERS)
        if out_id := request.match_info.get("out_id"):
            headers[OUT_ID_HEADER] = out_id
        return Inbound(NAME, self.account, body, self._resources.clock.now(), headers)

    def _remember(self, body: bytes, out_id: str) -> None:
        """A status callback proves that its send arrived (SEMANTICS section 2)."""
        try:
            sid = form_fields(body).get("MessageSid")
        except MalformedPayload:
            return
        if sid:
            self.client.known.remember(sid, out_id)

    async def listen(self) -> None:
        """Return at once: Twilio calls us."""

    async def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """List what was sent to our WhatsApp number. SMS are not asked for: they may be another system's.

        Raises:
            DeliveryError: Twilio does not answer, or wants a pause.
        """
        for gap in gaps:
            now = self._resources.clock.now()
            bodies = await self.client.missed(gap.since, now)
            yield Look(tuple(Inbound(NAME, self.account, body, now) for body in bodies), closed=(gap,))

    async def check(self) -> list[Finding]:
        """Ask for the account and the number, and look at our own address."""
        return await examine(
            self.client, f"{NAME}:{self.account}", self._settings.number, self._public_url + self._path
        )

    async def close(self) -> None:
        """Let go of connections."""
        for client in (*self._retired, self.client):
            await client.close()


def _tokens(settings: AccountSettings) -> tuple[bytes, ...]:
    tokens = (settings.auth_token, settings.previous_auth_token)
    return tuple(token.get_secret_value().encode() for token in tokens if token is not None)


def build(account: AccountName, settings: AccountSettings | CloudSettings, resources: Resources) -> Channel:
    """Make the channel of one account, with the provider that its settings are for."""
    if isinstance(settings, CloudSettings):
        return CloudChannel(account, settings, resources)
    return WhatsAppChannel(account, settings, resources)
