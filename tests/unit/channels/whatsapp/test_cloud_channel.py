"""The Cloud API's routes and settings."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import ValidationError

from channels.whatsapp.channel import build
from channels.whatsapp.cloud.channel import CloudChannel
from channels.whatsapp.cloud.verify import SIGNATURE_HEADER, signature_of
from core.errors import ConfigError, StoreUnavailable
from core.ids import AccountName
from hub.settings import load_settings
from tests.unit.channels.whatsapp import cloud_kit
from tests.unit.channels.whatsapp.cloud_kit import APP_SECRET, VERIFY_TOKEN, body, change, message
from tests.unit.channels.whatsapp.whatsapp_kit import Journal

BODY = body(change(message("wamid.1"), message("wamid.2")))
GOOD = {SIGNATURE_HEADER: signature_of(APP_SECRET.encode(), BODY)}


def client(journal: Journal, **changes: str) -> TestClient[web.Request, web.Application]:
    application = web.Application()
    application.add_routes(cloud_kit.channel(journal, **changes).routes())
    return TestClient(TestServer(application, host="127.0.0.1"))


async def test_a_signed_batch_is_one_row() -> None:
    journal = Journal()
    async with client(journal) as http:
        answer = await http.post("/whatsapp/main", data=BODY, headers=GOOD)
        assert answer.status == 200
    assert [payload.body for payload in journal.kept] == [BODY]


async def test_an_unsigned_batch_is_refused_and_not_kept() -> None:
    journal = Journal()
    async with client(journal) as http:
        for headers in ({}, {SIGNATURE_HEADER: signature_of(b"another", BODY)}):
            assert (await http.post("/whatsapp/main", data=BODY, headers=headers)).status == 401
    assert journal.kept == []


async def test_the_previous_app_secret_is_accepted_while_it_is_changed() -> None:
    journal = Journal()
    async with client(journal, app_secret="new", previous_app_secret=APP_SECRET) as http:
        assert (await http.post("/whatsapp/main", data=BODY, headers=GOOD)).status == 200


async def test_meta_comes_again_when_nothing_could_be_made_durable() -> None:
    async with client(Journal(failure=StoreUnavailable("away"))) as http:
        assert (await http.post("/whatsapp/main", data=BODY, headers=GOOD)).status == 503


async def test_the_handshake_is_plain_text_and_wants_the_verify_token() -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "<b>1158</b>"}
    async with client(Journal()) as http:
        answer = await http.get("/whatsapp/main", params=query)
        assert (answer.status, answer.content_type, await answer.text()) == (200, "text/plain", "<b>1158</b>")
        assert (await http.get("/whatsapp/main", params=query | {"hub.verify_token": "x"})).status == 403


def test_the_settings_choose_the_provider() -> None:
    resources = cloud_kit.channel()._resources
    assert isinstance(build(AccountName("main"), cloud_kit.settings(), resources), CloudChannel)


@pytest.mark.parametrize(
    "changes", [{"api_url": "http://graph.example"}, {"phone_number_id": "+49"}, {"app_secret": ""}]
)
def test_settings_that_cannot_be_right_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        cloud_kit.settings(**changes)


def test_an_account_without_its_fields_is_off_and_says_which_are_missing(tmp_path: Path) -> None:
    environ = {"FRONTDESK_DATA": str(tmp_path), "FRONTDESK_WHATSAPP_MAIN_PROVIDER": "cloud"}
    plan = next(plan for plan in load_settings(environ=environ).accounts if plan.key == "whatsapp:main")
    assert plan.settings is None
    assert "FRONTDESK_WHATSAPP_MAIN_PHONE_NUMBER_ID" in plan.missing
    assert "developers.facebook.com" in plan.switch_on


def test_a_provider_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    environ = {"FRONTDESK_DATA": str(tmp_path), "FRONTDESK_WHATSAPP_MAIN_PROVIDER": "pigeon"}
    with pytest.raises(ConfigError, match="none of twilio, cloud"):
        load_settings(environ=environ)
