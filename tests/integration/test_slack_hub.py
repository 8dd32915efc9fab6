"""The running hub against an emulated Slack: signed events in, one answer out, where it belongs (S2, S7, S13, S25)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.integration.running import accepted, at_rest, exactly, started, transcript_around, until
from tests.servers.hub import Hub
from tests.servers.slack import BOT_TOKEN, BOT_USER, SIGNING_SECRET, SlackServer, running_slack

pytestmark = pytest.mark.integration

QUESTION = "where is my order A-1001?"


@dataclass(frozen=True)
class Desk:
    hub: Hub
    slack: SlackServer


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("slack")
    environment: dict[str, str] = {}
    hub = Hub(folder, environment)
    with running_slack(folder, hub.url) as slack:
        environment["FRONTDESK_SLACK_ACME_BOT_TOKEN"] = BOT_TOKEN
        environment["FRONTDESK_SLACK_ACME_SIGNING_SECRET"] = SIGNING_SECRET
        environment["FRONTDESK_SLACK_ACME_API_URL"] = slack.api_url
        with started(hub):
            yield Desk(hub, slack)


async def test_a_mention_is_answered_once_in_its_thread_and_the_thread_goes_on_without_mentions(desk: Desk) -> None:
    ann = await desk.slack.person("ann")
    channel = await ann.support_channel()
    root = await ann.say(channel, f"<@{BOT_USER}> {QUESTION}")
    (asked,) = await exactly(desk.hub, 1, lambda: ann.thread_replies(channel, root))
    assert "e-mail address" in asked["text"]
    assert asked["thread_ts"] == root
    # Slack marks up an address that somebody types.
    await ann.say(channel, "<mailto:ann@example.com|ann@example.com>", thread_ts=root)
    _, told = await exactly(desk.hub, 2, lambda: ann.thread_replies(channel, root))
    assert "A-1001" in told["text"]
    assert "DHL" in told["text"]
    assert {block["type"] for block in told["blocks"]} == {"section", "context"}


async def test_people_who_talk_to_each_other_get_no_answer(desk: Desk) -> None:
    ben = await desk.slack.person("ben")
    channel = await ben.support_channel()
    root = await ben.say(channel, QUESTION)
    await at_rest(desk.hub)
    assert await ben.thread_replies(channel, root) == []


async def test_a_direct_message_is_answered_once_and_the_order_is_told(desk: Desk) -> None:
    cleo = await desk.slack.person("cleo")
    channel = await cleo.open_direct_message()
    await cleo.say(channel, QUESTION)
    (asked,) = await exactly(desk.hub, 1, lambda: cleo.direct_replies(channel))
    assert "e-mail address" in asked["text"]
    assert asked["metadata"]["event_payload"]["out_id"]
    await cleo.say(channel, "ann@example.com")
    _, told = await exactly(desk.hub, 2, lambda: cleo.direct_replies(channel))
    assert "A-1001" in told["text"]


async def test_a_pressed_button_is_answered_once_even_when_the_press_is_told_twice(desk: Desk) -> None:
    dan = await desk.slack.person("dan")
    channel = await dan.open_direct_message()
    await dan.say(channel, "help")
    (menu,) = await exactly(desk.hub, 1, lambda: dan.direct_replies(channel))
    payload = dan.pressed(channel, menu, "Order status")
    assert await dan.send_press(payload) == 200
    assert await dan.send_press(payload) == 200  # S25: Slack repeats what it believes unanswered
    _, asked = await exactly(desk.hub, 2, lambda: dan.direct_replies(channel))
    assert "order number" in asked["text"]
    lines = await until(lambda: transcript_around(desk.hub, asked["ts"]), lambda lines: len(lines) >= 4)
    assert [line.text for line in lines if line.direction == "in"] == ["help", "Order status"]


async def test_a_pressed_button_in_a_thread_is_answered_in_that_thread(desk: Desk) -> None:
    fay = await desk.slack.person("fay")
    channel = await fay.support_channel()
    root = await fay.say(channel, f"<@{BOT_USER}> help")
    (menu,) = await exactly(desk.hub, 1, lambda: fay.thread_replies(channel, root))
    assert await fay.send_press(fay.pressed(channel, menu, "Order status")) == 200
    _, asked = await exactly(desk.hub, 2, lambda: fay.thread_replies(channel, root))
    assert "order number" in asked["text"]


async def test_a_url_verification_is_answered_with_its_challenge_when_it_is_signed(desk: Desk) -> None:
    body = json.dumps({"type": "url_verification", "token": "t", "challenge": "3eZbrw1aB10"}).encode()
    assert await desk.slack.post("events", body, "application/json") == (200, "3eZbrw1aB10")
    status, text = await desk.slack.post("events", body, "application/json", secret="somebody else's")
    assert (status, text) == (401, "")


async def test_a_wrong_signature_is_refused_and_leaves_no_trace(desk: Desk) -> None:
    eve = await desk.slack.person("eve")
    channel = await eve.open_direct_message()
    await at_rest(desk.hub)
    before = await accepted(desk.hub)
    event = {"type": "message", "channel": channel, "channel_type": "im", "user": eve.user, "text": "help", "ts": "1.1"}
    body = json.dumps({"type": "event_callback", "team_id": "T000000001", "event_id": "Ev1", "event": event}).encode()
    assert await desk.slack.post("events", body, "application/json", secret="somebody else's") == (401, "")
    assert await accepted(desk.hub) == before
    assert await eve.direct_replies(channel) == []
    assert await desk.slack.post("events", body, "application/json") == (200, "")  # the same bytes, rightly signed
    await exactly(desk.hub, 1, lambda: eve.direct_replies(channel))
