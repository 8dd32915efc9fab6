"""The suite that every channel passes; here it only learns how Messenger looks."""

import json

from channels.base import Channel
from channels.contract import ChannelContract, HubAround, PackageContract, SendingContract, WebhookContract
from channels.inbound import Inbound
from core.ids import AccountName
from core.replies import ApiCall
from messenger_samples import MIRA, SECRET, batch, body, echo, happening, message, posted, settings

from frontdesk_messenger.channel import build
from frontdesk_messenger.verify import SIGNATURE_HEADER, signature_of


class TestMessenger(ChannelContract):
    def message(self, text: str, name: str = "1") -> Inbound:
        return posted(message(text, f"m_{name}"))

    def from_ourselves(self) -> Inbound:
        return posted(echo("hello", metadata="frontdesk:out1"), echo("written in the inbox", "m_2"))

    def unknown_update(self) -> Inbound:
        return posted(happening(optin={"type": "notification_messages", "payload": "x"}))

    def button_press(self, token: str) -> Inbound:
        return posted(happening(postback={"mid": "m_3", "title": "Yes", "payload": token}))

    def text_of(self, calls: tuple[ApiCall, ...]) -> str:
        return "\n".join(_words(call) for call in calls)


def _words(call: ApiCall) -> str:
    content = json.loads(json.dumps(call.params["message"]))
    return str(content["text"] if "text" in content else content["attachment"]["payload"]["text"])


class TestWebhook(WebhookContract):
    path = "/messenger/shop"
    body = body(batch(message("where is my order?")))

    def signed(self, body: bytes) -> dict[str, str]:
        return {SIGNATURE_HEADER: signature_of(SECRET.encode(), body), "Content-Type": "application/json"}


class TestSending(SendingContract):
    call = ApiCall(
        method="messages",
        params={"recipient": {"id": MIRA}, "messaging_type": "RESPONSE", "message": {"text": "Hello"}},
        bucket=MIRA,
    )
    taken = json.dumps({"recipient_id": MIRA, "message_id": "m_sent"}).encode()
    provider_id = "m_sent"

    def channel_at(self, url: str) -> Channel:
        return build(AccountName("shop"), settings(api_url=url), HubAround().resources())


class TestPackage(PackageContract):
    package = "frontdesk_messenger"
