"""Receiving by SMTP or LMTP from the mail server in front of us (aiosmtpd, in our own event loop).

"250" is said only after the mail is durable; whatever goes wrong on our side is "451", so that the sender keeps it and
comes again for days (E3). A permanent refusal is for what will never fit: another's address, too many bytes.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from channels.base import Accept
from channels.email.account import AccountSettings
from channels.email.mime import MAX_MAIL_BYTES
from channels.email.normalize import ENVELOPE_FROM, ENVELOPE_TO
from channels.email.verify import is_for_us
from channels.inbound import Inbound
from core.clock import Clock
from core.errors import StoreUnavailable
from core.failpoints import is_armed, reach
from core.ids import AccountName, ChannelName

MAX_LINE_BYTES = 1024 * 1024
"""aiosmtpd's own limit of 1,001 bytes refuses mails that real clients send (E3)."""
IDLE_TIMEOUT_S = 120.0
MAX_CONNECTIONS = 50
ANSWERED_AFTER_S = 0.005
"""When a failpoint behind the answer is reached; its line is on the wire by then."""

TAKEN = "250 2.0.0 taken over"
TRY_AGAIN = "451 4.3.0 cannot keep the mail now, try again"
NOT_OURS = "550 5.1.1 no such mailbox here"
TOO_BUSY = b"421 4.3.2 too many connections, try again\r\n"

log = logging.getLogger(__name__)


class _Receiver:
    """The handler of one account's connections."""

    def __init__(self, account: AccountName, settings: AccountSettings, accept: Accept, clock: Clock) -> None:
        self._account = account
        self._own = settings.own_addresses
        self._accept = accept
        self._clock = clock

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        """Take only mail for this mailbox."""
        if not is_for_us(address, self._own):
            return NOT_OURS
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802  the same
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Journal the mail, then say so."""
        await reach("accept.read", "email")
        body = envelope.original_content or b""
        headers = {ENVELOPE_FROM: (envelope.mail_from or "").strip("<>"), ENVELOPE_TO: ", ".join(envelope.rcpt_tos)}
        try:
            await self._accept(self._inbound(body, headers))
        except StoreUnavailable:
            return TRY_AGAIN
        if is_armed():  # aiosmtpd tells nobody when the answer is out
            asyncio.get_running_loop().call_later(ANSWERED_AFTER_S, _replied)
        return TAKEN

    async def handle_exception(self, error: Exception) -> str:
        """Never let a fault of ours cost a mail: aiosmtpd would answer 500, and the sender would give up."""
        log.error("mail listener %s: %s", self._account, type(error).__name__, exc_info=error)
        return TRY_AGAIN

    def _inbound(self, body: bytes, headers: Mapping[str, str]) -> Inbound:
        return Inbound(ChannelName("email"), self._account, body, self._clock.now(), headers)


def _replied() -> None:
    asyncio.ensure_future(reach("accept.replied", "email"))  # noqa: RUF006  only in tests, and whatever it does is meant


class SmtpListener:
    """Listens for one account until cancelled."""

    def __init__(self, account: AccountName, settings: AccountSettings, accept: Accept, clock: Clock) -> None:
        self._settings = settings
        self._receiver = _Receiver(account, settings, accept, clock)
        self._open: set[asyncio.BaseTransport] = set()
        self.ready = asyncio.Event()
        self.port: int | None = None
        """The port in use, once `ready` is set."""

    async def run(self) -> None:
        """Serve; cancelling closes the port and every connection."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._protocol, self._settings.smtp_in_host, self._settings.smtp_in_port)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        try:
            await server.serve_forever()
        finally:
            server.close()
            for transport in tuple(self._open):
                if isinstance(transport, asyncio.Transport):
                    transport.abort()

    def _protocol(self) -> SMTP:
        kind = _Lmtp if self._settings.smtp_in_protocol == "lmtp" else _Smtp
        return kind(
            self._receiver,
            data_size_limit=MAX_MAIL_BYTES,
            enable_SMTPUTF8=True,
            hostname=self._settings.domain,
            ident="frontdesk",
            timeout=IDLE_TIMEOUT_S,
            loop=asyncio.get_running_loop(),
            open_transports=self._open,
        )


class _Smtp(SMTP):
    line_length_limit = MAX_LINE_BYTES

    def __init__(self, *args: Any, open_transports: set[asyncio.BaseTransport], **options: Any) -> None:
        super().__init__(*args, **options)
        self._known_transports = open_transports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._known_transports) >= MAX_CONNECTIONS and isinstance(transport, asyncio.Transport):
            transport.write(TOO_BUSY)
            transport.close()
            self._is_refused = True
            return
        self._is_refused = False
        self._known_transports.add(transport)
        self._known_transport = transport
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._is_refused:
            self._known_transports.discard(self._known_transport)
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if not self._is_refused:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        return False if self._is_refused else super().eof_received()


class _Lmtp(_Smtp, LMTP):
    pass
