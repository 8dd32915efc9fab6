"""The mail stand-in against the real adapter (F054), and how it brings mails to the hub's listener."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from channels.email.account import AccountSettings
from channels.email.client import SmtpClient
from core.errors import AccountRefused, DeliveryError, PermanentFailure, TemporaryFailure, UnknownOutcome
from core.ids import OutId
from core.replies import ApiCall, Receipt
from hub.clock import SystemClock
from hub.emulate import mail
from hub.emulate.faults import Fault
from hub.emulate.people import MailPerson
from hub.emulate.platforms import Platforms, Ports
from tests.unit.hub.emulate.kit import QuickWorld, deadline_s, pauses, running, until_quiet

CALL = ApiCall(
    method="send",
    params={
        "to": "ann@customer.example",
        "from": mail.ADDRESS,
        "subject": "Re: A question",
        "text": "hello",
        "root16": "0" * 16,
    },
    bucket="ann@customer.example",
)


async def sends(platforms: Platforms) -> Receipt:
    given = {"address": mail.ADDRESS, "smtp_host": "127.0.0.1", "smtp_port": platforms.mail.port, "smtp_tls": "none"}
    settings = AccountSettings.model_validate(given | {"smtp_in_port": 0})
    return await SmtpClient(settings, SystemClock(), deadline_s=deadline_s(platforms)).send(CALL, OutId("out-1"))


async def failure_of(platforms: Platforms) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await sends(platforms)
    return raised.value


@pytest.mark.parametrize(
    ("details", "error", "is_taken"),
    [
        ({"action": "refuse", "code": "450"}, TemporaryFailure, False),
        ({"action": "refuse", "code": "550"}, PermanentFailure, False),
        ({"action": "refuse", "code": "552"}, PermanentFailure, False),
        ({"action": "refuse", "code": "421"}, TemporaryFailure, False),
        ({"action": "rate_limit"}, TemporaryFailure, False),
        ({"action": "unauthorized"}, AccountRefused, False),
        ({"action": "error"}, TemporaryFailure, False),
        ({"action": "error", "moment": "after"}, TemporaryFailure, True),
        ({"action": "hang"}, UnknownOutcome, False),
        ({"action": "hang", "moment": "after"}, UnknownOutcome, True),
        ({"action": "drip", "bytes_per_s": 20}, UnknownOutcome, True),
        ({"action": "cut"}, UnknownOutcome, False),
        ({"action": "cut", "moment": "after"}, UnknownOutcome, True),
        ({"action": "closed"}, TemporaryFailure, False),
    ],
    ids=str,
)
async def test_each_fault_is_what_the_adapter_promises_and_the_ledger_tells_the_truth(
    details: dict[str, Any], error: type[DeliveryError], is_taken: bool
) -> None:
    async with running() as platforms:
        await platforms.add_fault(Fault.model_validate({"platform": "email", **details}))
        assert type(await failure_of(platforms)) is error
        assert len(platforms.ledger) == is_taken
        await platforms.heal()
        receipt = await sends(platforms)
    assert [sent.provider_id for sent in platforms.ledger] == [receipt.provider_id] * (is_taken + 1)


async def test_a_mail_that_is_taken_has_a_line() -> None:
    async with running() as platforms:
        receipt = await sends(platforms)
        while not platforms.ledger.lines:
            await asyncio.sleep(0)
        (line,) = platforms.ledger.lines
    (sent,) = platforms.ledger
    assert (line.did, line.answered) == (receipt.provider_id, mail.TAKEN)
    assert (sent.place, sent.text.strip(), sent.out_id) == ("ann@customer.example", "hello", "out-1")


class Listener:
    """Answers mails as told, then takes them."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.taken: list[bytes] = []

    async def handle_DATA(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.answers:
            return self.answers.pop(0)
        self.taken.append(envelope.original_content or b"")
        return "250 2.0.0 taken over"


@asynccontextmanager
async def listening(*answers: str) -> AsyncIterator[tuple[Platforms, Listener]]:
    listener, loop = Listener(*answers), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(listener, hostname="mx", loop=loop), "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        async with Platforms(QuickWorld(), Ports(hub_mail=port)) as platforms:
            yield platforms, listener
    finally:
        server.close()


async def test_a_mail_that_is_refused_for_now_comes_again_later() -> None:
    async with listening("451 4.3.0 later", "452 4.2.2 full", "421 4.3.2 busy") as (platforms, listener):
        delivery = MailPerson(platforms.world, platforms.mail_sender, 1).say("hello")
        await until_quiet(platforms)
    assert pauses(platforms) == [300.0, 600.0, 1200.0]
    assert (delivery.progress, delivery.tries) == ("taken", 4)
    assert len(listener.taken) == 1


async def test_a_mail_that_is_refused_for_good_is_given_up() -> None:
    async with listening("550 5.1.1 no such mailbox") as (platforms, listener):
        delivery = MailPerson(platforms.world, platforms.mail_sender, 1).say("hello")
        await until_quiet(platforms)
    assert (delivery.progress, delivery.tries, delivery.last) == ("given_up", 1, "550")
    assert listener.taken == []


async def test_a_recipient_that_is_refused_is_told_by_its_code() -> None:
    async with listening() as (platforms, listener):

        async def refuse(*_: object) -> str:
            return "550 5.1.1 not here"

        listener.handle_RCPT = refuse  # type: ignore[attr-defined]
        assert await platforms.mail_sender.try_once("ann@customer.example", b"Subject: x\r\n\r\nhi\r\n") == (550, "550")


async def test_nobody_there_means_later() -> None:
    async with running() as platforms:
        code, answer = await platforms.mail_sender.try_once("ann@customer.example", b"Subject: x\r\n\r\nhi\r\n")
    assert (code, answer) == (421, "SMTPConnectError")


async def test_a_person_answers_the_last_mail_of_the_hub_in_the_same_thread() -> None:
    async with listening() as (platforms, listener):
        person = MailPerson(platforms.world, platforms.mail_sender, 1)
        person.say("hello")
        await until_quiet(platforms)
        platforms.ledger.record("email", person.place, "hi", "<answer@shop.example>")
        person.say("and more")
        await until_quiet(platforms)
    first, second = (message_from_bytes(raw, policy=policy.default) for raw in listener.taken)
    assert first["In-Reply-To"] is None
    assert second["In-Reply-To"] == "<answer@shop.example>"
    assert str(second["References"]).split() == [first["Message-ID"], "<answer@shop.example>"]
    assert second["From"].addresses[0].addr_spec == person.place
