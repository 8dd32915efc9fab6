"""Sending against a scripted server: certainly not sent, refused for good, or in doubt (SEMANTICS section 6)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import pytest
from pydantic import SecretStr

from channels.email.client import SmtpClient
from channels.email.tokens import envelope_id
from core.errors import AccountRefused, DeliveryError, PermanentFailure, TemporaryFailure, UnknownOutcome
from core.ids import OutId
from core.replies import ApiCall
from tests.fakes import FakeClock
from tests.unit.channels.email.mails import SETTINGS

OUT_ID = OutId("a" * 26)
CALL = ApiCall(
    method="smtp.send",
    params={
        "from": "help@shop.example",
        "to": "jo@customer.example",
        "subject": "s",
        "text": "hi\n.\n",
        "root16": "0" * 16,
    },
    bucket="jo@customer.example",
)
DROP = ""
"""Close the connection instead of answering."""
HANG = None


class Script:
    """An SMTP server that answers each command as it is told to; "." is the end of the content."""

    def __init__(self, answers: Mapping[str, str | None]) -> None:
        self.answers: dict[str, str | None] = {
            "greeting": "220 ready",
            "EHLO": "250-mx\r\n250-AUTH PLAIN\r\n250 8BITMIME",
            "AUTH": "235 welcome",
            "MAIL": "250 ok",
            "RCPT": "250 ok",
            "DATA": "354 go on",
            ".": "250 2.0.0 queued as 7",
            "QUIT": "221 bye",
            **answers,
        }
        self.commands: list[str] = []
        self.content = b""
        self.port = 0
        self.ended = asyncio.Event()
        self.ended.set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ended.clear()
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._talk(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self.ended.set()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        step = "greeting"
        while True:
            answer = self.answers[step]
            if answer == DROP:
                return
            if answer is not None:
                writer.write(answer.encode() + b"\r\n")
            if step == "QUIT":
                return
            if step == "DATA" and answer and answer.startswith("354"):
                self.content = await reader.readuntil(b"\r\n.\r\n")
                step = "."
                continue
            line = (await reader.readuntil(b"\r\n")).decode()
            self.commands.append(line.strip())
            step = line[:4].strip().upper()


@asynccontextmanager
async def server(script: Script) -> AsyncIterator[None]:
    running = await asyncio.start_server(script, "127.0.0.1", 0)
    script.port = running.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        await asyncio.wait_for(script.ended.wait(), 5)
        running.close()
        await running.wait_closed()


def client(script: Script, deadline_s: float = 5.0, **changes: object) -> SmtpClient:
    settings = SETTINGS.model_copy(update={"smtp_port": script.port, **changes})
    return SmtpClient(settings, FakeClock(), deadline_s)


async def failure_of(answers: Mapping[str, str | None], deadline_s: float = 5.0) -> DeliveryError:
    script = Script(answers)
    async with server(script):
        with pytest.raises(DeliveryError) as raised:
            await client(script, deadline_s).send(CALL, OUT_ID)
    return raised.value


async def test_a_mail_goes_to_one_recipient_from_the_null_path() -> None:
    script = Script({})
    async with server(script):
        receipt = await client(script).send(CALL, OUT_ID)
    assert receipt.provider_id == f"<{OUT_ID}.{'0' * 16}@shop.example>"
    assert receipt.details == {"answer": "2.0.0 queued as 7"}
    assert script.commands[1:] == ["MAIL FROM:<>", "RCPT TO:<jo@customer.example>", "DATA", "QUIT"]
    assert b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n" in script.content


async def test_a_server_that_keeps_envelope_ids_is_given_a_signed_one() -> None:
    """RFC 3461: a report repeats it; a server that does not offer DSN would refuse it."""
    key = SecretStr("a key that nobody else has")
    keeps = Script({"EHLO": "250-mx\r\n250-DSN\r\n250 8BITMIME"})
    ignorant = Script({})
    for script in (keeps, ignorant):
        async with server(script):
            await client(script, reply_key=key).send(CALL, OUT_ID)
    envelope = envelope_id(OUT_ID, key.get_secret_value().encode())
    assert keeps.commands[1] == f"MAIL FROM:<> RET=HDRS ENVID={envelope}"
    assert ignorant.commands[1] == "MAIL FROM:<>"
    assert b"Reply-To: help+t." in ignorant.content


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"greeting": "421 busy"}, TemporaryFailure),
        ({"greeting": "554 go away"}, AccountRefused),
        ({"greeting": DROP}, TemporaryFailure),
        ({"EHLO": DROP}, TemporaryFailure),
        ({"MAIL": "451 later"}, TemporaryFailure),
        ({"MAIL": "530 5.7.0 log in first"}, AccountRefused),
        ({"RCPT": "452 4.2.2 full"}, TemporaryFailure),
        ({"RCPT": "550 5.1.1 unknown"}, PermanentFailure),
        ({"RCPT": DROP}, TemporaryFailure),
        ({"DATA": "451 not now"}, TemporaryFailure),
        ({"DATA": "554 no"}, PermanentFailure),
        ({"DATA": DROP}, UnknownOutcome),
        ({".": "452 disk full"}, TemporaryFailure),
        ({".": "554 spam"}, PermanentFailure),
        ({".": DROP}, UnknownOutcome),
        ({".": "rubbish"}, UnknownOutcome),
    ],
    ids=str,
)
async def test_each_failure_has_its_meaning(answers: dict[str, str | None], kind: type[DeliveryError]) -> None:
    """A lost reply to the dot is the one case where nobody can know (RFC 1047)."""
    assert type(await failure_of(answers)) is kind


@pytest.mark.parametrize(
    ("step", "kind"), [("greeting", TemporaryFailure), ("RCPT", TemporaryFailure), (".", UnknownOutcome)]
)
async def test_a_server_that_hangs_is_given_up_at_the_deadline(step: str, kind: type[DeliveryError]) -> None:
    assert type(await failure_of({step: HANG}, deadline_s=0.2)) is kind


async def test_a_refused_connection_is_certainly_not_sent() -> None:
    script = Script({})
    async with server(script):
        pass
    with pytest.raises(TemporaryFailure):
        await client(script).send(CALL, OUT_ID)


@pytest.mark.parametrize(
    ("answer", "kind"), [("535 5.7.8 wrong password", AccountRefused), ("454 4.7.0 later", TemporaryFailure)]
)
async def test_a_refused_login_is_the_accounts_fault(answer: str, kind: type[DeliveryError]) -> None:
    script = Script({"AUTH": answer})
    async with server(script):
        with pytest.raises(kind):
            await client(script, smtp_user="help", smtp_password=SecretStr("x")).send(CALL, OUT_ID)
    assert not any(command.startswith("MAIL") for command in script.commands)


async def test_a_server_without_starttls_gets_no_password() -> None:
    """SECURITY S20: no silent fall-back to plain text."""
    script = Script({})
    async with server(script):
        with pytest.raises(AccountRefused):
            await client(script, smtp_tls="starttls", smtp_user="help", smtp_password=SecretStr("x")).send(CALL, OUT_ID)
    assert not any(command.startswith(("AUTH", "MAIL")) for command in script.commands)


async def test_an_address_that_the_server_cannot_write_is_refused_for_good() -> None:
    script = Script({})
    call = CALL.model_copy(update={"params": {**CALL.params, "to": "jö@bücher.example"}})
    async with server(script):
        with pytest.raises(PermanentFailure) as raised:
            await client(script).send(call, OUT_ID)
    assert (raised.value.code, raised.value.unreachable) == ("no_smtputf8", True)


async def test_an_address_outside_ascii_goes_to_a_server_that_can() -> None:
    script = Script({"EHLO": "250-mx\r\n250 SMTPUTF8"})
    call = CALL.model_copy(update={"params": {**CALL.params, "to": "jö@bücher.example"}})
    async with server(script):
        await client(script).send(call, OUT_ID)
    assert "RCPT TO:<jö@bücher.example>" in script.commands


async def test_the_doctor_logs_in_and_sends_nothing() -> None:
    script = Script({})
    async with server(script):
        assert await client(script).try_login() == f"127.0.0.1:{script.port}"
    assert [command[:4] for command in script.commands] == ["EHLO", "QUIT"]
