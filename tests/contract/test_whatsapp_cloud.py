"""The second provider of the channel keeps the same contract."""

import pytest

from channels.base import Channel
from channels.contract import ChannelContract
from channels.inbound import Inbound
from core.replies import ApiCall
from tests.unit.channels.whatsapp import cloud_kit
from tests.unit.channels.whatsapp.cloud_kit import body, change, message, posted


class TestWhatsAppByTheCloudApi(ChannelContract):
    @pytest.fixture
    def channel(self) -> Channel:
        return cloud_kit.channel()

    def message(self, text: str, name: str = "1") -> Inbound:
        return posted(body(change(message(f"wamid.{name}", text={"body": text}))))

    def from_ourselves(self) -> Inbound | None:
        return posted(body(change(message(**{"from": cloud_kit.OUR_NUMBER}))))

    def unknown_update(self) -> Inbound | None:
        return posted(body({"field": "message_template_status_update", "value": {"event": "APPROVED"}}))

    def button_press(self, token: str) -> Inbound | None:
        reply = {"type": "button_reply", "button_reply": {"id": token, "title": "Yes"}}
        return posted(body(change(message(type="interactive", interactive=reply, text=None))))

    def text_of(self, calls: tuple[ApiCall, ...]) -> str:
        return "\n".join(_words(call) for call in calls)


def _words(call: ApiCall) -> str:
    content = call.params.get("text") or call.params["interactive"]
    assert isinstance(content, dict)
    inner = content["body"]
    return str(inner["text"] if isinstance(inner, dict) else inner)
