"""The suite that every channel passes; here it only learns how Parrot looks."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.base import Channel
from channels.contract import (
    START,
    ChannelContract,
    HubAround,
    PackageContract,
    SendingContract,
    WebhookContract,
    a_time,
    json_body,
)
from channels.inbound import Inbound
from core.ids import AccountName, ChannelName
from core.replies import ApiCall

from frontdesk_parrot.account import AccountSettings
from frontdesk_parrot.channel import build
from frontdesk_parrot.verify import SIGNATURE_HEADER, signature_of

SETTINGS = {"bot_id": "b1", "token": "a token", "secret": "a secret"}


def settings(**more: str) -> AccountSettings:
    return AccountSettings.model_validate(SETTINGS | more)


def update(name: str, kind: str = "message", sender: str = "p1", **more: Any) -> dict[str, Any]:
    """Return what the platform posts."""
    at = int(a_time().timestamp())
    return {"id": name, "kind": kind, "sender": {"id": sender, "name": "Mira"}, "chat": "c1", "at": at, **more}


def posted(payload: dict[str, Any]) -> Inbound:
    return Inbound(ChannelName("parrot"), AccountName("main"), json_body(payload), START)


@pytest.fixture
def hub() -> HubAround:
    return HubAround()


@pytest.fixture
async def channel(hub: HubAround) -> AsyncIterator[Channel]:
    built = build(AccountName("main"), settings(), hub.resources())
    yield built
    await built.close()


class TestParrot(ChannelContract):
    def message(self, text: str, name: str = "1") -> Inbound:
        return posted(update(name, text=text))

    def from_ourselves(self) -> Inbound:
        return posted(update("2", sender="b1", text="hello"))

    def unknown_update(self) -> Inbound:
        return posted(update("3", kind="somebody moved house"))

    def button_press(self, token: str) -> Inbound:
        return posted(update("4", kind="press", token=token, text="Yes"))

    def text_of(self, calls: tuple[ApiCall, ...]) -> str:
        return "\n".join(str(call.params["text"]) for call in calls)


class TestWebhook(WebhookContract):
    path = "/parrot/main"
    body = json_body(update("1", text="where is my order?"))

    def signed(self, body: bytes) -> dict[str, str]:
        return {SIGNATURE_HEADER: signature_of(b"a secret", body), "Content-Type": "application/json"}


class TestSending(SendingContract):
    call = ApiCall(method="messages", params={"chat": "c1", "text": "hello"}, bucket="c1")
    taken = json.dumps({"id": "m1"}).encode()
    provider_id = "m1"

    def channel_at(self, url: str) -> Channel:
        return build(AccountName("main"), settings(api_url=url), HubAround().resources())


class TestPackage(PackageContract):
    package = "frontdesk_parrot"
