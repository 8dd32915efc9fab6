from typing import cast

import pytest

from channels.base import Acceptance, Channel, Resources
from channels.contract import ChannelContract, json_body
from channels.inbound import Inbound
from channels.web.account import AccountSettings
from channels.web.channel import build
from core.ids import AccountName, ChannelName
from core.ports import Mailbox
from core.replies import ApiCall
from tests.fakes import START, FakeClock

SESSION = "0f" * 16


async def accept(_: Inbound) -> Acceptance:
    return Acceptance.ACCEPTED


def said(number: int, **what: str) -> Inbound:
    body = {"session": SESSION, "id": f"00000000-0000-4000-8000-{number:012d}", **what}
    return Inbound(ChannelName("web"), AccountName("site"), json_body(body), START)


class TestWeb(ChannelContract):
    @pytest.fixture
    def channel(self) -> Channel:
        resources = Resources(FakeClock(), accept, "https://desk.example", cast("Mailbox", None))
        return build(AccountName("site"), AccountSettings.model_validate({"secret": "s" * 32}), resources)

    def message(self, text: str, name: str = "1") -> Inbound:
        return said(int(name), text=text)

    def from_ourselves(self) -> None:
        """Only a visitor's token opens the way in; what we say never comes back by it."""

    def unknown_update(self) -> None:
        """We journal messages and choices, nothing else."""

    def button_press(self, token: str) -> Inbound:
        return said(77, choice=token, label="Label")

    def text_of(self, calls: tuple[ApiCall, ...]) -> str:
        return "\n".join(str(call.params["text"]) for call in calls)
