"""The HTTP interface for apps (REQUIREMENTS rows 176, 177, 188; FAULTS F093, F097)."""

import asyncio
import gzip
from typing import Any

import orjson
import pytest

from channels.web.api import MAX_BODY_BYTES
from channels.web.limits import MESSAGES_PER_S, SESSIONS_PER_MIN
from channels.web.payloads import MAX_TEXT_CHARS
from channels.web.readers import MAX_READERS
from core.events import ChoiceMade, MessageReceived
from tests.unit.channels.web.fakes import NOW, SHOP, UUID_1, UUID_2, FakeHub, Site, bearer, make_channel, running


async def problem_of(answered: Any, status: int) -> dict[str, Any]:
    assert answered.status == status
    assert answered.content_type == "application/problem+json"
    body = await answered.json(content_type=None)
    assert body["status"] == status
    return body


async def test_a_session_has_a_token_a_conversation_and_an_end(site: Site) -> None:
    session = await site.open_session()
    assert session["conversation_id"].startswith("web:site:")
    assert session["expires_at"] == "2026-03-02T09:30:00+00:00"
    assert session["token"].startswith(session["conversation_id"].removeprefix("web:site:"))


async def test_a_message_is_journaled_as_what_the_visitor_said_and_without_the_token(site: Site) -> None:
    token = (await site.open_session())["token"]
    answered = await site.say(token, {"id": UUID_1, "text": "Hello", "locale": "de"})
    assert answered.status == 202
    assert await answered.json() == {"id": UUID_1, "status": "accepted"}
    (inbound,) = site.hub.inbox.values()
    session_id = token.split(".")[0]
    assert orjson.loads(inbound.body) == {"session": session_id, "id": UUID_1, "text": "Hello", "locale": "de"}
    assert inbound.received_at == NOW
    assert inbound.headers == {}
    (event,) = site.channel.normalize(inbound)
    assert isinstance(event, MessageReceived)
    assert event.text == "Hello"


async def test_the_same_message_again_is_a_duplicate(site: Site) -> None:
    token = (await site.open_session())["token"]
    for status in ("accepted", "duplicate", "duplicate"):
        answered = await site.say(token, {"id": UUID_1, "text": "Hello"})
        assert answered.status == 202
        assert (await answered.json())["status"] == status
    assert len(site.hub.inbox) == 1


async def test_a_choice_is_journaled(site: Site) -> None:
    token = (await site.open_session())["token"]
    assert (await site.say(token, {"id": UUID_1, "choice": "c7", "label": "Yes"})).status == 202
    (inbound,) = site.hub.inbox.values()
    (event,) = site.channel.normalize(inbound)
    assert isinstance(event, ChoiceMade)
    assert event.token == "c7"


async def test_a_client_cannot_choose_whose_message_it_is(site: Site) -> None:
    token = (await site.open_session())["token"]
    await site.say(token, {"id": UUID_1, "text": "Hello", "session": "ab" * 16, "type": "hello"})
    (inbound,) = site.hub.inbox.values()
    assert orjson.loads(inbound.body) == {"session": token.split(".")[0], "id": UUID_1, "text": "Hello"}


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer forged.abc.def", "Basic eDp5"])
async def test_without_a_good_token_nothing_is_stored(site: Site, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    posted = await site.http.post("/web/site/messages", json={"id": UUID_1, "text": "x"}, headers=headers)
    await problem_of(posted, 401)
    assert posted.headers["WWW-Authenticate"] == "Bearer"
    await problem_of(await site.http.get("/web/site/messages", headers=headers), 401)
    assert site.hub.inbox == {}


async def test_an_expired_token_is_refused(site: Site) -> None:
    token = (await site.open_session())["token"]
    site.hub.clock.advance(24 * 3600)
    await problem_of(await site.say(token, {"id": UUID_1, "text": "x"}), 401)


async def test_reading_renews_the_token_so_that_a_session_in_use_does_not_end(site: Site) -> None:
    token = (await site.open_session())["token"]
    for _ in range(3):
        site.hub.clock.advance(20 * 3600)
        token = (await (await site.read(token)).json())["token"]
    assert (await site.say(token, {"id": UUID_1, "text": "x"})).status == 202


async def test_a_token_of_another_account_is_refused(hub: FakeHub, site: Site) -> None:
    token = (await site.open_session())["token"]
    async with running(other := FakeHub(), make_channel(other, account="shop")) as shop:
        answered = await shop.http.post("/web/shop/messages", json={"id": UUID_1, "text": "x"}, headers=bearer(token))
        await problem_of(answered, 401)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        None,
        {"id": UUID_1},
        {"id": UUID_1, "text": ""},
        {"id": UUID_1, "text": " \n"},
        {"id": UUID_1, "text": 7},
        {"id": UUID_1, "choice": ""},
        {"id": UUID_1, "text": "a", "choice": "b"},
        {"id": "", "text": "a"},
        {"id": UUID_1 + ":x", "text": "a"},
        {"id": {"$ne": ""}, "text": "a"},
        {"id": UUID_1, "text": "a" * (MAX_TEXT_CHARS + 1)},
        {"id": UUID_1, "text": "a", "locale": "x" * 50},
    ],
)
async def test_what_cannot_be_a_message_is_a_problem_and_not_stored(site: Site, body: Any) -> None:
    token = (await site.open_session())["token"]
    await problem_of(await site.say(token, body), 400)
    assert site.hub.inbox == {}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b'{"id": NaN}', b'{"a":' * 40 + b"1" + b"}" * 40]
)
async def test_broken_bodies_are_problems_too(site: Site, body: bytes) -> None:
    token = (await site.open_session())["token"]
    posted = await site.http.post("/web/site/messages", data=body, headers=bearer(token))
    await problem_of(posted, 400)


async def test_the_longest_text_is_accepted_in_any_script(site: Site) -> None:
    token = (await site.open_session())["token"]
    assert (await site.say(token, {"id": UUID_1, "text": "👩" * MAX_TEXT_CHARS})).status == 202


async def test_a_body_over_the_limit_is_refused(site: Site) -> None:
    token = (await site.open_session())["token"]
    body = {"id": UUID_1, "text": "x", "pad": "a" * MAX_BODY_BYTES}
    await problem_of(await site.say(token, body), 413)


async def test_a_compressed_body_is_refused(site: Site) -> None:
    token = (await site.open_session())["token"]
    headers = {**bearer(token), "Content-Encoding": "gzip"}
    body = gzip.compress(b"{}")
    await problem_of(await site.http.post("/web/site/messages", data=body, headers=headers), 415)


async def test_more_than_five_messages_a_second_have_to_wait(site: Site) -> None:
    token = (await site.open_session())["token"]
    for n in range(int(MESSAGES_PER_S)):
        assert (await site.say(token, {"id": f"{UUID_1[:-1]}{n}", "text": "x"})).status == 202
    refused = await site.say(token, {"id": UUID_2, "text": "x"})
    await problem_of(refused, 429)
    assert refused.headers["Retry-After"] == "1"
    site.hub.clock.advance(1)
    assert (await site.say(token, {"id": UUID_2, "text": "x"})).status == 202


async def test_one_address_opens_ten_sessions_a_minute(site: Site) -> None:
    for _ in range(int(SESSIONS_PER_MIN)):
        await site.open_session()
    refused = await site.http.post("/web/site/sessions")
    await problem_of(refused, 429)
    assert refused.headers["Retry-After"] == "6"
    site.hub.clock.advance(6)
    await site.open_session()


async def test_a_store_that_is_down_asks_the_client_to_come_again(site: Site) -> None:
    token = (await site.open_session())["token"]
    site.hub.down = True
    refused = await site.say(token, {"id": UUID_1, "text": "x"})
    await problem_of(refused, 503)
    assert refused.headers["Retry-After"] == "5"
    site.hub.down = False
    assert (await (await site.say(token, {"id": UUID_1, "text": "x"})).json())["status"] == "accepted"


async def test_messages_are_read_from_where_the_client_is(site: Site) -> None:
    session = await site.open_session()
    for seq in (1, 2, 3):
        await site.hub.mailbox.deliver(session["conversation_id"], f"o{seq}", seq, {"from": "bot", "text": f"t{seq}"})
    page = await (await site.read(session["token"], after=1)).json()
    assert page["messages"] == [{"from": "bot", "text": "t2", "seq": 2}, {"from": "bot", "text": "t3", "seq": 3}]
    assert page["next"] == 3
    empty = await (await site.read(session["token"], after=3)).json()
    assert (empty["messages"], empty["next"]) == ([], 3)


async def test_nobody_reads_the_conversation_of_somebody_else(site: Site) -> None:
    mine, theirs = await site.open_session(), await site.open_session()
    await site.hub.mailbox.deliver(theirs["conversation_id"], "o1", 1, {"text": "secret"})
    assert (await (await site.read(mine["token"])).json())["messages"] == []


async def test_a_long_poll_ends_as_soon_as_there_is_something(site: Site) -> None:
    session = await site.open_session()
    polling = asyncio.create_task(site.read(session["token"], wait=25))
    while not site.channel._readers._waiting:
        await asyncio.sleep(0)
    await site.hub.mailbox.deliver(session["conversation_id"], "o1", 1, {"text": "a"})
    site.channel._readers.wake(session["conversation_id"])
    page = await (await asyncio.wait_for(polling, 5)).json()
    assert page["messages"] == [{"text": "a", "seq": 1}]


async def test_a_long_poll_without_news_ends_empty(site: Site) -> None:
    session = await site.open_session()
    page = await (await site.read(session["token"], after=4, wait=0.01)).json()
    assert (page["messages"], page["next"]) == ([], 4)


@pytest.mark.parametrize(
    "query", [{"after": "x"}, {"after": "-1"}, {"wait": "nan"}, {"wait": "-1"}, {"after": "1e999x"}]
)
async def test_odd_numbers_in_the_query_are_problems(site: Site, query: dict[str, str]) -> None:
    token = (await site.open_session())["token"]
    await problem_of(await site.read(token, **query), 400)


async def test_endless_numbers_are_clamped(site: Site) -> None:
    token = (await site.open_session())["token"]
    assert (await (await site.read(token, after="inf")).json())["next"] == 2**53


async def test_a_mailbox_that_is_down_asks_the_client_to_come_again(site: Site) -> None:
    token = (await site.open_session())["token"]
    site.hub.mailbox.down = True
    await problem_of(await site.read(token), 503)


async def test_a_conversation_is_not_read_in_too_many_places(site: Site) -> None:
    session = await site.open_session()
    held = [site.channel._readers.reading(session["conversation_id"], 0) for _ in range(MAX_READERS)]
    for reading in held:
        reading.__enter__()
    await problem_of(await site.read(session["token"]), 429)
    for reading in held:
        reading.__exit__(None, None, None)


async def test_an_allowed_site_may_call_and_read_the_answer(site: Site) -> None:
    answered = await site.http.post("/web/site/sessions", headers={"Origin": SHOP})
    assert answered.status == 201
    assert answered.headers["Access-Control-Allow-Origin"] == SHOP
    assert answered.headers["Vary"] == "Origin"
    asked = await site.http.options(
        "/web/site/messages", headers={"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    )
    assert asked.status == 204
    assert asked.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, X-File-Name"
    assert "Access-Control-Allow-Credentials" not in asked.headers


async def test_an_allowed_site_can_read_a_problem_too(site: Site) -> None:
    refused = await site.say("forged", {"id": UUID_1, "text": "x"}, Origin=SHOP)
    await problem_of(refused, 401)
    assert refused.headers["Access-Control-Allow-Origin"] == SHOP


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
async def test_a_foreign_site_is_refused(site: Site, method: str) -> None:
    refused = await site.http.request(method, "/web/site/sessions", headers={"Origin": "https://evil.example"})
    assert refused.status == 403
    assert "Access-Control-Allow-Origin" not in refused.headers


async def test_nothing_is_kept_by_caches_and_no_type_is_guessed(site: Site) -> None:
    for answered in (await site.http.post("/web/site/sessions"), await site.read("forged")):
        assert answered.headers["Cache-Control"] == "no-store"
        assert answered.headers["X-Content-Type-Options"] == "nosniff"
        assert answered.headers["Referrer-Policy"] == "no-referrer"


async def test_a_problem_never_repeats_what_was_sent(site: Site) -> None:
    token = (await site.open_session())["token"]
    refused = await site.say(token, {"id": "my secret", "text": "my secret"})
    assert "secret" not in await refused.text()
