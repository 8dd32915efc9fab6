"""Receiving by SMTP and LMTP: "250" only for what is durable (E3, SEMANTICS section 1)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosmtplib
import pytest

from channels.base import Acceptance
from channels.email.account import AccountSettings
from channels.email.normalize import ENVELOPE_FROM, ENVELOPE_TO
from channels.email.smtp_in import SmtpListener
from channels.inbound import Inbound
from core.errors import StoreUnavailable
from tests.fakes import START, FakeClock
from tests.unit.channels.email.mails import ACCOUNT, SETTINGS, build, event_of, mail


class Journal:
    def __init__(self, error: Exception | None = None) -> None:
        self.taken: list[Inbound] = []
        self.error = error

    async def accept(self, inbound: Inbound) -> Acceptance:
        if self.error:
            raise self.error
        self.taken.append(inbound)
        return Acceptance.ACCEPTED if len(self.taken) == 1 else Acceptance.DUPLICATE


@asynccontextmanager
async def listening(journal: Journal, settings: AccountSettings = SETTINGS) -> AsyncIterator[int]:
    listener = SmtpListener(ACCOUNT, settings, journal.accept, FakeClock())
    task = asyncio.create_task(listener.run())
    await asyncio.wait_for(listener.ready.wait(), 5)
    assert listener.port is not None
    try:
        yield listener.port
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[aiosmtplib.SMTP]:
    smtp = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, timeout=5)
    await smtp.connect()
    try:
        yield smtp
    finally:
        smtp.close()


async def send(port: int, raw: bytes, to: str = "help@shop.example", sender: str = "jo@customer.example") -> str:
    async with connected(port) as smtp:
        _, answer = await smtp.sendmail(sender, [to], raw)
        return answer


async def test_a_mail_is_taken_over_byte_for_byte_with_its_envelope() -> None:
    journal, raw = Journal(), mail("text").replace(b"\n", b"\r\n")
    async with listening(journal) as port:
        await send(port, raw, to="Help+x@Shop.example")
    (inbound,) = journal.taken
    assert inbound.body == raw
    assert (inbound.channel, inbound.account, inbound.received_at) == ("email", ACCOUNT, START)
    assert inbound.headers == {ENVELOPE_FROM: "jo@customer.example", ENVELOPE_TO: "Help+x@Shop.example"}


async def test_a_duplicate_is_taken_over_too() -> None:
    journal = Journal()
    async with listening(journal) as port:
        assert await send(port, mail("text")) == await send(port, mail("text")) == "2.0.0 taken over"


async def test_the_null_path_reaches_the_event() -> None:
    """4.4: a bounce of nothing but its envelope."""
    journal = Journal()
    async with listening(journal) as port:
        await send(port, build(), sender="")
    assert event_of(journal.taken[0].body, journal.taken[0].headers).automatic == "bounce"


@pytest.mark.parametrize("error", [StoreUnavailable("down"), RuntimeError("a fault of ours")], ids=repr)
async def test_what_cannot_be_kept_stays_with_the_sender(error: Exception) -> None:
    """451, never 500: the sender's server comes again for days."""
    async with listening(Journal(error)) as port:
        with pytest.raises(aiosmtplib.SMTPDataError) as raised:
            await send(port, mail("text"))
    assert raised.value.code == 451


@pytest.mark.parametrize("to", ["root@shop.example", "help@elsewhere.example"])
async def test_mail_for_others_is_refused(to: str) -> None:
    """E5: the listener is no open relay."""
    journal = Journal()
    async with listening(journal) as port:
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as raised:
            await send(port, mail("text"), to=to)
    assert [refused.code for refused in raised.value.recipients] == [550]
    assert journal.taken == []


async def test_lines_longer_than_the_standard_allows_are_taken() -> None:
    """E3: aiosmtpd's own limit is 1,001 bytes."""
    journal = Journal()
    async with listening(journal) as port:
        await send(port, build(b"x" * 500_000))
    assert b"x" * 500_000 in journal.taken[0].body


async def test_a_mail_over_ten_mebibytes_is_refused_for_good() -> None:
    async with listening(Journal()) as port, connected(port) as smtp:
        await smtp.ehlo()
        assert smtp.esmtp_extensions["size"] == str(10 * 1024 * 1024)
        with pytest.raises(aiosmtplib.SMTPSenderRefused) as announced:
            await smtp.mail("jo@customer.example", options=["SIZE=10485761"])
        await smtp.mail("jo@customer.example")
        await smtp.rcpt("help@shop.example")
        with pytest.raises(aiosmtplib.SMTPDataError) as sent:
            await smtp.data(b"Subject: x\r\n\r\n" + (b"x" * 1000 + b"\r\n") * 10_500)
    assert (announced.value.code, sent.value.code) == (552, 552)


async def test_a_mail_cut_off_half_way_is_not_taken() -> None:
    journal = Journal()
    async with listening(journal) as port:
        async with connected(port) as smtp:
            await smtp.ehlo()
            await smtp.mail("jo@customer.example")
            await smtp.rcpt("help@shop.example")
            await smtp.execute_command(b"DATA")
            assert smtp.transport is not None
            smtp.transport.write(b"Subject: half\r\n\r\nhel")  # type: ignore[attr-defined]
        await send(port, build())
    assert [b"half" in inbound.body for inbound in journal.taken] == [False]


async def test_lmtp_speaks_lmtp() -> None:
    journal = Journal()
    settings = SETTINGS.model_copy(update={"smtp_in_protocol": "lmtp"})
    async with listening(journal, settings) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        said = [await reader.readline()]
        for line in ("LHLO mx", "MAIL FROM:<>", "RCPT TO:<help@shop.example>", "DATA", "Subject: x\r\n\r\nhi\r\n."):
            writer.write(line.encode() + b"\r\n")
            while (answer := await reader.readline())[3:4] == b"-":
                pass
            said.append(answer[:3])
        writer.close()
        await writer.wait_closed()
    assert said[1:] == [b"250", b"250", b"250", b"354", b"250"]
    assert len(journal.taken) == 1


async def test_more_connections_than_the_limit_are_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.email.smtp_in.MAX_CONNECTIONS", 1)
    journal = Journal()
    async with listening(journal) as port:
        async with connected(port):
            with pytest.raises(aiosmtplib.SMTPConnectResponseError) as raised:
                await send(port, build())
        await asyncio.sleep(0.05)  # the server reads the end of the first connection
        await send(port, build())
    assert raised.value.code == 421
    assert len(journal.taken) == 1
