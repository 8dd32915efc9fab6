from typing import Any, cast

import pytest

from channels.base import Acceptance, Channel, Resources
from channels.contract import ChannelContract, a_time, json_body
from channels.inbound import Inbound
from channels.telegram.account import AccountSettings
from channels.telegram.channel import build
from channels.telegram.markup import plain_text
from core.ids import AccountName, ChannelName
from core.ports import Mailbox
from core.replies import ApiCall
from tests.fakes import START, FakeClock

MIRA = {"id": 5001, "is_bot": False, "first_name": "Mira"}
US = {"id": 4242, "is_bot": True, "first_name": "Desk"}
PRIVATE = {"id": 5001, "type": "private"}


async def accept(_: Inbound) -> Acceptance:
    return Acceptance.ACCEPTED


def inbound(update: dict[str, Any]) -> Inbound:
    return Inbound(ChannelName("telegram"), AccountName("support"), json_body(update), START)


def written(text: str, number: int, author: dict[str, Any]) -> Inbound:
    message = {"message_id": number, "date": int(a_time().timestamp()), "chat": PRIVATE, "from": author, "text": text}
    return inbound({"update_id": 9000 + number, "message": message})


class TestTelegram(ChannelContract):
    @pytest.fixture
    def channel(self) -> Channel:
        settings = AccountSettings.model_validate({"token": "4242:AAcontract", "username": "desk_bot"})
        resources = Resources(FakeClock(), accept, "https://desk.example", cast("Mailbox", None))
        return build(AccountName("support"), settings, resources)

    def message(self, text: str, name: str = "1") -> Inbound:
        return written(text, int(name), MIRA)

    def from_ourselves(self) -> Inbound:
        return written("hello", 50, US)

    def unknown_update(self) -> Inbound:
        return inbound({"update_id": 9100, "poll": {"id": "1", "question": "?", "options": []}})

    def button_press(self, token: str) -> Inbound:
        query = {"id": "77", "from": MIRA, "data": token, "message": {"message_id": 2, "date": 0, "chat": PRIVATE}}
        return inbound({"update_id": 9101, "callback_query": query})

    def text_of(self, calls: tuple[ApiCall, ...]) -> str:
        return "\n".join(plain_text(str(call.params["text"])) for call in calls if call.method == "sendMessage")
