"""Mail: the submission server that takes the hub's answers, and a mail server that brings people's mails to it."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.standins.ledger import Ledger
from tests.standins.pace import Pace, Vanished

ADDRESS = "help@shop.example"
SEND_WITHIN_S = 10.0


@dataclass
class MailStandin:
    """A submission server that keeps what it says 250 to."""

    ledger: Ledger
    pace: Pace
    port: int = 0
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port of the loopback."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def _protocol(self) -> SMTP:
        return SMTP(self, hostname="mx.example", enable_SMTPUTF8=True, loop=asyncio.get_running_loop())

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.close()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail; a hub that dies meanwhile cancels whatever waits in here (aiosmtpd ends its handlers)."""

        def gone() -> bool:
            return server.transport is None or server.transport.is_closing()

        try:
            await self.pace.before_taking("email", gone)
        except Vanished:
            return "451 4.3.0 cut off"
        mail = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(mail, EmailMessage)
        message_id = str(mail["Message-ID"])
        text = mail.get_body(("plain",))
        words = text.get_content() if isinstance(text, EmailMessage) else ""
        self.ledger.record("email", envelope.rcpt_tos[0], words, message_id, message_id.strip("<>").partition(".")[0])
        await self.pace.before_answering("email", gone)
        return "250 2.0.0 queued"


def mail_from(person: str, message_id: str, text: str, root: str | None = None) -> bytes:
    """Return a mail as a person's program writes it; one with a root continues that thread."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = f"Person <{person}>"
    mail["To"] = ADDRESS
    mail["Subject"] = "Re: A question" if root else "A question"
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = message_id
    if root is not None:
        mail["In-Reply-To"] = root
        mail["References"] = root
    mail.set_content(text + "\n")
    return mail.as_bytes()


async def deliver(port: int, person: str, raw: bytes) -> bool:
    """Bring a mail to the hub's listener once; False for "later" and for a cut connection, as a mail server sees it."""
    smtp = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, timeout=SEND_WITHIN_S, start_tls=False, use_tls=False)
    try:
        await smtp.connect()
        await smtp.sendmail(person, [ADDRESS], raw)
    except (aiosmtplib.SMTPException, OSError):
        return False
    finally:
        smtp.close()
    return True
