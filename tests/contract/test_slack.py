import json
from typing import Any, cast
from urllib.parse import urlencode

import pytest

from channels.base import Acceptance, Channel, Resources
from channels.contract import ChannelContract, a_time, json_body
from channels.inbound import Inbound
from channels.slack.account import AccountSettings
from channels.slack.channel import build
from channels.slack.mrkdwn import escape_mrkdwn, plain_text
from core.ids import AccountName, ChannelName
from core.ports import Mailbox
from core.replies import ApiCall
from tests.fakes import START, FakeClock

OURS = {"user": "U0DESK", "bot_id": "B0DESK", "app_id": "A0DESK"}


async def accept(_: Inbound) -> Acceptance:
    return Acceptance.ACCEPTED


def inbound(body: bytes) -> Inbound:
    return Inbound(ChannelName("slack"), AccountName("acme"), body, START)


def delivered(event: dict[str, Any], number: int) -> Inbound:
    envelope = {
        "team_id": "T0ACME",
        "api_app_id": "A0DESK",
        "type": "event_callback",
        "event_id": f"Ev{number}",
        "event_time": int(a_time().timestamp()),
        "authorizations": [{"team_id": "T0ACME", "user_id": "U0DESK", "is_bot": True}],
        "event": event,
    }
    return inbound(json_body(envelope))


def written(text: str, number: int, **fields: str) -> Inbound:
    ts = f"{int(a_time().timestamp())}.{number:06d}"
    where = {"channel": "D0MIRA", "channel_type": "im", "ts": ts, "event_ts": ts}
    return delivered({"type": "message", "text": escape_mrkdwn(text), **where, **fields}, number)


class TestSlack(ChannelContract):
    @pytest.fixture
    def channel(self) -> Channel:
        settings = AccountSettings.model_validate({"bot_token": "xoxb-contract", "signing_secret": "contract"})
        resources = Resources(FakeClock(), accept, "https://desk.example", cast("Mailbox", None))
        return build(AccountName("acme"), settings, resources)

    def message(self, text: str, name: str = "1") -> Inbound:
        return written(text, int(name), user="U0MIRA")

    def from_ourselves(self) -> Inbound:
        return written("hello", 50, channel="C0HELP", channel_type="channel", **OURS)

    def unknown_update(self) -> Inbound:
        return delivered({"type": "team_rename", "name": "Acme", "event_ts": "1763812800.000100"}, 51)

    def button_press(self, token: str) -> Inbound:
        action = {"type": "button", "action_id": "choice:1", "value": token, "action_ts": "1763812801.000100"}
        pressed = {
            "type": "block_actions",
            "team": {"id": "T0ACME"},
            "user": {"id": "U0MIRA"},
            "channel": {"id": "D0MIRA"},
            "container": {"type": "message", "channel_id": "D0MIRA", "message_ts": "1763812800.000100"},
            "actions": [action],
        }
        return inbound(urlencode({"payload": json.dumps(pressed)}).encode())

    def text_of(self, calls: tuple[ApiCall, ...]) -> str:
        return "\n".join(plain_text(str(call.params["text"])) for call in calls)
