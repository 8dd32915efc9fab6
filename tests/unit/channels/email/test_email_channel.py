"""The parts joined: both ways in, the doctor without a server, what cannot be asked."""

import asyncio
from typing import cast

import aiosmtplib
import pytest
from pydantic import SecretStr

from channels.base import Acceptance, Resources
from channels.email.account import AccountSettings
from channels.email.channel import EmailChannel
from channels.email.smtp_in import SmtpListener
from channels.inbound import Inbound
from core.errors import UnknownOutcome
from core.ids import OutId
from core.ports import Mailbox
from core.replies import ApiCall
from tests.fakes import START, FakeClock
from tests.servers.ports import free_port
from tests.unit.channels.email.mails import ACCOUNT, SETTINGS, mail


def channel_of(settings: AccountSettings, taken: list[Inbound] | None = None) -> EmailChannel:
    async def accept(inbound: Inbound) -> Acceptance:
        if taken is not None:
            taken.append(inbound)
        return Acceptance.ACCEPTED

    return EmailChannel(ACCOUNT, settings, Resources(FakeClock(), accept, "http://127.0.0.1", cast(Mailbox, None)))


def unreachable() -> AccountSettings:
    ports = {"smtp_port": free_port(), "imap_port": free_port()}
    secrets = {"imap_user": "u", "imap_password": SecretStr("p"), "imap_host": "127.0.0.1", "imap_tls": "none"}
    return SETTINGS.model_copy(update=ports | secrets)


async def test_listening_takes_mail_until_it_is_cancelled() -> None:
    taken: list[Inbound] = []
    channel = channel_of(unreachable(), taken)
    task = asyncio.create_task(channel.listen())
    listener = next(way for way in channel.listeners if isinstance(way, SmtpListener))
    await asyncio.wait_for(listener.ready.wait(), 5)
    await aiosmtplib.send(
        mail("text"),
        sender="jo@customer.example",
        recipients=["help@shop.example"],
        hostname="127.0.0.1",
        port=listener.port,
        start_tls=False,
    )
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert len(channel.listeners) == 2
    assert [channel.normalize(inbound)[0].sender.id for inbound in taken] == ["jo@customer.example"]


async def test_the_doctor_names_what_to_do_and_never_raises() -> None:
    findings = await channel_of(unreachable()).check()
    assert {finding.check: finding.ok for finding in findings} == {
        "smtp_login": False,
        "imap_login": False,
        "smtp_in": True,
    }
    assert all(finding.fix for finding in findings if not finding.ok)
    assert {finding.account for finding in findings} == {"email:help"}


async def test_nobody_can_tell_what_became_of_a_mail() -> None:
    call = ApiCall(method="smtp.send", params={}, bucket="x")
    with pytest.raises(UnknownOutcome):
        await channel_of(SETTINGS).find_sent(call, OutId("a" * 26), START, frozenset())
