"""The running hub with a real Postfix and Dovecot: mail in, one answer in the customer's mailbox (E1, E2, E12)."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path

import aiosmtplib
import pytest
from imapclient import IMAPClient

from channels.email.imap import KEYWORD
from tests.integration.running import accepted, at_rest, exactly, started, until
from tests.servers.hub import Hub
from tests.servers.mail import MailServer, running_mail

pytestmark = pytest.mark.integration

HELP = "help@shop.example"


@dataclass(frozen=True)
class Desk:
    hub: Hub
    mail: MailServer

    async def deliver(self, mail: EmailMessage, envelope_from: str) -> None:
        await aiosmtplib.send(
            mail,
            sender=envelope_from,
            recipients=[HELP],
            hostname="127.0.0.1",
            port=self.mail.smtp_port,
            start_tls=False,
        )

    async def count_marked(self) -> int:
        """Return how many mails the hub has marked as taken over."""
        with IMAPClient("127.0.0.1", self.mail.imap_port, ssl=False, timeout=10) as imap:
            imap.login(HELP, self.mail.password)
            imap.select_folder("INBOX", readonly=True)
            return len(imap.search(f"KEYWORD {KEYWORD.decode()}"))

    async def inbox_of(self, address: str) -> list[EmailMessage]:
        """Return what is in a mailbox, oldest first."""
        with IMAPClient("127.0.0.1", self.mail.imap_port, ssl=False, timeout=10) as imap:
            imap.login(address, self.mail.password)
            imap.select_folder("INBOX", readonly=True)
            found = imap.fetch(imap.search(), ["BODY.PEEK[]"])
        return [
            message_from_bytes(found[uid][b"BODY[]"], _class=EmailMessage, policy=policy.default)
            for uid in sorted(found)
        ]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with tempfile.TemporaryDirectory(prefix="frontdesk-mail-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101  Dovecot runs as nobody
        with running_mail(Path(folder)) as mail:
            fields = {
                "ADDRESS": HELP,
                "IMAP_HOST": "127.0.0.1",
                "IMAP_PORT": str(mail.imap_port),
                "IMAP_TLS": "none",
                "IMAP_USER": HELP,
                "IMAP_PASSWORD": mail.password,
                "SMTP_HOST": "127.0.0.1",
                "SMTP_PORT": str(mail.smtp_port),
                "SMTP_TLS": "none",
            }
            environment = {f"FRONTDESK_EMAIL_HELP_{name}": value for name, value in fields.items()}
            with started(Hub(tmp_path_factory.mktemp("email"), environment)) as hub:
                yield Desk(hub, mail)


def letter(person: str, text: str, subject: str = "My order", **headers: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = person, HELP, subject
    mail["Date"], mail["Message-ID"] = datetime.now(UTC), make_msgid(domain="customer.example")
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail


def body_of(mail: EmailMessage) -> str:
    plain = mail.get_body(("plain",))
    assert plain is not None
    return str(plain.get_content())


async def test_a_mail_is_answered_once_in_its_thread_and_a_reply_goes_on(desk: Desk) -> None:
    ann = "ann@customer.example"
    question = letter(ann, "Where is my order A-1001?")
    await desk.deliver(question, ann)
    (asked,) = await exactly(desk.hub, 1, lambda: desk.inbox_of(ann))
    assert asked["In-Reply-To"] == question["Message-ID"]
    assert asked["References"] == question["Message-ID"]
    assert asked["Subject"] == "Re: My order"
    assert asked["Auto-Submitted"] == "auto-replied"
    assert "e-mail address" in body_of(asked)
    assert asked.get_content_type() == "multipart/alternative"

    quoted = "".join(f"> {line}\n" for line in body_of(asked).splitlines())
    follow_up = letter(
        ann,
        f"ann@example.com\n\nOn Sunday, Frontdesk wrote:\n{quoted}",
        "Re: My order",
        In_Reply_To=asked["Message-ID"],
        References=f"{question['Message-ID']} {asked['Message-ID']}",
    )
    await desk.deliver(follow_up, ann)
    _, told = await exactly(desk.hub, 2, lambda: desk.inbox_of(ann))
    assert "A-1001" in body_of(told)
    assert "DHL" in body_of(told)
    assert told["In-Reply-To"] == follow_up["Message-ID"]
    assert told["References"].split() == [question["Message-ID"], asked["Message-ID"], follow_up["Message-ID"]]


async def test_a_number_in_the_reply_picks_a_choice_of_the_mail_before(desk: Desk) -> None:
    ben = "ben@customer.example"
    question = letter(ben, "help", "help")
    await desk.deliver(question, ben)
    (menu,) = await exactly(desk.hub, 1, lambda: desk.inbox_of(ben))
    assert "1. Order status" in body_of(menu).splitlines()
    await desk.deliver(letter(ben, "1", "Re: help", In_Reply_To=menu["Message-ID"]), ben)
    _, asked = await exactly(desk.hub, 2, lambda: desk.inbox_of(ben))
    assert "order number" in body_of(asked)


async def test_the_same_mail_delivered_twice_is_answered_once(desk: Desk) -> None:
    cleo = "cleo@customer.example"
    accepted_before, marked_before = await accepted(desk.hub), await desk.count_marked()
    mail = letter(cleo, "Where is my order A-1001?")
    await desk.deliver(mail, cleo)
    await desk.deliver(mail, cleo)
    await until(desk.count_marked, lambda count: count == marked_before + 2)
    await exactly(desk.hub, 1, lambda: desk.inbox_of(cleo))
    assert await accepted(desk.hub) == accepted_before + 1


async def test_machines_get_no_answer(desk: Desk) -> None:
    """Else two machines write to each other for ever (E12)."""
    dan = "dan@customer.example"
    before = await accepted(desk.hub)
    await desk.deliver(letter(dan, "I am on holiday.", "Out of office", Auto_Submitted="auto-replied"), dan)
    await desk.deliver(letter(dan, "Our news", "News", Precedence="bulk", List_Id="<news.example>"), dan)
    await desk.deliver(letter(dan, "Where is my order A-1001?"), "")  # the empty sender of a bounce
    bounce = letter(f"Mail Delivery System <mailer-daemon@{dan.partition('@')[2]}>", "550 no such user", "Undelivered")
    await desk.deliver(bounce, "")
    await until(lambda: accepted(desk.hub), lambda count: count == before + 4)
    await at_rest(desk.hub)
    # What is sent now leaves after whatever would have been said to the machines.
    eve = "eve@customer.example"
    await desk.deliver(letter(eve, "help"), eve)
    await exactly(desk.hub, 1, lambda: desk.inbox_of(eve))
    assert await desk.inbox_of(dan) == []
    assert await desk.inbox_of("mailer-daemon@customer.example") == []
