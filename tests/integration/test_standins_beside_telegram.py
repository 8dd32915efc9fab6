"""Telegram twice: our stand-in and npm `telegram-test-api`, of others. What both can answer they answer alike."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.emulate import telegram
from hub.emulate.people import TelegramPerson
from hub.emulate.platforms import Platforms
from hub.emulate.world import World
from tests.integration.listener import Heard, Listener, listening
from tests.integration.running import until
from tests.servers import telegram as emulate
from tests.servers.telegram import TelegramServer, running_telegram

pytestmark = pytest.mark.integration

CHAT = 4711
SECRET = "webhook-secret"
BUTTONS = {"inline_keyboard": [[{"text": "Yes", "callback_data": "c:yes"}]]}


@dataclass
class Api:
    """A Bot API, a bot and somebody who writes to it."""

    url: str
    token: str
    platforms: Platforms | None = None
    server: TelegramServer | None = None

    def __post_init__(self) -> None:
        if self.platforms is not None:
            standin = self.platforms.telegram
            self._person = TelegramPerson(self.platforms.world, standin, CHAT, itertools.count(1))

    async def say(self, text: str) -> None:
        """Write to the bot."""
        if self.server is not None:
            await self.server.say(CHAT, text)
        else:
            self._person.say(text)

    async def press(self, message_id: int) -> None:
        """Press the button "Yes" of a message of the bot."""
        if self.server is not None:
            shown = await self.server.replies_to(CHAT)
            await self.server.press(CHAT, next(reply for reply in shown if reply["messageId"] == message_id), "Yes")
        else:
            assert self.platforms is not None
            sent = next(sent for sent in self.platforms.ledger if sent.provider_id == str(message_id))
            self._person.press(sent, "c:yes")

    async def call(self, method: str, **fields: Any) -> dict[str, Any]:
        """Call a method as any HTTP client would."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/bot{self.token}/{method}", json=fields) as response,
        ):
            told: dict[str, Any] = await response.json()
            return told

    async def send(self, text: str, **more: Any) -> int:
        """Let the bot write; returns the message's number."""
        answer = await self.call("sendMessage", chat_id=str(CHAT), text=text, **more)
        assert answer["ok"], answer
        return int(answer["result"]["message_id"])

    async def updates(self, offset: int = 0, timeout: int = 0) -> list[dict[str, Any]]:
        """Ask for what the bot was not told yet."""
        return list((await self.call("getUpdates", offset=offset, timeout=timeout))["result"])

    async def first_update(self) -> dict[str, Any]:
        """Wait for something to be told."""
        return (await until(self.updates, bool))[0]


@pytest.fixture
async def hub() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener


@pytest.fixture(params=["ours", "theirs"])
async def api(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Api]:
    if request.param == "ours":
        async with Platforms(World()) as platforms:
            yield Api(platforms.http["telegram"].url, telegram.TOKEN, platforms=platforms)
    else:
        with running_telegram(tmp_path) as server:
            yield Api(server.api_url, emulate.TOKEN, server=server)


async def test_a_text_is_told_to_who_asks_with_chat_person_and_time(api: Api) -> None:
    await api.say("where is my order?")
    message = (await api.first_update())["message"]
    assert (message["text"], message["chat"]["id"], message["chat"]["type"]) == ("where is my order?", CHAT, "private")
    assert (message["from"]["id"], message["from"]["is_bot"], message["from"]["language_code"]) == (CHAT, False, "en")
    assert isinstance(message["date"], int)
    assert isinstance(message["message_id"], int)


async def test_an_update_is_told_again_until_a_higher_offset_confirms_it(api: Api) -> None:
    await api.say("one")
    await api.say("two")
    first, second = await until(api.updates, lambda told: len(told) == 2)
    assert [update["update_id"] for update in await api.updates()] == [first["update_id"], second["update_id"]]
    assert first["update_id"] < second["update_id"]
    left = await api.updates(offset=second["update_id"])
    assert [update["message"]["text"] for update in left] == ["two"]
    assert await api.updates(offset=second["update_id"] + 1) == []


async def test_a_message_of_the_bot_is_told_back_with_its_number(api: Api) -> None:
    names = [await api.send(text) for text in ("one", "two")]
    assert names == sorted(set(names))


async def test_a_press_names_the_message_and_carries_what_the_button_held(api: Api) -> None:
    sent = await api.send("Really?", reply_markup=BUTTONS)
    await api.press(sent)
    query = (await api.first_update())["callback_query"]
    assert (query["data"], query["message"]["message_id"]) == ("c:yes", sent)
    assert query["from"]["id"] == CHAT
    assert (await api.call("answerCallbackQuery", callback_query_id=query["id"]))["result"] is True


async def test_a_webhook_gets_what_is_said_with_its_secret_and_one_after_the_other(api: Api, hub: Listener) -> None:
    assert (await api.call("setWebhook", url=f"{hub.url}/telegram/support", secret_token=SECRET))["ok"]
    for text in ("one", "two", "three"):
        await api.say(text)

    def tells_three(heard: Heard) -> bool:
        return heard.json["message"]["text"] == "three"

    last = await hub.first(tells_three)
    assert [heard.json["message"]["text"] for heard in hub.heard] == ["one", "two", "three"]
    assert {heard.headers["X-Telegram-Bot-Api-Secret-Token"] for heard in hub.heard} == {SECRET}
    assert last.path == "/telegram/support"


async def test_what_was_said_before_a_webhook_was_set_is_brought_to_it(api: Api, hub: Listener) -> None:
    await api.say("early")
    assert (await api.call("setWebhook", url=f"{hub.url}/telegram/support", secret_token=SECRET))["ok"]
    assert (await hub.first(lambda heard: True)).json["message"]["text"] == "early"
