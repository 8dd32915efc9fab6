"""The way in by webhook and the way out by one request: the same promises of every channel that has them."""

import json
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
from pydantic import BaseModel

from channels.base import Channel
from channels.contract import START, HubAround, SendingContract, WebhookContract
from channels.slack import channel as slack
from channels.slack.account import AccountSettings as SlackSettings
from channels.slack.verify import sign
from channels.telegram import channel as telegram
from channels.telegram.account import AccountSettings as TelegramSettings
from channels.whatsapp import channel as whatsapp
from channels.whatsapp.account import AccountSettings as TwilioSettings
from channels.whatsapp.cloud.account import CloudSettings
from channels.whatsapp.cloud.verify import signature_of as cloud_signature
from channels.whatsapp.verify import signature_of as twilio_signature
from channels.whatsapp.verify import signed_parameters
from core.ids import AccountName
from core.replies import ApiCall
from tests.unit.channels.whatsapp import cloud_kit

SLACK = {"bot_token": "xoxb-contract", "signing_secret": "contract"}
TELEGRAM = {"token": "4242:contract", "mode": "webhook", "webhook_secret": "contract"}
TWILIO = {"account_sid": "AC" + "0" * 32, "auth_token": "contract", "number": "whatsapp:+4930555000"}
CLOUD = {"provider": "cloud", "phone_number_id": cloud_kit.NUMBER_ID, "access_token": "contract"} | {
    "app_secret": "contract",
    "verify_token": "contract",
}
SENT_AT = str(int(START.timestamp()))


def of_slack(hub: HubAround, **more: str) -> Channel:
    return slack.build(AccountName("acme"), SlackSettings.model_validate(SLACK | more), hub.resources())


def of_telegram(hub: HubAround, **more: str) -> Channel:
    return telegram.build(AccountName("support"), TelegramSettings.model_validate(TELEGRAM | more), hub.resources())


def of_whatsapp(hub: HubAround, model: type[BaseModel], given: dict[str, str], **more: str) -> Channel:
    settings = model.model_validate(given | more)
    assert isinstance(settings, TwilioSettings | CloudSettings)
    return whatsapp.build(AccountName("main"), settings, hub.resources())


@pytest.fixture
def hub() -> HubAround:
    return HubAround()


class TestSlackWebhook(WebhookContract):
    path = "/slack/acme/events"
    body = json.dumps({"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": {"type": "x"}}).encode()

    @pytest.fixture
    async def channel(self, hub: HubAround) -> AsyncIterator[Channel]:
        built = of_slack(hub)
        yield built
        await built.close()

    def signed(self, body: bytes) -> dict[str, str]:
        return {"X-Slack-Request-Timestamp": SENT_AT, "X-Slack-Signature": sign(body, SENT_AT, "contract")}


class TestTelegramWebhook(WebhookContract):
    path = "/telegram/support"
    body = json.dumps({"update_id": 1, "poll": {}}).encode()

    @pytest.fixture
    async def channel(self, hub: HubAround) -> AsyncIterator[Channel]:
        built = of_telegram(hub)
        yield built
        await built.close()

    def signed(self, body: bytes) -> dict[str, str]:
        return {"X-Telegram-Bot-Api-Secret-Token": "contract"}


class TestTwilioWebhook(WebhookContract):
    path = "/whatsapp/main"
    body = urlencode({"MessageSid": "SM1", "From": "whatsapp:+491", "To": TWILIO["number"], "Body": "hello"}).encode()

    @pytest.fixture
    async def channel(self, hub: HubAround) -> AsyncIterator[Channel]:
        built = of_whatsapp(hub, TwilioSettings, TWILIO)
        yield built
        await built.close()

    def signed(self, body: bytes) -> dict[str, str]:
        url = f"https://desk.example{self.path}"
        signature = twilio_signature(b"contract", url, signed_parameters(body)).decode()
        return {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}


class TestCloudWebhook(WebhookContract):
    path = "/whatsapp/main"
    body = cloud_kit.body(cloud_kit.change(cloud_kit.message()))

    @pytest.fixture
    async def channel(self, hub: HubAround) -> AsyncIterator[Channel]:
        built = of_whatsapp(hub, CloudSettings, CLOUD)
        yield built
        await built.close()

    def signed(self, body: bytes) -> dict[str, str]:
        return {"X-Hub-Signature-256": cloud_signature(b"contract", body)}


class TestSlackSending(SendingContract):
    call = ApiCall(method="chat.postMessage", params={"channel": "C1", "text": "hello"}, bucket="C1")
    taken = json.dumps({"ok": True, "ts": "1.2", "channel": "C1"}).encode()
    provider_id = "1.2"

    def channel_at(self, url: str) -> Channel:
        return of_slack(HubAround(), api_url=f"{url}/api/")


class TestTelegramSending(SendingContract):
    call = ApiCall(method="sendMessage", params={"chat_id": 1, "text": "hello"}, bucket="1")
    taken = json.dumps({"ok": True, "result": {"message_id": 77, "date": 1, "chat": {"id": 1}}}).encode()
    provider_id = "77"
    too_fast = json.dumps({"ok": False, "error_code": 429, "parameters": {"retry_after": 7}}).encode(), {}
    carries_our_name = False

    def channel_at(self, url: str) -> Channel:
        return of_telegram(HubAround(), api_url=url)


class TestTwilioSending(SendingContract):
    call = ApiCall(method="Messages.create", params={"to": "whatsapp:+491", "body": "hello"}, bucket="whatsapp:+491")
    taken = json.dumps({"sid": "SM1", "status": "queued"}).encode()
    provider_id = "SM1"

    def channel_at(self, url: str) -> Channel:
        return of_whatsapp(HubAround(), TwilioSettings, TWILIO, api_url=url)


class TestCloudSending(SendingContract):
    call = ApiCall(method="messages", params={"to": "491", "type": "text", "text": {"body": "hello"}}, bucket="491")
    taken = json.dumps({"messages": [{"id": "wamid.1"}]}).encode()
    provider_id = "wamid.1"

    def channel_at(self, url: str) -> Channel:
        return of_whatsapp(HubAround(), CloudSettings, CLOUD, api_url=url)
