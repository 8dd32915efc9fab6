"""A real Postfix and Dovecot: mail comes in by IDLE, answers arrive, nothing is taken over twice (E1, E2, F107)."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import aiosmtplib
import pytest
from imapclient import IMAPClient

from channels.base import Acceptance, Resources
from channels.email.account import AccountSettings
from channels.email.channel import EmailChannel
from channels.inbound import Inbound
from core.errors import StoreUnavailable
from core.events import MessageReceived
from core.ids import AccountName, out_id
from core.ports import Mailbox
from core.replies import Reply
from tests.servers.mail import MailServer, running_mail

pytestmark = pytest.mark.integration

HUB = "help@shop.example"
CUSTOMER = "jo@customer.example"


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Words:
    def block(self, name: str) -> str:
        return "Ihre Bestellung ist unterwegs.\n\n##- Bitte über dieser Zeile antworten -##"

    def has(self, name: str) -> bool:
        return name == "text"


class Journal:
    """Takes mails, or refuses the first few as a store that is down."""

    def __init__(self, refusals: int = 0) -> None:
        self.taken: asyncio.Queue[Inbound] = asyncio.Queue()
        self.refusals = refusals
        self.refused = asyncio.Event()

    async def accept(self, inbound: Inbound) -> Acceptance:
        if self.refusals > 0:
            self.refusals -= 1
            self.refused.set()
            raise StoreUnavailable("down")
        self.taken.put_nowait(inbound)
        return Acceptance.ACCEPTED


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with tempfile.TemporaryDirectory(prefix="frontdesk-mail-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101  Dovecot runs as nobody
        with running_mail(Path(folder)) as running:
            yield running


def settings_for(server: MailServer, address: str, poll_s: float = 60) -> AccountSettings:
    return AccountSettings(
        address=address,
        imap_host="127.0.0.1",
        imap_port=server.imap_port,
        imap_tls="none",
        imap_user=address,
        imap_password=server.password,
        smtp_host="127.0.0.1",
        smtp_port=server.smtp_port,
        smtp_tls="none",
        poll_s=poll_s,
    )


def channel_for(server: MailServer, address: str, journal: Journal, poll_s: float = 60) -> EmailChannel:
    resources = Resources(SystemClock(), journal.accept, "http://127.0.0.1", cast(Mailbox, None))
    return EmailChannel(AccountName("help"), settings_for(server, address, poll_s), resources)


@asynccontextmanager
async def listening(channel: EmailChannel) -> AsyncIterator[None]:
    task = asyncio.create_task(channel.listen())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def write(server: MailServer, to: str, text: str, message_id: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = CUSTOMER, to, "Wo ist es?", message_id
    mail["Date"] = datetime.now(UTC)
    mail.set_content(text)
    await aiosmtplib.send(
        mail, sender=CUSTOMER, recipients=[to], hostname="127.0.0.1", port=server.smtp_port, start_tls=False
    )


def inbox_of(server: MailServer, address: str) -> dict[int, dict[bytes, object]]:
    with IMAPClient("127.0.0.1", server.imap_port, ssl=False, timeout=10) as imap:
        imap.login(address, server.password)
        imap.select_folder("INBOX", readonly=True)
        return dict(imap.fetch(imap.search(), ["BODY.PEEK[]", "FLAGS"]))


async def arrived(server: MailServer, address: str) -> dict[bytes, object]:
    for _ in range(100):
        if found := await asyncio.to_thread(inbox_of, server, address):
            return next(iter(found.values()))
        await asyncio.sleep(0.1)
    raise AssertionError("the mail did not arrive in 10 s")


async def next_mail(journal: Journal) -> Inbound:
    return await asyncio.wait_for(journal.taken.get(), 20)


async def test_a_mail_comes_in_by_idle_and_its_answer_reaches_the_customer(server: MailServer) -> None:
    journal = Journal()
    channel = channel_for(server, HUB, journal, poll_s=300)
    async with listening(channel):
        await write(server, HUB, "Wo ist meine Bestellung A-1042?", "<before@customer.example>")
        before = await next_mail(journal)
        await asyncio.sleep(0.5)  # the listener is idling now; polling is minutes away
        await write(server, HUB, "Und noch etwas.", "<during@customer.example>")
        during = await next_mail(journal)
    (event,) = channel.normalize(before)
    assert isinstance(event, MessageReceived)
    assert event.text == "Wo ist meine Bestellung A-1042?"
    assert event.automatic is None
    assert b"<during@customer.example>" in during.body
    (call,) = channel.render(Reply(template="t"), Words(), event.address)
    receipt = await channel.send(call, out_id("d", event.id, 0, 0), 1, event.conversation_id)
    found = await arrived(server, CUSTOMER)
    answer = message_from_bytes(cast(bytes, found[b"BODY[]"]))
    assert answer["Message-ID"] == receipt.provider_id
    assert answer["In-Reply-To"] == "<before@customer.example>"
    assert answer["References"] == "<before@customer.example>"
    assert answer["Auto-Submitted"] == "auto-replied"
    assert answer["X-Auto-Response-Suppress"] == "All"
    assert answer["Return-Path"] == "<>"
    assert (answer["From"], answer["To"], answer["Subject"]) == (HUB, CUSTOMER, "Re: Wo ist es?")
    assert "Ihre Bestellung ist unterwegs." in cast(bytes, answer.get_payload(decode=True)).decode()


async def test_a_restart_takes_nothing_over_twice_and_leaves_mails_unseen(server: MailServer) -> None:
    address, first, second = "restart@shop.example", Journal(), Journal()
    await write(server, address, "one", "<one@customer.example>")
    async with listening(channel_for(server, address, first, poll_s=0.2)):
        assert b"<one@customer.example>" in (await next_mail(first)).body
        await asyncio.sleep(1.0)  # several polls
    async with listening(channel_for(server, address, second, poll_s=0.2)):
        await write(server, address, "two", "<two@customer.example>")
        assert b"<two@customer.example>" in (await next_mail(second)).body
    assert first.taken.empty()
    assert second.taken.empty()
    flags = [found[b"FLAGS"] for found in inbox_of(server, address).values()]
    assert all(b"\\Seen" not in cast(tuple[bytes, ...], flag) for flag in flags)
    assert b"$Frontdesk" in cast(tuple[bytes, ...], flags[0])


async def test_a_mail_that_cannot_be_kept_stays_unmarked_and_is_taken_later(server: MailServer) -> None:
    address, down, up = "down@shop.example", Journal(refusals=1000), Journal()
    await write(server, address, "keep me", "<keep@customer.example>")
    async with listening(channel_for(server, address, down)):
        await asyncio.wait_for(down.refused.wait(), 20)
    flags = [found[b"FLAGS"] for found in inbox_of(server, address).values()]
    assert flags == [()] or b"$Frontdesk" not in cast(tuple[bytes, ...], flags[0])
    async with listening(channel_for(server, address, up)):
        assert b"<keep@customer.example>" in (await next_mail(up)).body


async def test_the_doctor_finds_a_mailbox_that_works_and_says_why_one_does_not(server: MailServer) -> None:
    findings = await channel_for(server, HUB, Journal()).check()
    assert {finding.check: finding.ok for finding in findings} == {
        "smtp_login": True,
        "imap_login": True,
        "imap_idle": True,
        "imap_keyword": True,
    }
    wrong = settings_for(server, HUB).model_copy(update={"imap_user": ""})
    resources = Resources(SystemClock(), Journal().accept, "http://127.0.0.1", cast(Mailbox, None))
    refused = await EmailChannel(AccountName("help"), wrong, resources).check()
    assert [finding.fix is not None for finding in refused if not finding.ok] == [True]
