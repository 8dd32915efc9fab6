"""Slack's stand-in against the real adapter: each fault is the error that the adapter promises (F042-F051)."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.slack.client import Deadlines, SlackClient
from channels.slack.verify import verify
from core.errors import (
    AccountRefused,
    DeliveryError,
    PermanentFailure,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from core.ids import OutId
from core.replies import ApiCall, Receipt
from hub.emulate import slack
from hub.emulate.faults import Fault
from hub.emulate.people import SlackPerson
from hub.emulate.platforms import Platforms
from hub.emulate.webhook import Delivery
from tests.unit.hub.emulate.kit import deadline_s, noting_hub, pauses, running, until_quiet

OUT_ID = OutId("out-1")
BUTTONS = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Which?"}},
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "choice:1", "text": {"type": "plain_text", "text": "Yes"}, "value": "t1"}
        ],
    },
]


def client_of(platforms: Platforms) -> SlackClient:
    seconds = deadline_s(platforms)
    return SlackClient(slack.BOT_TOKEN, f"{platforms.http['slack'].url}/api/", Deadlines(seconds, seconds, seconds))


def call(text: str = "hello", **params: Any) -> ApiCall:
    return ApiCall(method="chat.postMessage", params={"channel": "D1", "text": text, **params}, bucket="D1")


async def sends(platforms: Platforms, text: str = "hello", **params: Any) -> Receipt:
    client = client_of(platforms)
    try:
        return await client.send(call(text, **params), OUT_ID)
    finally:
        await client.close()


async def failure_of(platforms: Platforms) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await sends(platforms)
    return raised.value


FAULTS = [
    ({"action": "rate_limit", "retry_after": "7"}, RateLimited, False),
    ({"action": "error"}, UnknownOutcome, False),
    ({"action": "error", "moment": "after"}, UnknownOutcome, True),
    ({"action": "error", "status": 503}, UnknownOutcome, False),
    ({"action": "hang"}, UnknownOutcome, False),
    ({"action": "hang", "moment": "after"}, UnknownOutcome, True),
    ({"action": "drip", "bytes_per_s": 50}, UnknownOutcome, True),
    ({"action": "cut"}, UnknownOutcome, False),
    ({"action": "cut", "moment": "after"}, UnknownOutcome, True),
    ({"action": "body", "kind": "truncated"}, UnknownOutcome, True),
    ({"action": "body", "kind": "wrong_json"}, UnknownOutcome, True),
    ({"action": "body", "kind": "not_json"}, UnknownOutcome, True),
    ({"action": "body", "kind": "empty"}, UnknownOutcome, True),
    ({"action": "body", "kind": "huge"}, UnknownOutcome, True),
    ({"action": "redirect"}, PermanentFailure, False),
    ({"action": "unauthorized"}, AccountRefused, False),
    ({"action": "refuse", "code": "channel_not_found"}, PermanentFailure, False),
    ({"action": "refuse", "code": "ratelimited"}, RateLimited, False),
    ({"action": "refuse", "code": "internal_error"}, UnknownOutcome, False),
    ({"action": "closed"}, TemporaryFailure, False),
]


@pytest.mark.parametrize(("details", "error", "is_taken"), FAULTS, ids=lambda value: str(value))
async def test_each_fault_is_what_the_adapter_promises_and_the_ledger_tells_the_truth(
    details: dict[str, Any], error: type[DeliveryError], is_taken: bool
) -> None:
    async with running() as platforms:
        await platforms.add_fault(Fault.model_validate({"platform": "slack", **details}))
        assert type(await failure_of(platforms)) is error
        assert len(platforms.ledger) == is_taken
        await platforms.heal()
        assert (await sends(platforms)).provider_id
        assert len(platforms.ledger) == is_taken + 1


@pytest.mark.parametrize(
    ("retry_after", "pause_s"),
    [
        ("7", 7.0),
        (None, 5.0),
        ("-5", 1.0),
        ("1e9", 3600.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 5.0),
        ("soon", 5.0),
    ],
)
async def test_any_retry_after_can_be_asked_for(retry_after: str | None, pause_s: float) -> None:
    """F042, F043."""
    async with running() as platforms:
        await platforms.add_fault(Fault(platform="slack", action="rate_limit", retry_after=retry_after))
        error = await failure_of(platforms)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == pause_s


async def test_a_redirect_is_not_followed_and_the_token_stays_here() -> None:
    """F050."""
    async with noting_hub() as elsewhere, running() as platforms:
        fault = Fault(platform="slack", action="redirect", location=f"{elsewhere.url}/api/chat.postMessage")
        await platforms.add_fault(fault)
        assert isinstance(await failure_of(platforms), PermanentFailure)
    assert elsewhere.brought == []


async def test_a_send_that_failed_after_it_was_done_is_found_in_the_history_and_one_that_was_not_is_not() -> None:
    """F044."""
    since = datetime.now(UTC) - timedelta(seconds=1)
    async with running() as platforms:
        client = client_of(platforms)
        await platforms.add_fault(Fault(platform="slack", action="error", times=1))
        await failure_of(platforms)
        assert await client.find_sent(call(), OUT_ID, since) is None
        await platforms.add_fault(Fault(platform="slack", action="error", moment="after", times=1))
        await failure_of(platforms)
        found = await client.find_sent(call(), OUT_ID, since)
        await client.close()
    assert found is not None
    assert found.provider_id == next(iter(platforms.ledger)).provider_id


async def test_a_question_about_the_past_fails_only_where_the_fault_is_for_all_requests() -> None:
    async with running() as platforms:
        client = client_of(platforms)
        await platforms.add_fault(Fault(platform="slack", action="error"))
        assert await client.find_sent(call(), OUT_ID, datetime.now(UTC)) is None
        await platforms.add_fault(Fault(platform="slack", action="error", requests="all"))
        with pytest.raises(UnknownOutcome):
            await client.find_sent(call(), OUT_ID, datetime.now(UTC))
        await client.close()


async def test_another_token_is_refused() -> None:
    async with running() as platforms:
        client = SlackClient("xoxb-wrong", f"{platforms.http['slack'].url}/api/")
        with pytest.raises(AccountRefused):
            await client.send(call(), OUT_ID)
        await client.close()
    assert len(platforms.ledger) == 0


async def test_an_event_is_signed_and_brought_again_at_once_after_a_minute_and_after_five() -> None:
    async with running() as platforms, noting_hub(500, 503, "cut", 500) as hub:
        delivery = SlackPerson(platforms.world, platforms.slack, hub.url, 1).say("hello")
        await until_quiet(platforms)
    assert pauses(platforms) == [0.0, 0.0, 60.0, 300.0]
    assert [one.headers.get("X-Slack-Retry-Num") for one in hub.brought] == [None, "1", "2", "3"]
    reasons = [one.headers.get("X-Slack-Retry-Reason") for one in hub.brought]
    assert reasons == [None, "http_error", "http_error", "connection_failed"]
    assert len({one.body for one in hub.brought}) == 1, "the same event, under the same event_id"
    assert (delivery.progress, delivery.tries) == ("given_up", 4)
    for one in hub.brought:
        signatures = [one.headers["X-Slack-Signature"]], [one.headers["X-Slack-Request-Timestamp"]]
        verify(one.body, *signatures, [slack.SIGNING_SECRET], datetime.now(UTC))


async def test_an_event_that_nobody_takes_within_three_seconds_has_timed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack, "ANSWER_WITHIN_S", 0.05)
    reasons: list[str | None] = []

    async def slow(request: web.Request) -> web.Response:
        reasons.append(request.headers.get("X-Slack-Retry-Reason"))
        if len(reasons) == 1:
            await asyncio.sleep(0.3)
        return web.Response()

    application = web.Application()
    application.router.add_post("/events", slow)
    async with running() as platforms, TestServer(application, host="127.0.0.1") as server:
        SlackPerson(platforms.world, platforms.slack, f"http://127.0.0.1:{server.port}", 1).say("hello")
        await until_quiet(platforms)
    assert reasons == [None, "http_timeout"]


async def test_no_retry_is_respected() -> None:
    """S5."""
    async with running() as platforms, noting_hub(500, X_Slack_No_Retry="1") as hub:
        delivery = SlackPerson(platforms.world, platforms.slack, hub.url, 1).say("hello")
        await until_quiet(platforms)
    assert len(hub.brought) == 1
    assert delivery.progress == "given_up"


async def test_a_pressed_button_comes_as_an_interaction_and_is_not_repeated() -> None:
    """S20, S26."""
    async with running() as platforms, noting_hub(500) as hub:
        await sends(platforms, blocks=BUTTONS)
        (sent,) = platforms.ledger
        assert [(button.label, button.value) for button in sent.buttons] == [("Yes", "t1")]
        SlackPerson(platforms.world, platforms.slack, hub.url, 1).press(sent, "t1")
        await until_quiet(platforms)
    (brought,) = hub.brought
    assert brought.path == "/interactivity"
    payload = json.loads(parse_qs(brought.body.decode())["payload"][0])
    assert payload["type"] == "block_actions"
    assert payload["actions"][0]["value"] == "t1"
    assert payload["container"]["message_ts"] == sent.provider_id


async def test_a_picked_option_comes_without_the_options_of_its_select() -> None:
    """S20."""
    options = [{"text": {"type": "plain_text", "text": f"Choice {n}"}, "value": f"t{n}"} for n in (1, 2)]
    select = {"type": "static_select", "action_id": "choice", "options": options}
    async with running() as platforms, noting_hub() as hub:
        await sends(platforms, blocks=[{"type": "actions", "elements": [select]}])
        (sent,) = platforms.ledger
        assert [(button.label, button.value) for button in sent.buttons] == [("Choice 1", "t1"), ("Choice 2", "t2")]
        SlackPerson(platforms.world, platforms.slack, hub.url, 1).press(sent, "t2")
        await until_quiet(platforms)
    (brought,) = hub.brought
    (action,) = json.loads(parse_qs(brought.body.decode())["payload"][0])["actions"]
    assert action["selected_option"] == options[1]
    assert "options" not in action


def test_a_delivery_counts_its_tries() -> None:
    delivery = Delivery()
    delivery.note("503", is_taken=False)
    delivery.note("200", is_taken=True)
    assert (delivery.progress, delivery.tries, delivery.last) == ("taken", 2, "200")
