import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from channels.telegram.client import MAX_ANSWER_BYTES, AiohttpRequest, Deadlines, RawBot, TelegramClient
from core.errors import (
    AccountRefused,
    DeliveryError,
    PermanentFailure,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from core.replies import ApiCall
from tests.unit.channels.telegram.bot_api import (
    TOKEN,
    Answer,
    BotApi,
    as_list,
    drip,
    drop,
    hang,
    ok,
    raw,
    refuse,
    sent_message,
)

PATIENT = Deadlines(long_poll_s=0)
HASTY = Deadlines(total_s=0.6, read_s=0.3)
MESSAGE = ApiCall(
    method="sendMessage",
    params={
        "chat_id": 5001,
        "text": "<b>1 &lt; 2</b>",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    },
    bucket="5001",
)
PRESS = ApiCall(method="answerCallbackQuery", params={"callback_query_id": "7"}, bucket="callbacks", role="aside")


@pytest.fixture
async def client(bot_api: BotApi) -> AsyncIterator[TelegramClient]:
    made = TelegramClient(TOKEN, bot_api.url, PATIENT)
    yield made
    await made.close()


def whole_story(error: BaseException | None) -> str:
    """Everything that a log could print of an error, with all that hangs on it."""
    if error is None:
        return ""
    return f"{error!s} {error!r} {whole_story(error.__cause__)} {whole_story(error.__context__)}"


async def failure_of(client: TelegramClient, call: ApiCall = MESSAGE) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await client.send(call)
    assert TOKEN.split(":")[1] not in whole_story(caught.value)
    return caught.value


async def test_a_message_is_sent_once_and_its_id_kept(bot_api: BotApi, client: TelegramClient) -> None:
    bot_api.will("sendMessage", ok(sent_message(77)))
    receipt = await client.send(MESSAGE)
    (params,) = bot_api.params("sendMessage")
    assert receipt.provider_id == "77"
    assert (params["chat_id"], params["text"], params["parse_mode"]) == ("5001", "<b>1 &lt; 2</b>", "HTML")
    assert as_list(params["link_preview_options"]) == {"is_disabled": True}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refuse(429, "Too Many Requests: retry after 14", retry_after=14), RateLimited),
        (refuse(401, "Unauthorized"), AccountRefused),
        (refuse(403, "Forbidden: bot was blocked by the user"), PermanentFailure),
        (refuse(400, "Bad Request: message is too long"), PermanentFailure),
        (raw(302, "", {"Location": "http://127.0.0.1:1/elsewhere"}), PermanentFailure),
        (refuse(500, "Internal Server Error"), UnknownOutcome),
        (raw(502, "<html>bad gateway</html>"), UnknownOutcome),
        (raw(200, '{"ok": true, "resu'), UnknownOutcome),
        (raw(200, "[]"), UnknownOutcome),
        (ok({"no": "message_id"}), UnknownOutcome),
        (ok(None), UnknownOutcome),
        (raw(200, " " * (1024 * 1024 + 1)), UnknownOutcome),
        (drop, UnknownOutcome),
    ],
    ids=[
        "429", "401", "403", "400", "302", "500", "502", "truncated", "no object", "no id", "null", "too big",
        "dropped",
    ],
)  # fmt: skip
async def test_a_failure_is_told_apart_and_tried_only_once(
    bot_api: BotApi, client: TelegramClient, answer: Answer, expected: type[DeliveryError]
) -> None:
    bot_api.will("sendMessage", answer)
    assert type(await failure_of(client)) is expected
    assert len(bot_api.calls) == 1


@pytest.mark.parametrize("answer", [hang, drip], ids=["F046 hang", "F047 drip"])
async def test_an_answer_that_does_not_end_in_time_is_an_unknown_outcome(bot_api: BotApi, answer: Answer) -> None:
    bot_api.will("sendMessage", answer)
    client = TelegramClient(TOKEN, bot_api.url, HASTY)
    assert isinstance(await asyncio.wait_for(failure_of(client), 10), UnknownOutcome)
    assert len(bot_api.calls) == 1
    await client.close()


async def test_a_rate_limit_tells_its_seconds_f042(bot_api: BotApi, client: TelegramClient) -> None:
    bot_api.will("sendMessage", refuse(429, "Too Many Requests", retry_after=14))
    failure = await failure_of(client)
    assert isinstance(failure, RateLimited)
    assert failure.retry_after_s == 14


async def test_a_refused_connection_was_certainly_not_sent_f045() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound but not listening: connecting is refused
        client = TelegramClient(TOKEN, f"http://127.0.0.1:{held.getsockname()[1]}", PATIENT)
        assert isinstance(await failure_of(client), TemporaryFailure)
        await client.close()


async def test_a_failed_tls_handshake_was_certainly_not_sent_f045(bot_api: BotApi) -> None:
    client = TelegramClient(TOKEN, bot_api.url.replace("http://", "https://"), PATIENT)
    assert isinstance(await failure_of(client), TemporaryFailure)
    assert bot_api.calls == []
    await client.close()


async def test_a_connect_timeout_names_no_url_though_the_library_does(
    client: TelegramClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def time_out(_: object, method: str, url: str, **__: Any) -> None:
        raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {url}")

    monkeypatch.setattr(aiohttp.ClientSession, "request", lambda *a, **k: _Entering(time_out(*a, **k)))
    assert isinstance(await failure_of(client), TemporaryFailure)


async def test_a_surprise_inside_the_library_is_an_unknown_outcome_without_url(
    client: TelegramClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def burst(_: object, method: str, url: str, **__: Any) -> None:
        raise RuntimeError(url)

    monkeypatch.setattr(aiohttp.ClientSession, "request", lambda *a, **k: _Entering(burst(*a, **k)))
    assert isinstance(await failure_of(client), UnknownOutcome)


class _Entering:
    def __init__(self, entering: Any) -> None:
        self._entering = entering

    async def __aenter__(self) -> Any:
        return await self._entering

    async def __aexit__(self, *_: object) -> None:
        return None


async def test_a_wrong_token_refuses_the_account_f051(bot_api: BotApi) -> None:
    client = TelegramClient("4242:AAanother", bot_api.url, PATIENT)
    assert isinstance(await failure_of(client), AccountRefused)
    await client.close()


async def test_words_that_cannot_be_parsed_go_out_once_more_without_markup_t13(
    bot_api: BotApi, client: TelegramClient
) -> None:
    bot_api.will("sendMessage", refuse(400, "Bad Request: can't parse entities: at byte 3"), ok(sent_message(78)))
    assert (await client.send(MESSAGE)).provider_id == "78"
    first, second = bot_api.params("sendMessage")
    assert first["parse_mode"] == "HTML"
    assert "parse_mode" not in second
    assert second["text"] == "1 < 2"


async def test_plain_words_are_not_tried_again(bot_api: BotApi, client: TelegramClient) -> None:
    bot_api.will("sendMessage", refuse(400, "Bad Request: can't parse entities"))
    assert isinstance(await failure_of(client), PermanentFailure)
    assert len(bot_api.calls) == 2


async def test_both_tries_have_one_deadline(bot_api: BotApi) -> None:
    async def slow_refusal(request: Any) -> Any:
        await asyncio.sleep(0.5)
        return await refuse(400, "Bad Request: can't parse entities")(request)

    bot_api.will("sendMessage", slow_refusal, hang)
    client = TelegramClient(TOKEN, bot_api.url, Deadlines(total_s=1.0, read_s=0.9))
    began = asyncio.get_running_loop().time()
    assert isinstance(await failure_of(client), UnknownOutcome)
    assert asyncio.get_running_loop().time() - began < 1.3
    await client.close()


async def test_a_press_is_answered_and_a_forgotten_one_does_not_matter_t15(
    bot_api: BotApi, client: TelegramClient
) -> None:
    bot_api.will("answerCallbackQuery", ok(True), refuse(400, "Bad Request: query is too old and response timeout"))
    receipts = [await client.send(PRESS), await client.send(PRESS)]
    assert len(bot_api.params("answerCallbackQuery")) == len(receipts) == 2


async def test_too_old_is_no_excuse_for_a_message(bot_api: BotApi, client: TelegramClient) -> None:
    bot_api.will("sendMessage", refuse(400, "Bad Request: query is too old"))
    assert isinstance(await failure_of(client), PermanentFailure)


async def test_updates_come_raw_also_those_that_the_library_refuses_t8(bot_api: BotApi, client: TelegramClient) -> None:
    update = {"update_id": 1, "poll": {"id": "1", "question": "?"}}
    bot_api.will("getUpdates", ok([update]))
    assert await client.get_updates(7, ("message", "poll")) == [update]
    (params,) = bot_api.params("getUpdates")
    assert (params["offset"], as_list(params["allowed_updates"]), params["limit"]) == ("7", ["message", "poll"], "100")


async def test_a_first_poll_confirms_nothing(bot_api: BotApi, client: TelegramClient) -> None:
    bot_api.will("getUpdates", ok([]))
    await client.get_updates(None, ("message",))
    assert "offset" not in bot_api.params("getUpdates")[0]


async def test_updates_that_are_no_list_are_an_unknown_outcome(bot_api: BotApi, client: TelegramClient) -> None:
    bot_api.will("getUpdates", ok({"update_id": 1}))
    with pytest.raises(UnknownOutcome):
        await client.get_updates(None, ())


async def test_the_token_shows_neither_in_a_repr_nor_in_a_log(
    bot_api: BotApi, client: TelegramClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bot_api.will("sendMessage", ok(sent_message()), raw(200, "{"))
    await client.send(MESSAGE)
    await failure_of(client)
    own = [record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp.access")]
    assert not any("AAtest" in line or "1 &lt; 2" in line for line in own)
    assert "AAtest" not in f"{client!r} {vars(client)}"
    assert repr(RawBot(TOKEN)) == "RawBot[4242]"


def test_the_library_is_told_our_time_out() -> None:
    assert AiohttpRequest(PATIENT, MAX_ANSWER_BYTES).read_timeout == PATIENT.read_s
