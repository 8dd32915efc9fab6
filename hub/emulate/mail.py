"""Mail: the submission server that takes the hub's answers, and a mail server that brings people's mails to it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import aiosmtplib
from aiosmtpd.smtp import SMTP, Envelope, Session

from hub.emulate.faults import MAIL_REFUSALS, Fault
from hub.emulate.pace import Vanished, until
from hub.emulate.webhook import Delivery
from hub.emulate.world import LOOPBACK, World

ADDRESS = "help@shop.example"
ANSWER_WITHIN_S = 10.0
"""Ours; RFC 5321 section 4.5.3.2 allows ten minutes."""
FIRST_PAUSE_S = 300.0
LONGEST_PAUSE_S = 4000.0
"""Postfix after a 4xx: postfix.org/postconf.5.html, minimal_backoff_time and maximal_backoff_time; doubles between."""
RATE_LIMITED = "450 4.7.1 too many mails from you, try again later"
LOGIN_NEEDED = "530 5.7.0 authentication required"
NOT_NOW = "451 4.3.0 local error in processing"
TAKEN = "250 2.0.0 queued"


class MailStandin:
    """A submission server that keeps what it says 250 to.

    Args:
        port: 0 picks a free one; it stays the same afterwards.
    """

    def __init__(self, world: World, port: int = 0) -> None:
        self.world = world
        self.port = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()

    async def open(self) -> None:
        """Listen, unless it does."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._protocol, LOOPBACK, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def _protocol(self) -> SMTP:
        fault = self.world.faults.pick("email", is_send=True)
        return _Submission(_Taking(self.world, fault), fault, self.world, self._open)

    async def close(self) -> None:
        """Refuse connections, and end those that are open."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for transport in tuple(self._open):
                transport.abort()


class _Taking:
    """What the server does with one connection's mails."""

    def __init__(self, world: World, fault: Fault | None) -> None:
        self._world = world
        self._fault = fault
        self.did: str | None = None
        self.recipient = ""

    async def handle_MAIL(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._is("rate_limit"):
            return RATE_LIMITED
        if self._is("unauthorized"):
            return LOGIN_NEEDED
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802  the same
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.recipient = address
        if self._refuses("450", "550"):
            return MAIL_REFUSALS[str(self._code)]
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802  the same
        self, server: "_Submission", session: Session, envelope: Envelope
    ) -> str:
        """Take a mail; a hub that dies meanwhile cancels whatever waits in here (aiosmtpd ends its handlers)."""
        if self._refuses("552"):
            return MAIL_REFUSALS["552"]
        if self._fault is not None and not self._fault.acts and self._fault.action in ("error", "hang"):
            return await self._fail(server)
        try:
            await self._world.pace.before_taking("email", server.is_gone)
        except Vanished:
            return "451 4.3.0 cut off"
        self._keep(envelope)
        if self._fault is not None and self._fault.acts:
            return await self._fail(server)
        await self._world.pace.before_answering("email", server.is_gone)
        return TAKEN

    async def _fail(self, server: "_Submission") -> str:
        """Go wrong at the answer to the mail."""
        match self._fault.action if self._fault else None:
            case "hang":
                await until(server.is_gone)
            case "cut":
                server.cut()
            case "drip":
                await server.drip(TAKEN, self._fault.bytes_per_s if self._fault else 1.0)
        return NOT_NOW

    def _keep(self, envelope: Envelope) -> None:
        mail = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        message_id = str(mail["Message-ID"])
        text = mail.get_body(("plain",)) if isinstance(mail, EmailMessage) else None
        words = text.get_content() if isinstance(text, EmailMessage) else ""
        self.did = message_id
        out_id = message_id.strip("<>").partition(".")[0]
        self._world.ledger.record("email", envelope.rcpt_tos[0], words, message_id, out_id)

    @property
    def _code(self) -> str | None:
        return self._fault.code if self._fault is not None and self._fault.action == "refuse" else None

    def _refuses(self, *codes: str) -> bool:
        return self._code in codes

    def _is(self, action: str) -> bool:
        return self._fault is not None and self._fault.action == action


class _Submission(SMTP):
    """One connection; writes its line when it is over."""

    def __init__(self, taking: _Taking, fault: Fault | None, world: World, open_ones: set[asyncio.Transport]) -> None:
        super().__init__(taking, hostname="mx.example", enable_SMTPUTF8=True, loop=asyncio.get_running_loop())
        self._taking = taking
        self._fault = fault
        self._world = world
        self._open_ones = open_ones
        self._began = world.clock.monotonic()
        self._at = world.clock.now()
        self._answered = "nothing"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if isinstance(transport, asyncio.Transport):
            self._own = transport
            self._open_ones.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._open_ones.discard(self._own)
        took_s = self._world.clock.monotonic() - self._began
        request = f"SMTP to {self._taking.recipient}".strip()
        fault = str(self._fault) if self._fault is not None else None
        self._world.ledger.write(
            self._at, "from_hub", "email", request, "", fault, self._taking.did, self._answered, took_s
        )
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        """Say 421 instead of the greeting where that is the fault; aiosmtpd 1.4.6 has no hook for it."""
        if self._fault is not None and self._fault.code == "421":
            await self.push(MAIL_REFUSALS["421"])
            self._own.close()
            return
        await super()._handle_client()

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802  the same
        """Cut the connection at the command DATA where that is the fault (F054)."""
        if self._fault is not None and self._fault.action == "cut" and not self._fault.acts:
            self.cut()
            return
        await super().smtp_DATA(arg)

    async def push(self, status: Any) -> None:
        """Answer, and remember the last answer that matters."""
        if not str(status).startswith("221"):
            self._answered = str(status)
        await super().push(status)

    def is_gone(self) -> bool:
        """Tell whether the hub hung up."""
        return self.transport is None or self.transport.is_closing()

    def cut(self) -> None:
        """End the connection without a word."""
        self._answered = "nothing: cut"
        self._own.abort()

    async def drip(self, status: str, bytes_per_s: float) -> None:
        """Write an answer byte by byte; its end never comes."""
        self._answered = f"{status} (dripped)"
        for byte in status.encode():
            if self.is_gone():
                return
            self._own.write(bytes([byte]))
            await asyncio.sleep(1 / bytes_per_s)


def mail_from(
    person: str, message_id: str, text: str, date: datetime, thread: Sequence[str] = (), to: str = ADDRESS
) -> bytes:
    """Return a mail as a person's program writes it; `thread` holds the Message-IDs that it continues, newest last."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = f"Person <{person}>"
    mail["To"] = to
    mail["Subject"] = "Re: A question" if thread else "A question"
    mail["Date"] = format_datetime(date)
    mail["Message-ID"] = message_id
    if thread:
        mail["In-Reply-To"] = thread[-1]
        mail["References"] = " ".join(thread)
    mail.set_content(text + "\n")
    return mail.as_bytes()


class MailSender:
    """The mail server in front of the hub's listener.

    Args:
        port: where the hub listens for mail.
        to: the hub's address.
    """

    def __init__(self, world: World, port: int, to: str = ADDRESS) -> None:
        self._world = world
        self.port = port
        self._to = to

    async def bring(self, person: str, raw: bytes, delivery: Delivery) -> None:
        """Bring a mail: again while it is "later", until the hub takes it or refuses it for good (5xx)."""
        pause_s = FIRST_PAUSE_S
        while delivery.progress == "on_its_way":
            code, answer = await self.try_once(person, raw)
            delivery.note(answer, is_taken=code == 250)
            if code // 100 == 5:
                delivery.progress = "given_up"
            elif code != 250:
                await self._world.pause(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def try_once(self, person: str, raw: bytes) -> tuple[int, str]:
        """Bring a mail once; returns the reply code and what came of it. No answer counts as 421, "later"."""
        clock = self._world.clock
        at, began = clock.now(), clock.monotonic()
        smtp = aiosmtplib.SMTP(hostname=LOOPBACK, port=self.port, timeout=ANSWER_WITHIN_S, start_tls=False)
        code, answer = 250, "250"
        try:
            await smtp.connect()
            await smtp.sendmail(person, [self._to], raw)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            code = refused.recipients[0].code
            answer = str(code)
        except aiosmtplib.SMTPResponseException as refused:
            code, answer = refused.code, str(refused.code)
        except (aiosmtplib.SMTPException, OSError) as error:
            code, answer = 421, type(error).__name__
        finally:
            smtp.close()
        shown, took_s = raw.decode("utf-8", "replace"), clock.monotonic() - began
        self._world.ledger.write(at, "to_hub", "email", f"SMTP to {self._to}", shown, None, None, answer, took_s)
        return code, answer
