"""Telegram's stand-in against the real adapter, and how it brings updates (T1, T3, T6, T13)."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from channels.telegram.client import Deadlines, TelegramClient
from core.errors import (
    AccountRefused,
    DeliveryError,
    PermanentFailure,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from core.replies import ApiCall, Receipt
from hub.emulate import telegram
from hub.emulate.faults import Fault
from hub.emulate.people import TelegramPerson
from hub.emulate.platforms import Platforms
from hub.emulate.telegram_markup import CannotParse, without_tags
from tests.unit.hub.emulate.kit import deadline_s, noting_hub, pauses, running, until_quiet

CHAT = 77
KINDS = ("message", "callback_query")


def client_of(platforms: Platforms, token: str = telegram.TOKEN, long_poll_s: int = 1) -> TelegramClient:
    seconds = deadline_s(platforms)
    deadlines = Deadlines(total_s=seconds, read_s=seconds, connect_s=seconds, long_poll_s=long_poll_s)
    return TelegramClient(token, platforms.http["telegram"].url, deadlines)


def person_of(platforms: Platforms, chat: int = CHAT, ids: "itertools.count[int] | None" = None) -> TelegramPerson:
    return TelegramPerson(platforms.world, platforms.telegram, chat, ids or itertools.count(500))


async def sends(platforms: Platforms, text: str = "hello", **params: Any) -> Receipt:
    client = client_of(platforms)
    try:
        call = ApiCall(method="sendMessage", params={"chat_id": CHAT, "text": text, **params}, bucket="77")
        return await client.send(call)
    finally:
        await client.close()


async def failure_of(platforms: Platforms, **params: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await sends(platforms, **params)
    return raised.value


@pytest.mark.parametrize(
    ("details", "error", "is_taken"),
    [
        ({"action": "rate_limit", "retry_after": "14"}, RateLimited, False),
        ({"action": "error"}, UnknownOutcome, False),
        ({"action": "error", "moment": "after"}, UnknownOutcome, True),
        ({"action": "hang", "moment": "after"}, UnknownOutcome, True),
        ({"action": "drip", "bytes_per_s": 50}, UnknownOutcome, True),
        ({"action": "cut"}, UnknownOutcome, False),
        ({"action": "body", "kind": "huge"}, UnknownOutcome, True),
        ({"action": "body", "kind": "truncated"}, UnknownOutcome, True),
        ({"action": "body", "kind": "wrong_json"}, UnknownOutcome, True),
        ({"action": "body", "kind": "not_json"}, UnknownOutcome, True),
        ({"action": "redirect"}, PermanentFailure, False),
        ({"action": "unauthorized"}, AccountRefused, False),
        ({"action": "refuse", "code": "403"}, PermanentFailure, False),
        ({"action": "closed"}, TemporaryFailure, False),
    ],
    ids=str,
)
async def test_each_fault_is_what_the_adapter_promises_and_the_ledger_tells_the_truth(
    details: dict[str, Any], error: type[DeliveryError], is_taken: bool
) -> None:
    async with running() as platforms:
        await platforms.add_fault(Fault.model_validate({"platform": "telegram", **details}))
        assert type(await failure_of(platforms)) is error
        assert len(platforms.ledger) == is_taken


@pytest.mark.parametrize(("retry_after", "pause_s"), [("14", 14.0), (None, 5.0), ("-5", 1.0), ("1e9", 3600.0)])
async def test_a_pause_is_told_in_the_body(retry_after: str | None, pause_s: float) -> None:
    """F042, F043, T22."""
    async with running() as platforms:
        await platforms.add_fault(Fault(platform="telegram", action="rate_limit", retry_after=retry_after))
        error = await failure_of(platforms)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == pause_s


async def test_a_person_who_blocked_the_bot_cannot_be_reached() -> None:
    """F052."""
    async with running() as platforms:
        await platforms.add_fault(Fault(platform="telegram", action="refuse", code="403"))
        error = await failure_of(platforms)
    assert isinstance(error, PermanentFailure)
    assert error.unreachable


async def test_what_the_real_one_would_refuse_is_refused() -> None:
    async with running() as platforms:
        too_long = await failure_of(platforms, text="🙂" * 2049)
        assert isinstance(too_long, PermanentFailure)
        assert too_long.code == "message_too_long"
        assert (await sends(platforms, text="🙂" * 2048)).provider_id


async def test_markup_is_read_as_telegram_reads_it() -> None:
    """T13: the adapter sends words whose markup is refused once more without it."""
    async with running() as platforms:
        await sends(platforms, text="Order <b>A-1 &amp; A-2</b>", parse_mode="HTML")
        await sends(platforms, text="1 <h1>2", parse_mode="HTML")
        first, second = platforms.ledger
        answers = [line.answered for line in platforms.ledger.lines]
    assert first.text == "Order A-1 & A-2"
    assert "2" in second.text
    assert answers == ["200", "400", "200"]


@pytest.mark.parametrize("text", ["<b>open", "</i>", "<b><i>x</b></i>", "<table>"])
def test_wrong_markup_is_refused(text: str) -> None:
    with pytest.raises(CannotParse):
        without_tags(text)


async def with_webhook(platforms: Platforms, url: str) -> None:
    client = client_of(platforms)
    await client.call(
        "setWebhook", {"url": f"{url}/telegram", "secret_token": "s3cret", "allowed_updates": ["message"]}
    )
    await client.close()


async def test_an_update_is_brought_until_it_is_taken_with_pauses_that_double() -> None:
    """T1, T3."""
    async with running() as platforms, noting_hub(500, "cut", 503) as hub:
        await with_webhook(platforms, hub.url)
        delivery = person_of(platforms).say("hello")
        await until_quiet(platforms)
    assert pauses(platforms) == [1.0, 2.0, 4.0]
    assert (delivery.progress, delivery.tries) == ("taken", 4)
    assert {json.loads(one.body)["update_id"] for one in hub.brought} == {500}
    assert {one.headers["X-Telegram-Bot-Api-Secret-Token"] for one in hub.brought} == {"s3cret"}


async def test_one_update_of_a_chat_is_under_way_at_a_time_and_another_chat_does_not_wait() -> None:
    async with running() as platforms, noting_hub(500, 500) as hub:
        await with_webhook(platforms, hub.url)
        ids = itertools.count(1)
        first, second = person_of(platforms, 1, ids), person_of(platforms, 2, ids)
        for person in (first, second):
            for text in ("one", "two"):
                person.say(text)
        await until_quiet(platforms)
        told = [json.loads(one.body)["message"] for one in hub.brought]
    for chat in (1, 2):
        assert [one["text"] for one in told if one["chat"]["id"] == chat] == ["one", "one", "two"]
    assert hub.most_at_once == 2


async def test_an_update_waits_for_a_webhook() -> None:
    async with running() as platforms, noting_hub() as hub:
        delivery = person_of(platforms).say("hello")
        assert platforms.telegram.updates.info()["pending_update_count"] == 1
        await with_webhook(platforms, hub.url)
        await until_quiet(platforms)
        info = platforms.telegram.updates.info()
    assert delivery.progress == "taken"
    assert (info["pending_update_count"], info["allowed_updates"]) == (0, ["message"])


async def test_a_bot_that_polls_gets_updates_until_it_confirms_them() -> None:
    """T6."""
    async with running() as platforms:
        client = client_of(platforms)
        ids = itertools.count(500)
        deliveries = [person_of(platforms, ids=ids).say(text) for text in ("one", "two")]
        first = await client.get_updates(None, KINDS)
        again = await client.get_updates(501, KINDS)
        assert [update["update_id"] for update in first] == [500, 501]
        assert [update["update_id"] for update in again] == [501]
        assert [delivery.progress for delivery in deliveries] == ["taken", "on_its_way"]
        asking = asyncio.create_task(client.get_updates(502, KINDS))
        while deliveries[1].progress != "taken":
            await asyncio.sleep(0)
        assert not asking.done(), "there is nothing to tell: it is held"
        person_of(platforms, ids=ids).say("three")
        assert [update["message"]["text"] for update in await asking] == ["three"]
        await client.close()


async def test_a_poll_without_news_ends_empty_after_its_time() -> None:
    async with running() as platforms:
        assert await platforms.telegram.updates.poll(0, 0.01) == []


async def test_polling_conflicts_with_a_webhook_and_with_a_second_poller() -> None:
    """T6."""
    async with running() as platforms:
        client, other = client_of(platforms), client_of(platforms)
        first = asyncio.create_task(client.get_updates(None, KINDS))
        while platforms.telegram.updates._pollers == 0:
            await asyncio.sleep(0)
        second = asyncio.create_task(other.get_updates(None, KINDS))
        with pytest.raises(TemporaryFailure, match="other getUpdates"):
            await first
        await client.call("setWebhook", {"url": "http://127.0.0.1:9/x"})
        with pytest.raises(TemporaryFailure, match="webhook is active"):
            await second
        with pytest.raises(TemporaryFailure, match="webhook is active"):
            await client.get_updates(None, KINDS)
        await client.call("deleteWebhook", {})
        assert platforms.telegram.updates.info()["url"] == ""
        await client.close()
        await other.close()


async def test_a_pressed_button_comes_as_a_callback_query() -> None:
    """T15."""
    keyboard = {"inline_keyboard": [[{"text": "Yes", "callback_data": "t1"}]]}
    async with running() as platforms:
        await sends(platforms, reply_markup=keyboard)
        (sent,) = platforms.ledger
        assert [(button.label, button.value) for button in sent.buttons] == [("Yes", "t1")]
        person_of(platforms).press(sent, "t1")
        client = client_of(platforms)
        (update,) = await client.get_updates(None, KINDS)
        assert await client.call("answerCallbackQuery", {"callback_query_id": update["callback_query"]["id"]})
        await client.close()
    assert update["callback_query"]["data"] == "t1"
    assert str(update["callback_query"]["message"]["message_id"]) == sent.provider_id


async def test_a_file_is_shown_as_what_it_is_and_an_unknown_method_is_not_found() -> None:
    async with running() as platforms:
        client = client_of(platforms)
        await client.call("sendPhoto", {"chat_id": CHAT, "photo": "https://x/y.jpg"})
        await client.call("sendDocument", {"chat_id": CHAT, "document": "f1", "caption": "The invoice"})
        with pytest.raises(AccountRefused):
            await client.call("getHistory", {})
        assert (await client.call("getMe", {}))["username"] == telegram.USERNAME
        await client.close()
    assert [sent.text for sent in platforms.ledger] == ["[Photo]", "The invoice"]


async def test_another_token_is_refused() -> None:
    async with running() as platforms:
        client = client_of(platforms, "4242:wrong")
        with pytest.raises(AccountRefused):
            await client.call("getMe", {})
        await client.close()


async def test_photos_sent_as_one_are_updates_of_one_album_t19() -> None:
    """T19, T21: each its own update and file, the caption on the first."""
    async with running() as platforms:
        client = client_of(platforms)
        person_of(platforms).send_photos(b"one", b"two", caption="my lid")
        first, second = [update["message"] for update in await client.get_updates(None, KINDS)]
        assert first["media_group_id"] == second["media_group_id"]
        assert (first["caption"], "caption" in second) == ("my lid", False)
        found = await client.call("getFile", {"file_id": second["photo"][-1]["file_id"]})
        assert found["file_size"] == 3
        await client.close()
