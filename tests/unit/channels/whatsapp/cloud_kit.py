"""What the tests of the Cloud API share: an account, webhooks, a channel."""

import json
from collections.abc import Mapping
from typing import Any

from channels.base import Resources
from channels.inbound import Inbound
from channels.whatsapp.cloud.account import CloudSettings
from channels.whatsapp.cloud.channel import CloudChannel
from core.ids import AccountName, ChannelName
from tests.fakes import START, FakeClock
from tests.unit.channels.whatsapp.whatsapp_kit import FakeMailbox, Journal

NUMBER_ID = "106540352242922"
OUR_NUMBER = "15550783881"
PERSON = "4915112345678"
USER_ID = "DE.13491208655302741918"
APP_SECRET = "cloud-app-secret"
VERIFY_TOKEN = "cloud-verify-token"
PUBLIC_URL = "https://desk.example"


def settings(**changes: Any) -> CloudSettings:
    given = {
        "provider": "cloud",
        "phone_number_id": NUMBER_ID,
        "access_token": "cloud-token",
        "app_secret": APP_SECRET,
        "verify_token": VERIFY_TOKEN,
    }
    return CloudSettings.model_validate(given | changes)


def channel(journal: Journal | None = None, public_url: str = PUBLIC_URL, **changes: Any) -> CloudChannel:
    resources = Resources(FakeClock(), (journal or Journal()).accept, public_url, FakeMailbox())
    return CloudChannel(AccountName("main"), settings(**changes), resources)


def message(wamid: str = "wamid.1", **fields: Any) -> dict[str, Any]:
    """Return a text unless the fields say otherwise; a field of None is left out."""
    given = {"from": PERSON, "id": wamid, "timestamp": "1795348800", "type": "text", "text": {"body": "hello"}}
    return {name: value for name, value in (given | fields).items() if value is not None}


def status(state: str, wamid: str = "wamid.9", **fields: Any) -> dict[str, Any]:
    return {"id": wamid, "status": state, "timestamp": "1795348800", "recipient_id": PERSON} | fields


def change(*messages: Mapping[str, Any], statuses: tuple[Mapping[str, Any], ...] = (), **fields: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": OUR_NUMBER, "phone_number_id": NUMBER_ID}
    contact = {"profile": {"name": "Ann"}, "wa_id": PERSON, "user_id": USER_ID}
    value: dict[str, Any] = {"messaging_product": "whatsapp", "metadata": metadata, "contacts": [contact]}
    if messages:
        value["messages"] = list(messages)
    if statuses:
        value["statuses"] = list(statuses)
    return {"field": "messages", "value": value | fields}


def body(*changes: Mapping[str, Any]) -> bytes:
    entry = {"id": "102290129340398", "changes": list(changes)}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def posted(content: bytes) -> Inbound:
    return Inbound(ChannelName("whatsapp"), AccountName("main"), content, START)
