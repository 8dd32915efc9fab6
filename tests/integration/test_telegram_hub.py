"""The running hub against an emulated Bot API, by polling and by webhook (T1, T4, T6, T15)."""

from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import pytest

from tests.integration.running import accepted, at_rest, exactly, started
from tests.servers.hub import Hub
from tests.servers.telegram import TOKEN, TelegramServer, running_telegram

pytestmark = pytest.mark.integration

SECRET = "webhook-secret"


@dataclass(frozen=True)
class Desk:
    hub: Hub
    telegram: TelegramServer


@pytest.fixture(scope="module", params=["polling", "webhook"])
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp(f"telegram-{request.param}")
    with running_telegram(folder) as telegram:
        environment = {
            "FRONTDESK_TELEGRAM_SUPPORT_TOKEN": TOKEN,
            "FRONTDESK_TELEGRAM_SUPPORT_API_URL": telegram.api_url,
            "FRONTDESK_TELEGRAM_SUPPORT_MODE": request.param,
        }
        if request.param == "webhook":
            environment["FRONTDESK_TELEGRAM_SUPPORT_WEBHOOK_SECRET"] = SECRET
        with started(Hub(folder, environment)) as hub:
            yield Desk(hub, telegram)


async def test_a_message_is_answered_once_and_the_order_is_told(desk: Desk) -> None:
    await desk.telegram.say(11, "where is my order A-1001?")
    (asked,) = await exactly(desk.hub, 1, lambda: desk.telegram.replies_to(11))
    assert "e-mail address" in asked["message"]["text"]
    await desk.telegram.say(11, "ann@example.com")
    _, told = await exactly(desk.hub, 2, lambda: desk.telegram.replies_to(11))
    assert "<b>A-1001</b>" in told["message"]["text"]
    assert told["message"]["parse_mode"] == "HTML"


async def test_a_pressed_button_is_answered_once_and_stops_spinning(desk: Desk) -> None:
    await desk.telegram.say(12, "help")
    (menu,) = await exactly(desk.hub, 1, lambda: desk.telegram.replies_to(12))
    before = len(await desk.telegram.answered_presses())
    await desk.telegram.press(12, menu, "Order status")
    _, asked = await exactly(desk.hub, 2, lambda: desk.telegram.replies_to(12))
    assert "order number" in asked["message"]["text"]
    assert len(await desk.telegram.answered_presses()) == before + 1


async def test_messages_written_in_a_row_are_answered_in_their_order(desk: Desk) -> None:
    for text in ("help", "where is my order A-1001?", "ann@example.com"):
        await desk.telegram.say(13, text)
    replies = await exactly(desk.hub, 3, lambda: desk.telegram.replies_to(13))
    texts = [reply["message"]["text"] for reply in replies]
    assert [("Pick one" in texts[0]), ("e-mail address" in texts[1]), ("A-1001" in texts[2])] == [True, True, True]


async def test_without_the_right_secret_an_update_is_refused_and_leaves_no_trace(desk: Desk) -> None:
    await at_rest(desk.hub)
    before = await accepted(desk.hub)
    polling = desk.hub.environment["FRONTDESK_TELEGRAM_SUPPORT_MODE"] == "polling"
    message = {"message_id": 1, "date": 1, "chat": {"id": 14, "type": "private"}, "text": "help"}
    for headers in ({}, {"X-Telegram-Bot-Api-Secret-Token": "somebody else's"}):
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{desk.hub.url}/telegram/support", json={"update_id": 99, "message": message}, headers=headers
            ) as response,
        ):
            # Where the hub polls there is no address to post to: nothing could tell Telegram from a stranger.
            assert response.status == (404 if polling else 401)
    assert await accepted(desk.hub) == before
    assert await desk.telegram.replies_to(14) == []


async def test_updates_that_came_while_the_hub_was_dead_are_answered_once_when_it_is_back(desk: Desk) -> None:
    await desk.telegram.say(15, "help")
    await exactly(desk.hub, 1, lambda: desk.telegram.replies_to(15))
    desk.hub.kill()
    await desk.telegram.say(15, "where is my order A-1001?")
    desk.hub.start()
    await exactly(desk.hub, 2, lambda: desk.telegram.replies_to(15))
