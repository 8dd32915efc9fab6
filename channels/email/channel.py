"""One mailbox as a channel."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from aiohttp import web

from channels.base import Channel, Finding, Gap, Look, Resources, nothing_missed
from channels.email import doctor
from channels.email import normalize as reading
from channels.email import render as writing
from channels.email.account import AccountSettings
from channels.email.client import SmtpClient
from channels.email.identity import name_mail
from channels.email.imap import ImapListener
from channels.email.media import part_of
from channels.email.mime import MAX_MAIL_BYTES
from channels.email.providers import MAX_POST_BYTES, Delivery, Provider, delivery_of, fields_of, verify_post
from channels.email.signatures import checking
from channels.email.smtp_in import SmtpListener
from channels.http import read_body, try_later
from channels.inbound import Capabilities, DeliveryKey, Inbound
from channels.invisible import harmless
from channels.media import Download
from core.errors import InvalidSignature, MalformedPayload, StoreUnavailable, UnknownOutcome
from core.events import Address, Attachment, Event
from core.ids import AccountName, ChannelName, ConversationId, OutId
from core.ports import Escape, Words
from core.replies import ApiCall, Receipt, Reply


class EmailChannel:
    """Receives by IMAP, SMTP or LMTP; answers by SMTP."""

    name = ChannelName("email")
    capabilities: Capabilities = writing.CAPABILITIES
    escapes: Mapping[str, Escape] = writing.ESCAPES

    def __init__(self, account: AccountName, settings: AccountSettings, resources: Resources) -> None:
        self.account = account
        self._settings = settings
        self._clock = resources.clock
        self._path = f"/email/{account}"
        self._client = SmtpClient(settings, resources.clock)
        self.listeners: list[ImapListener | SmtpListener] = []
        self._accept = accept = checking(resources.accept) if settings.checks_dkim else resources.accept
        if settings.imap_host is not None:
            self.listeners.append(ImapListener(account, settings, accept, resources.clock))
        if settings.smtp_in_port is not None:
            self.listeners.append(SmtpListener(account, settings, accept, resources.clock))

    def identify(self, inbound: Inbound) -> DeliveryKey:
        """Name a mail by its content (E6)."""
        return DeliveryKey(name_mail(inbound.account, inbound.body))

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        """Translate a mail into one event; see `normalize.normalize`."""
        events = reading.normalize(inbound.body, inbound.headers, inbound.received_at, inbound.account, self._settings)
        return harmless(events)

    def render(self, reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
        """Give a reply the shape of one mail."""
        return writing.render(reply, words, address, self.capabilities)

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        """Send one mail; see `client.SmtpClient.send`."""
        return await self._client.send(call, out_id)

    async def show_typing(self, event: Event, *, is_on: bool) -> None:
        """Never asked: mail has no such thing."""

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime, others: frozenset[str]) -> Receipt | None:
        """Mail servers cannot be asked what became of a mail.

        Raises:
            UnknownOutcome: always.
        """
        raise UnknownOutcome("SMTP has no way to ask")

    async def find_media(self, attachment: Attachment, inbound: Inbound) -> Download | bytes:
        """Return a part of the mail: nothing is fetched."""
        return await asyncio.to_thread(part_of, inbound.body, attachment.reference)

    def routes(self) -> list[web.RouteDef]:
        """Return the provider's webhook; none where mail does not come by HTTP."""
        webhook = self._settings.webhook
        return [web.post(self._path, partial(self._receive, *webhook))] if webhook is not None else []

    async def _receive(self, provider: Provider, key: bytes, request: web.Request) -> web.Response:
        """Journal the mail of a provider's post, then answer; what is no mail is refused for good (E4: 406)."""
        authorization = request.headers.get("Authorization", "")
        try:
            if provider != "mailgun":  # its signature is in the body; nobody else has to be read first
                verify_post(provider, key, authorization, {})
            body = await read_body(request, MAX_POST_BYTES)
            fields = await asyncio.to_thread(fields_of, body, request.headers.get("Content-Type", ""))
            verify_post(provider, key, authorization, fields)
            delivery = delivery_of(provider, fields)
            await self._accept(self._posted(delivery))
        except InvalidSignature:
            return web.Response(status=401)
        except MalformedPayload as error:
            return web.Response(status=406, text=f"{error}\n")
        except StoreUnavailable:
            return try_later()
        return web.Response()

    def _posted(self, delivery: Delivery) -> Inbound:
        raw, size = delivery.raw[:MAX_MAIL_BYTES], len(delivery.raw)
        headers = {reading.ENVELOPE_TO: delivery.envelope_to}
        if delivery.envelope_from is not None:
            headers[reading.ENVELOPE_FROM] = delivery.envelope_from.strip("<>")
        if size > len(raw):
            headers[reading.TRUNCATED] = str(size)
        return Inbound(self.name, self.account, raw, self._clock.now(), headers)

    async def listen(self) -> None:
        """Receive by every way that is set up, until cancelled."""
        async with asyncio.TaskGroup() as ways:
            for listener in self.listeners:
                ways.create_task(listener.run())

    def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """Ask nobody: a mail stays in the mailbox, or with its sender's server, until we have taken it."""
        return nothing_missed()

    async def check(self) -> list[Finding]:
        """Try to log in both ways."""
        return await doctor.check(self.account, self._settings, self._client, self._clock.now())

    async def close(self) -> None:
        """Hold nothing: each mail has its own connection, and listeners close theirs when cancelled."""


def build(account: AccountName, settings: AccountSettings, resources: Resources) -> Channel:
    """Build the channel of one mailbox."""
    return EmailChannel(account, settings, resources)
