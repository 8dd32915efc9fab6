"""Twilio twice: our stand-in and npm `emulate`, which others wrote. What both can answer they answer alike."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from twilio.request_validator import RequestValidator

from hub.emulate import twilio
from hub.emulate.people import TwilioPerson
from hub.emulate.platforms import Platforms
from hub.emulate.world import World
from tests.integration.listener import Heard, Listener, listening
from tests.integration.running import until
from tests.servers import twilio as emulate
from tests.servers.twilio import TwilioServer, running_twilio
from tests.standins.platforms import open_to_all

pytestmark = pytest.mark.integration

PERSON = "whatsapp:+491510000007"


@dataclass
class Account:
    """An account with a WhatsApp sender, and somebody who writes to it."""

    api_url: str
    sid: str
    secret: str
    number: str
    hub_url: str
    platforms: Platforms | None = None
    server: TwilioServer | None = None

    async def say(self, text: str) -> str:
        """Write to the sender; returns the address of who wrote."""
        if self.platforms is not None:
            person = TwilioPerson(self.platforms.world, self.platforms.twilio, f"{self.hub_url}/whatsapp/main", 7)
            person.say(text)
            return person.place
        assert self.server is not None
        await self.server.say(PERSON, text)
        return PERSON

    async def call(self, method: str, path: str, secret: str | None = None, **more: Any) -> tuple[int, dict[str, Any]]:
        """Call the REST API; returns the status and the JSON."""
        headers = {"Authorization": aiohttp.encode_basic_auth(self.sid, secret or self.secret)}
        url = f"{self.api_url}/2010-04-01/Accounts/{self.sid}/{path}"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url, **more) as response,
        ):
            return response.status, await response.json()

    async def create(self, text: str, **more: str) -> dict[str, Any]:
        """Create a message to `PERSON`."""
        form = {"From": self.number, "To": PERSON, "Body": text, **more}
        status, message = await self.call("POST", "Messages.json", data=form)
        assert status == 201, message
        return message


@pytest.fixture
async def hub() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener


@pytest.fixture(params=["ours", "theirs"])
async def account(request: pytest.FixtureRequest, hub: Listener, tmp_path: Path) -> AsyncIterator[Account]:
    if request.param == "ours":
        async with Platforms(World()) as platforms:
            open_to_all(platforms)
            url = platforms.http["whatsapp"].url
            yield Account(url, twilio.SID, twilio.AUTH_TOKEN, twilio.NUMBER, hub.url, platforms=platforms)
    else:
        with running_twilio(tmp_path, hub.url) as server:
            sid, secret = emulate.ACCOUNT_SID, emulate.AUTH_TOKEN
            yield Account(server.api_url, sid, secret, emulate.NUMBER, hub.url, server=server)


def signed(account: Account, heard: Heard) -> bool:
    return RequestValidator(account.secret).validate(
        f"{account.hub_url}{heard.path}", heard.form, heard.headers["X-Twilio-Signature"]
    )


async def test_a_message_of_a_person_comes_signed_with_who_wrote_what_to_whom(account: Account, hub: Listener) -> None:
    person = await account.say("where is my order? \u00e9\U0001f4e6")
    heard = await hub.first(lambda heard: heard.path == "/whatsapp/main")
    assert signed(account, heard)
    form = heard.form
    assert (form["From"], form["To"], form["Body"]) == (person, account.number, "where is my order? \u00e9\U0001f4e6")
    assert form["MessageSid"] == form["SmsSid"]
    assert re.fullmatch(r"SM[0-9a-f]{32}", form["MessageSid"])
    assert (form["AccountSid"], form["NumMedia"], form["ApiVersion"]) == (account.sid, "0", "2010-04-01")


async def test_a_created_message_is_told_back_with_its_name_and_that_it_waits(account: Account) -> None:
    message = await account.create("hello")
    assert re.fullmatch(r"SM[0-9a-f]{32}", message["sid"])
    assert (message["body"], message["to"], message["from"]) == ("hello", PERSON, account.number)
    assert (message["direction"], message["status"]) == ("outbound-api", "queued")
    assert message["account_sid"] == account.sid
    assert parsedate_to_datetime(message["date_created"]).tzinfo is not None


async def test_what_was_created_can_be_listed_by_recipient_newest_first(account: Account) -> None:
    sids = [(await account.create(text))["sid"] for text in ("one", "two")]
    status, page = await account.call("GET", "Messages.json", params={"To": PERSON, "PageSize": "50"})
    assert status == 200
    assert [message["sid"] for message in page["messages"]] == list(reversed(sids))
    assert page["next_page_uri"] is None
    _, other = await account.call("GET", "Messages.json", params={"To": "whatsapp:+491510000008"})
    assert other["messages"] == []


async def test_a_long_list_comes_in_pages(account: Account) -> None:
    for text in ("one", "two", "three"):
        await account.create(text)
    _, page = await account.call("GET", "Messages.json", params={"To": PERSON, "PageSize": "2"})
    assert [message["body"] for message in page["messages"]] == ["three", "two"]
    assert page["next_page_uri"] is not None


async def test_a_message_that_was_sent_has_the_date_of_it(account: Account) -> None:
    sid = (await account.create("hello"))["sid"]

    async def listed() -> dict[str, Any]:
        if account.server is not None:
            await account.server.set_status(sid, "sent")
        _, page = await account.call("GET", "Messages.json", params={"To": PERSON})
        found: dict[str, Any] = next(message for message in page["messages"] if message["sid"] == sid)
        return found

    shown = await until(listed, lambda message: message["status"] == "sent")
    assert parsedate_to_datetime(shown["date_sent"]) >= parsedate_to_datetime(shown["date_created"])


async def test_what_became_of_a_message_is_told_signed_to_its_callback(account: Account, hub: Listener) -> None:
    message = await account.create("hello", StatusCallback=f"{account.hub_url}/whatsapp/main/status/o1")
    if account.server is not None:
        await asyncio.gather(*(account.server.set_status(message["sid"], status) for status in ("sent", "delivered")))

    def tells(heard: Heard) -> bool:
        return heard.path.endswith("/status/o1") and heard.form.get("MessageStatus") == "delivered"

    heard = await hub.first(tells)
    assert signed(account, heard)
    assert (heard.form["MessageSid"], heard.form["AccountSid"]) == (message["sid"], account.sid)
    assert (heard.form["To"], heard.form["From"]) == (PERSON, account.number)


async def test_a_wrong_token_is_error_20003(account: Account) -> None:
    status, answer = await account.call("GET", "Messages.json", secret="wrong")
    assert (status, answer["code"], answer["status"]) == (401, 20003, 401)
