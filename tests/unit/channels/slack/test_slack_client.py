"""Sending against a stand-in of the Web API: F042 to F051, and proving a send in doubt (F009, F010)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from channels.slack.channel import build
from channels.slack.client import MAX_PAGES, Deadlines, SlackClient
from core.errors import (
    AccountRefused,
    DeliveryError,
    PermanentFailure,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from core.ids import ConversationId, OutId
from tests.servers.ports import free_port
from tests.unit.channels.slack.slack_samples import ACCOUNT, FakeInbox, FakeSlack, call, resources, settings

OUT = OutId("abcdefghijklmnopqrstuvwxyz")
POSTED = {"ok": True, "channel": "C0HELP", "ts": "1763812999.000100", "message": {"text": "hi"}}
SINCE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PATIENCE = Deadlines(whole_s=5.0, read_s=5.0, connect_s=2.0)


@asynccontextmanager
async def talking_to(slack: FakeSlack, deadlines: Deadlines = PATIENCE) -> AsyncIterator[SlackClient]:
    server = await slack.start()
    client = SlackClient("xoxb-test", str(server.make_url("/api/")), deadlines)
    try:
        yield client
    finally:
        await client.close()
        await server.close()


async def failure_of(slack: FakeSlack, deadlines: Deadlines = PATIENCE) -> DeliveryError:
    async with talking_to(slack, deadlines) as client:
        with pytest.raises(DeliveryError) as caught:
            await client.send(call(), OUT)
    assert len(slack.requests) == 1, "one request and no retry"
    return caught.value


def answering(status: int, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return answer


async def test_a_message_is_posted_once_with_its_out_id():
    slack = FakeSlack(chat__postMessage=POSTED)
    async with talking_to(slack) as client:
        receipt = await client.send(call(thread_ts="1.5", blocks=[{"type": "divider"}], link_names=False), OUT)
    assert (receipt.provider_id, receipt.details) == ("1763812999.000100", {"channel": "C0HELP"})
    ((method, arguments, authorization),) = slack.requests
    assert (method, authorization) == ("chat.postMessage", "Bearer xoxb-test")
    assert arguments == {
        "channel": "C0HELP",
        "text": "hi",
        "thread_ts": "1.5",
        "blocks": [{"type": "divider"}],
        "link_names": False,
        "metadata": {"event_type": "frontdesk_reply", "event_payload": {"out_id": OUT}},
    }


async def test_all_requests_of_an_account_share_one_session():
    slack = FakeSlack(chat__postMessage=POSTED)
    async with talking_to(slack) as client:
        await client.send(call(), OUT)
        session = client.web.session
        await client.send(call(), OUT)
        assert client.web.session is session is not None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ok": False, "error": "channel_not_found"}, PermanentFailure),
        ({"ok": False, "error": "ratelimited"}, RateLimited),
        ({"ok": False, "error": "invalid_auth"}, AccountRefused),
        ({"ok": False, "error": "fatal_error"}, UnknownOutcome),
        ({"ok": True}, UnknownOutcome),
        ({}, UnknownOutcome),
        (answering(200, ["no", "object"]), UnknownOutcome),
        (answering(200, "text"), UnknownOutcome),
        (answering(500, {"ok": False}), UnknownOutcome),
        (answering(503, None, {"Retry-After": "1"}), UnknownOutcome),
        (answering(401, None), AccountRefused),
        (answering(400, None), PermanentFailure),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_every_refusal_is_told_apart(answer: Any, expected: type[DeliveryError]):
    """F044, F048, F051"""
    assert type(await failure_of(FakeSlack(chat__postMessage=answer))) is expected


async def test_a_rate_limit_carries_its_seconds():
    """F042"""
    failure = await failure_of(FakeSlack(chat__postMessage=answering(429, {"ok": False}, {"Retry-After": "7"})))
    assert isinstance(failure, RateLimited)
    assert failure.retry_after_s == 7.0


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int):
    """F050: the token goes nowhere else."""
    slack = FakeSlack(chat__postMessage=answering(status, None, {"Location": "/api/elsewhere"}), elsewhere=POSTED)
    failure = await failure_of(slack)
    assert isinstance(failure, PermanentFailure)
    assert failure.code == "redirected"


async def test_a_refused_connection_was_certainly_not_sent():
    """F045"""
    client = SlackClient("xoxb-test", f"http://127.0.0.1:{free_port()}/api/", PATIENCE)
    with pytest.raises(TemporaryFailure):
        await client.send(call(), OUT)
    await client.close()


async def test_a_name_that_does_not_exist_was_certainly_not_sent():
    """F045"""
    client = SlackClient("xoxb-test", "http://slack.invalid/api/", PATIENCE)
    with pytest.raises(TemporaryFailure):
        await client.send(call(), OUT)
    await client.close()


async def hang(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("deadlines", [Deadlines(whole_s=0.1), Deadlines(read_s=0.1)], ids=["whole", "read"])
async def test_silence_after_the_request_leaves_its_fate_unknown(deadlines: Deadlines):
    """F046"""
    assert type(await failure_of(FakeSlack(chat__postMessage=hang), deadlines)) is UnknownOutcome


async def drip(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" ")
        await asyncio.sleep(0.01)


async def test_a_dripping_answer_ends_at_the_whole_deadline():
    """F047: the deadline is absolute, not between two bytes."""
    failure = await failure_of(FakeSlack(chat__postMessage=drip), Deadlines(whole_s=0.2, read_s=5.0))
    assert type(failure) is UnknownOutcome


async def cut(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b'{"ok": tr')
    assert request.transport is not None
    request.transport.close()
    return answer


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(40):
        await answer.write(b" " * 65_536)
    return answer


async def html(request: web.Request) -> web.Response:
    return web.Response(text="<html>maintenance</html>", content_type="text/html")


@pytest.mark.parametrize("answer", [cut, reset, endless, html])
async def test_an_answer_that_cannot_be_read_leaves_the_sends_fate_unknown(answer: Any):
    """F049"""
    assert type(await failure_of(FakeSlack(chat__postMessage=answer))) is UnknownOutcome


def page(*messages: Any, cursor: str = "") -> dict[str, Any]:
    return {"ok": True, "messages": list(messages), "response_metadata": {"next_cursor": cursor}}


def posted(out_id: str) -> dict[str, Any]:
    return {
        "ts": "1763812999.000100",
        "metadata": {"event_type": "frontdesk_reply", "event_payload": {"out_id": out_id}},
    }


async def found_in(slack: FakeSlack, **params: Any) -> Any:
    async with talking_to(slack) as client:
        return await client.find_sent(call(**params), OUT, SINCE)


async def test_a_send_in_doubt_is_found_by_its_out_id_in_its_thread():
    slack = FakeSlack(conversations__replies=page({"ts": "1.5"}, posted("another"), posted(OUT)))
    receipt = await found_in(slack, thread_ts="1.5")
    assert receipt.provider_id == "1763812999.000100"
    ((_, query, _),) = slack.requests
    assert query["ts"] == "1.5"
    assert query["include_all_metadata"] == "true"
    assert float(query["oldest"]) == SINCE.timestamp() - 5


async def test_outside_a_thread_the_channels_history_is_read_page_by_page():
    slack = FakeSlack(conversations__history=[page(posted("other"), cursor="next"), page(posted(OUT))])
    assert (await found_in(slack)).provider_id == "1763812999.000100"
    assert [query.get("cursor") for _, query, _ in slack.requests] == [None, "next"]


async def test_what_is_nowhere_in_the_history_was_not_sent():
    odd = [{"metadata": "x"}, {"metadata": {"event_payload": 5}}, {}, "text"]
    assert await found_in(FakeSlack(conversations__history=page(*odd, posted("another")))) is None


@pytest.mark.parametrize("person", ["U0ANNA", "W0ANNA"])
async def test_what_was_posted_to_a_person_is_looked_for_in_their_direct_messages(person: str):
    """Slack posts to a person's id and answers with the channel's; only the latter has a history."""
    slack = FakeSlack(
        chat__postMessage=POSTED | {"channel": "D0ANNA"},
        conversations__open={"ok": True, "channel": {"id": "D0ANNA"}},
        conversations__history=page(posted(OUT)),
    )
    async with talking_to(slack) as client:
        sent = await client.send(call(channel=person), OUT)
        assert await client.find_sent(call(channel=person), OUT, SINCE) == sent
    assert sent.details == {"channel": "D0ANNA"}
    (_, to, _), (_, opened, _), (_, read, _) = slack.requests
    assert (to["channel"], opened, read["channel"]) == (person, {"users": person}, "D0ANNA")


@pytest.mark.parametrize(
    "answers",
    [
        {"conversations__history": {"ok": False, "error": "ratelimited"}},
        {"conversations__history": {"ok": False, "error": "internal_error"}},
        {"conversations__history": {"ok": True}},
        {"conversations__history": [page(posted("x"), cursor="more")] * MAX_PAGES},
    ],
    ids=["rate limited", "in trouble", "no list", "too much"],
)
async def test_a_history_that_cannot_be_read_to_its_end_proves_nothing(answers: dict[str, Any]):
    with pytest.raises(DeliveryError):
        await found_in(FakeSlack(**answers))


async def test_a_person_whose_messages_cannot_be_opened_proves_nothing():
    with pytest.raises(TemporaryFailure):
        await found_in(FakeSlack(conversations__open={"ok": True}), channel="U0ANNA")


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch):
    """It would see the token."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    slack = FakeSlack(chat__postMessage=POSTED)
    async with talking_to(slack) as client:
        assert client.web.proxy is None
        assert (await client.send(call(), OUT)).provider_id == POSTED["ts"]


async def test_the_channel_sends_and_proves_through_its_client():
    slack = FakeSlack(chat__postMessage=POSTED, conversations__history=page(posted(OUT)))
    server = await slack.start()
    channel = build(ACCOUNT, settings(api_url=str(server.make_url("/api/"))), resources(FakeInbox()))
    conversation = ConversationId("slack:acme:C0HELP")
    sent = await channel.send(call(), OUT, 1, conversation)
    assert await channel.find_sent(call(), OUT, SINCE, frozenset()) == sent
    await channel.close()
    await server.close()


async def test_a_channel_that_was_never_used_has_nothing_to_close():
    channel = build(ACCOUNT, settings(), resources(FakeInbox()))
    await channel.close()
    assert channel.capabilities.unknown_sends == "provable"
