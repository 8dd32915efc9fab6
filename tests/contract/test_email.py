"""Mail keeps the promises of every channel."""

from email.message import EmailMessage
from typing import cast

import pytest

from channels.base import Acceptance, Channel, Resources
from channels.contract import ChannelContract
from channels.email.account import AccountSettings
from channels.email.channel import build
from channels.inbound import Inbound
from core.events import Event
from core.ids import AccountName, ChannelName
from core.ports import Mailbox
from core.replies import ApiCall
from tests.fakes import START, FakeClock

ACCOUNT = AccountName("help")


async def accept(inbound: Inbound) -> Acceptance:
    return Acceptance.ACCEPTED


def inbound(mail: EmailMessage) -> Inbound:
    return Inbound(ChannelName("email"), ACCOUNT, mail.as_bytes(), START, {})


class TestEmail(ChannelContract):
    has_buttons = False

    @pytest.fixture
    def channel(self) -> Channel:
        settings = AccountSettings(
            address="help@shop.example", smtp_host="127.0.0.1", smtp_tls="none", smtp_in_port=0, smtp_in_protocol="lmtp"
        )
        resources = Resources(FakeClock(), accept, "http://127.0.0.1", cast(Mailbox, None))
        return build(ACCOUNT, settings, resources)

    def message(self, text: str, name: str = "1") -> Inbound:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "Jo <jo@customer.example>", "help@shop.example", "Hello"
        mail["Message-ID"] = f"<{name}@customer.example>"
        if name != "1":
            mail["References"] = "<1@customer.example>"
        mail.set_content(text)
        return inbound(mail)

    def from_ourselves(self) -> Inbound:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "help@shop.example", "help@shop.example", "Re: Hello"
        mail["Message-ID"] = f"<{'a' * 26}.{'0' * 16}@shop.example>"
        mail.set_content("Your order is on its way.")
        return inbound(mail)

    def unknown_update(self) -> None:
        return None

    def button_press(self, token: str) -> None:
        return None

    def text_of(self, calls: tuple[ApiCall, ...]) -> str:
        return "\n".join(str(call.params["text"]) for call in calls)

    def continues(self, one: Event, two: Event) -> bool:
        """The second mail names the first in its References."""
        return one.conversation_id == two.conversation_id

    async def test_mail_comes_by_no_route_and_is_not_asked_for_what_it_cannot_know(self, channel: Channel) -> None:
        assert channel.routes() == []
        assert channel.capabilities.unknown_sends == "idempotent"
        await channel.close()
