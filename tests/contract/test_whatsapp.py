from typing import Any
from urllib.parse import urlencode

import pytest

from channels.base import Acceptance, Channel, Resources
from channels.contract import ChannelContract
from channels.inbound import Inbound
from channels.whatsapp.account import AccountSettings
from channels.whatsapp.channel import build
from core.ids import AccountName, ChannelName
from core.replies import ApiCall
from tests.fakes import START, FakeClock

NUMBER = "whatsapp:+4930555000"
PERSON = "whatsapp:+4915112345678"


class NoMailbox:
    """The web channel's; nobody calls it here."""

    async def deliver(self, conversation_id: str, out_id: str, seq: int, body: dict[str, Any]) -> None:
        raise AssertionError

    async def after(self, conversation_id: str, seq: int, limit: int) -> list[Any]:
        raise AssertionError


async def accept(inbound: Inbound) -> Acceptance:
    return Acceptance.ACCEPTED


def webhook(**fields: str) -> Inbound:
    return Inbound(ChannelName("whatsapp"), AccountName("main"), urlencode(fields).encode(), START)


class TestWhatsApp(ChannelContract):
    has_buttons = False

    @pytest.fixture
    def channel(self) -> Channel:
        settings = AccountSettings.model_validate(
            {"account_sid": "AC" + "0" * 32, "auth_token": "token", "number": NUMBER}
        )
        return build(AccountName("main"), settings, Resources(FakeClock(), accept, "https://desk.example", NoMailbox()))

    def message(self, text: str, name: str = "1") -> Inbound:
        return webhook(MessageSid=f"SM{name}", From=PERSON, To=NUMBER, Body=text, MessageType="text", NumMedia="0")

    def from_ourselves(self) -> Inbound | None:
        return webhook(MessageSid="SM1", From=NUMBER, To=NUMBER, Body="our own words")

    def unknown_update(self) -> Inbound | None:
        return webhook(MessageSid="SM1", To=PERSON, From=NUMBER, MessageStatus="partially_delivered")

    def button_press(self, token: str) -> Inbound | None:
        # A template of ours with quick replies (sent from Twilio's console) brings tokens all the same.
        return webhook(MessageSid="SM1", From=PERSON, To=NUMBER, ButtonText="Yes", ButtonPayload=token)

    def text_of(self, calls: tuple[ApiCall, ...]) -> str:
        return "\n".join(str(call.params["body"]) for call in calls)
