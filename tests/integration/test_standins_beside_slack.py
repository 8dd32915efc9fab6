"""Slack twice: our stand-in and npm `emulate`, which others wrote. What both can answer they answer alike."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from hub.emulate import slack
from hub.emulate.people import SlackPerson
from hub.emulate.platforms import Platforms
from hub.emulate.world import World
from tests.integration.listener import Heard, Listener, listening
from tests.servers import slack as emulate
from tests.servers.slack import Person, SlackServer, running_slack

pytestmark = pytest.mark.integration

NUMBERS = itertools.count(1)


class Workspace(Protocol):
    """A workspace with somebody in it."""

    bot: AsyncWebClient
    bot_user: str
    secret: str
    user: str

    async def say(self, text: str) -> str:
        """Write to the bot directly; returns the channel."""
        ...


class OurWorkspace:
    def __init__(self, platforms: Platforms, hub_url: str) -> None:
        self.bot = AsyncWebClient(slack.BOT_TOKEN, base_url=f"{platforms.http['slack'].url}/api/")
        self.bot_user, self.secret = slack.BOT_USER, slack.SIGNING_SECRET
        self._person = SlackPerson(platforms.world, platforms.slack, f"{hub_url}/slack/acme", next(NUMBERS))
        self.user = self._person.name

    async def say(self, text: str) -> str:
        self._person.say(text)
        return self._person.place


@dataclass
class TheirWorkspace:
    server: SlackServer
    person: Person

    def __post_init__(self) -> None:
        self.bot = AsyncWebClient(emulate.BOT_TOKEN, base_url=self.server.api_url)
        self.bot_user, self.secret, self.user = emulate.BOT_USER, emulate.SIGNING_SECRET, self.person.user

    async def say(self, text: str) -> str:
        channel = await self.person.open_direct_message()
        await self.person.say(channel, text)
        return channel


@pytest.fixture
async def hub() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener


@pytest.fixture(params=["ours", "theirs"])
async def workspace(request: pytest.FixtureRequest, hub: Listener, tmp_path: Path) -> AsyncIterator[Workspace]:
    if request.param == "ours":
        async with Platforms(World()) as platforms:
            yield OurWorkspace(platforms, hub.url)
    else:
        with running_slack(tmp_path, hub.url) as server:
            yield TheirWorkspace(server, await server.person("ann"))


async def read(workspace: Workspace, method: str, **arguments: Any) -> dict[str, Any]:
    """Call a reading method by POST, which Slack takes as well as GET and the emulator alone."""
    answer = await workspace.bot.api_call(method, http_verb="POST", json=arguments)
    data: dict[str, Any] = dict(answer.data)  # type: ignore[arg-type]  # a dictionary for JSON answers
    return data


def tells(text: str) -> Any:
    def fits(heard: Heard) -> bool:
        return heard.path == "/slack/acme/events" and heard.json["event"].get("text") == text

    return fits


async def test_the_bot_learns_who_it_is(workspace: Workspace) -> None:
    answer = await read(workspace, "auth.test")
    assert answer["user_id"] == workspace.bot_user
    assert answer["ok"] is True
    assert answer["team_id"].startswith("T")
    assert answer["bot_id"].startswith("B")


async def test_an_event_is_signed_and_names_who_wrote_what_where(workspace: Workspace, hub: Listener) -> None:
    channel = await workspace.say("where is my order?")
    heard = await hub.first(tells("where is my order?"))
    assert SignatureVerifier(workspace.secret).is_valid_request(heard.body, heard.headers)
    envelope, event = heard.json, heard.json["event"]
    assert (envelope["type"], event["type"], event["channel_type"]) == ("event_callback", "message", "im")
    assert (event["user"], event["channel"]) == (workspace.user, channel)
    assert envelope["event_id"].startswith("Ev")
    assert event["ts"] == event["event_ts"]
    assert {entry["user_id"] for entry in envelope["authorizations"]} == {workspace.bot_user}


async def test_what_was_written_is_in_the_history_newest_first(workspace: Workspace, hub: Listener) -> None:
    channel = await workspace.say("one")
    await hub.first(tells("one"))
    posted = await workspace.bot.chat_postMessage(channel=channel, text="two")
    page = await read(workspace, "conversations.history", channel=channel)
    assert [message["text"] for message in page["messages"]] == ["two", "one"]
    assert page["messages"][0]["ts"] == posted["ts"]
    assert page["has_more"] is False


async def test_names_of_messages_rise_and_have_six_places_after_the_point(workspace: Workspace) -> None:
    channel = await workspace.say("hello")
    names = [(await workspace.bot.chat_postMessage(channel=channel, text=text))["ts"] for text in ("a", "b", "c")]
    assert names == sorted(set(names))
    assert {len(name.partition(".")[2]) for name in names} == {6}


async def test_answers_of_a_thread_stand_under_their_root(workspace: Workspace) -> None:
    channel = await workspace.say("hello")
    root = (await workspace.bot.chat_postMessage(channel=channel, text="root"))["ts"]
    for text in ("first", "second"):
        await workspace.bot.chat_postMessage(channel=channel, text=text, thread_ts=root)
    page = await read(workspace, "conversations.replies", channel=channel, ts=root)
    assert [message["text"] for message in page["messages"]] == ["root", "first", "second"]
    assert [message["thread_ts"] for message in page["messages"][1:]] == [root, root]


async def test_a_page_of_the_history_leads_to_the_next(workspace: Workspace, hub: Listener) -> None:
    channel = await workspace.say("0")
    await hub.first(tells("0"))
    for number in ("1", "2", "3"):
        await workspace.bot.chat_postMessage(channel=channel, text=number)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = await read(workspace, "conversations.history", channel=channel, limit=2, **cursor)
        seen += [message["text"] for message in page["messages"]]
        if not (following := page.get("response_metadata", {}).get("next_cursor")):
            break
        cursor = {"cursor": following}
    assert seen == ["3", "2", "1", "0"]


async def test_metadata_is_given_back_to_who_asks_for_it(workspace: Workspace) -> None:
    channel = await workspace.say("hello")
    metadata = {"event_type": "frontdesk_reply", "event_payload": {"out_id": "o1"}}
    posted = await workspace.bot.chat_postMessage(channel=channel, text="said", metadata=metadata)
    page = await read(workspace, "conversations.history", channel=channel, include_all_metadata=True)
    assert {m["ts"]: m.get("metadata") for m in page["messages"]}[posted["ts"]] == metadata


async def test_direct_messages_with_a_person_are_one_conversation(workspace: Workspace) -> None:
    opened = [(await read(workspace, "conversations.open", users=workspace.user))["channel"]["id"] for _ in range(2)]
    assert opened[0] == opened[1]
    assert opened[0].startswith("D")


async def test_a_token_of_nobody_is_refused_with_a_200(workspace: Workspace) -> None:
    channel = await workspace.say("hello")
    stranger = AsyncWebClient("xoxb-nobody", base_url=workspace.bot.base_url)
    with pytest.raises(SlackApiError) as refused:
        await stranger.chat_postMessage(channel=channel, text="hi")
    assert (refused.value.response.status_code, refused.value.response["ok"]) == (200, False)
