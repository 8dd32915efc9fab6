"""When a mail arrives at the worst moment: after the mailbox was searched, before IDLE listens (E2)."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest
from imapclient import IMAPClient

from channels.base import Acceptance
from channels.email.account import AccountSettings
from channels.email.imap import ImapListener
from channels.inbound import Inbound
from core.ids import AccountName
from hub.clock import SystemClock
from tests.integration.running import until
from tests.servers.mail import MailServer, running_mail

pytestmark = pytest.mark.integration

ADDRESS = "late@shop.example"
CUSTOMER = "jo@customer.example"
AT_ONCE_S = 10.0
"""Far less than the `poll_s` of these tests: what comes in time came by IDLE."""


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with tempfile.TemporaryDirectory(prefix="frontdesk-mail-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101  Dovecot runs as nobody
        with running_mail(Path(folder)) as running:
            yield running


async def deliver(server: MailServer, subject: str) -> None:
    """Send a mail and wait until it lies in the mailbox."""
    before = await count_of(server)
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = CUSTOMER, ADDRESS, subject, f"<{subject}@c.example>"
    mail.set_content("hello")
    await aiosmtplib.send(
        mail, sender=CUSTOMER, recipients=[ADDRESS], hostname="127.0.0.1", port=server.smtp_port, start_tls=False
    )
    await until(lambda: count_of(server), lambda count: count > before)


async def count_of(server: MailServer) -> int:
    def count() -> int:
        with IMAPClient("127.0.0.1", server.imap_port, ssl=False, timeout=10) as imap:
            imap.login(ADDRESS, server.password)
            return int(imap.select_folder("INBOX", readonly=True)[b"EXISTS"])

    return await asyncio.to_thread(count)


async def test_a_mail_that_arrives_while_another_is_taken_over_does_not_wait_for_the_next_poll(
    server: MailServer,
) -> None:
    settings = AccountSettings(
        address=ADDRESS,
        imap_host="127.0.0.1",
        imap_port=server.imap_port,
        imap_tls="none",
        imap_user=ADDRESS,
        imap_password=server.password,
        smtp_host="127.0.0.1",
        poll_s=300,
    )
    taken: asyncio.Queue[bytes] = asyncio.Queue()

    async def accept(inbound: Inbound) -> Acceptance:
        if b"<first@c.example>" in inbound.body:
            await deliver(server, "second")
        taken.put_nowait(inbound.body)
        return Acceptance.ACCEPTED

    await deliver(server, "first")
    listening = asyncio.create_task(ImapListener(AccountName("help"), settings, accept, SystemClock()).run())
    try:
        assert b"<first@c.example>" in await asyncio.wait_for(taken.get(), AT_ONCE_S)
        assert b"<second@c.example>" in await asyncio.wait_for(taken.get(), AT_ONCE_S)
    finally:
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
