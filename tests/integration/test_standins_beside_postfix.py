"""A submission server twice: our stand-in and the real Postfix. What one takes or refuses the other does, too."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from hub.emulate.platforms import Platforms
from hub.emulate.world import World
from tests.servers.mail import MailServer, running_mail

pytestmark = pytest.mark.integration

OURS, CUSTOMER = "help@shop.example", "ann@customer.example"


@dataclass
class Submission:
    """A server that takes our mails."""

    port: int

    async def __aenter__(self) -> aiosmtplib.SMTP:
        self._client = aiosmtplib.SMTP(hostname="127.0.0.1", port=self.port, start_tls=False)
        await self._client.connect()
        return self._client

    async def __aexit__(self, *_: object) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def postfix() -> Iterator[MailServer]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101  Dovecot runs as nobody
        with running_mail(Path(folder)) as server:
            yield server


@pytest.fixture(params=["ours", "theirs"])
async def submission(request: pytest.FixtureRequest) -> AsyncIterator[Submission]:
    if request.param == "theirs":
        yield Submission(request.getfixturevalue("postfix").smtp_port)
        return
    async with Platforms(World()) as platforms:
        yield Submission(platforms.mail.port)


def mail(message_id: str = "<o1.1@shop.example>") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = OURS, CUSTOMER, message_id
    message.set_content("gr\u00fc\u00dfe \u4f60\u597d\n.a line that begins with a dot\n..two\n")
    return message.as_bytes()


async def test_a_mail_is_taken_with_250(submission: Submission) -> None:
    async with submission as smtp:
        refused, answer = await smtp.sendmail(OURS, [CUSTOMER], mail())
    assert refused == {}
    assert answer.startswith("2.0.0")


async def test_a_mail_of_the_empty_sender_is_taken(submission: Submission) -> None:
    async with submission as smtp:
        refused, _ = await smtp.sendmail("", [CUSTOMER], mail())
    assert refused == {}


async def test_a_connection_carries_more_than_one_mail(submission: Submission) -> None:
    async with submission as smtp:
        for number in (1, 2, 3):
            refused, _ = await smtp.sendmail(OURS, [CUSTOMER], mail(f"<o{number}.1@shop.example>"))
            assert refused == {}


async def test_eight_bits_and_names_beyond_ascii_are_offered(submission: Submission) -> None:
    async with submission as smtp:
        await smtp.ehlo()
        assert smtp.supports_extension("8BITMIME")
        assert smtp.supports_extension("SMTPUTF8")
        assert smtp.supports_extension("SIZE")


@pytest.mark.parametrize(
    ("command", "code"), [(b"RCPT TO:<ann@customer.example>", 503), (b"DATA", 503), (b"NONSENSE", 500)]
)
async def test_commands_out_of_turn_are_refused(submission: Submission, command: bytes, code: int) -> None:
    async with submission as smtp:
        await smtp.ehlo()
        answer = await smtp.execute_command(command)
    assert answer.code == code


async def test_a_transaction_can_be_given_up_and_begun_again(submission: Submission) -> None:
    async with submission as smtp:
        await smtp.mail(OURS)
        await smtp.rset()
        refused, _ = await smtp.sendmail(OURS, [CUSTOMER], mail())
    assert refused == {}
