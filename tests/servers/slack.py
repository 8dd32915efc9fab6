"""Slack as npm `emulate` plays it: people write there, it signs events, it keeps what the bot posts."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from channels.slack.verify import sign
from tests.servers.node import running_node
from tests.servers.ports import free_port

SIGNING_SECRET = "signing-secret-of-the-emulator"
BOT_TOKEN = "xoxb-bot"
BOT_USER = "U0FRONTDESK"
APP = {
    "app_id": "A0FRONTDESK",
    "client_id": "1.1",
    "client_secret": "client-secret",
    "name": "Frontdesk",
    "redirect_uris": [],
    "bot_id": "B0FRONTDESK",
    "bot_user_id": BOT_USER,
    "bot_name": "frontdesk",
}
READING = ("app_mentions:read", "channels:history", "groups:history", "im:history", "mpim:history")
BOT_SCOPES = [*READING, "im:write", "chat:write", "reactions:read", "files:read", "commands"]
"""Those of the manifest in `channels/slack/README.md`; the emulator refuses what they do not allow."""
TEAM = "T000000001"
"""The emulator's own."""
PEOPLE = ("ann", "ben", "cleo", "dan", "eve", "fay")
CHANNEL_NAME = "support"


@dataclass(frozen=True)
class SlackServer:
    """One running workspace."""

    port: int
    hub_url: str

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    async def call(self, token: str, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a Web API method as a person or as the bot."""
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.api_url}{method}", json=parameters, headers=headers) as response,
        ):
            answer: dict[str, Any] = await response.json()
        assert answer["ok"], f"{method}: {answer}"
        return answer

    async def person(self, name: str) -> "Person":
        """Let somebody of `PEOPLE` act."""
        user = (await self.call(f"xoxp-{name}", "auth.test"))["user_id"]
        return Person(self, f"xoxp-{name}", user)

    async def post(self, path: str, body: bytes, media_type: str, secret: str = SIGNING_SECRET) -> tuple[int, str]:
        """Send the hub what the emulator cannot, signed as Slack signs."""
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": media_type,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": sign(body, timestamp, secret),
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.hub_url}/slack/acme/{path}", data=body, headers=headers) as response,
        ):
            return response.status, await response.text()


@dataclass(frozen=True)
class Person:
    """Somebody in the workspace."""

    server: SlackServer
    token: str
    user: str

    async def say(self, channel: str, text: str, thread_ts: str | None = None) -> str:
        """Write a message; returns its ts. The hub has acknowledged the event when this returns."""
        thread = {"thread_ts": thread_ts} if thread_ts else {}
        answer = await self.server.call(self.token, "chat.postMessage", channel=channel, text=text, **thread)
        return str(answer["ts"])

    async def open_direct_message(self) -> str:
        """Open the conversation with the bot; returns its channel."""
        answer = await self.server.call(self.token, "conversations.open", users=BOT_USER)
        return str(answer["channel"]["id"])

    async def support_channel(self) -> str:
        """Return the channel that everybody is in, and see to it that the bot is."""
        listed = await self.server.call(self.token, "conversations.list")
        channel = next(entry["id"] for entry in listed["channels"] if entry["name"] == CHANNEL_NAME)
        members = await self.server.call(self.token, "conversations.members", channel=channel)
        if BOT_USER not in members["members"]:
            await self.server.call(self.token, "conversations.invite", channel=channel, users=BOT_USER)
        return str(channel)

    async def direct_replies(self, channel: str) -> list[dict[str, Any]]:
        """Return what the bot wrote in a direct message, oldest first."""
        found = await self.server.call(self.token, "conversations.history", channel=channel)
        return _by_bot(reversed(found["messages"]))

    async def thread_replies(self, channel: str, ts: str) -> list[dict[str, Any]]:
        """Return what the bot wrote in a thread, oldest first."""
        found = await self.server.call(self.token, "conversations.replies", channel=channel, ts=ts)
        return _by_bot(found["messages"])

    def pressed(self, channel: str, message: dict[str, Any], label: str) -> dict[str, Any]:
        """Build the press of a button of a message that the emulator holds.

        The emulator cannot press; this is docs.slack.dev/reference/interaction-payloads/block_actions-payload.
        """
        block, button = next(
            (block, element)
            for block in message["blocks"]
            for element in block.get("elements", ())
            if element["type"] == "button" and element["text"]["text"] == label
        )
        action = {
            "type": "button",
            "action_id": button["action_id"],
            "block_id": block.get("block_id", "b1"),  # Slack makes one up where there is none
            "text": button["text"],
            "value": button["value"],
            "action_ts": f"{time.time():.6f}",
        }
        return {
            "type": "block_actions",
            "user": {"id": self.user, "username": "somebody", "team_id": TEAM},
            "api_app_id": APP["app_id"],
            "team": {"id": TEAM, "domain": "acme"},
            "channel": {"id": channel, "name": "directmessage"},
            "container": {"type": "message", "message_ts": message["ts"], "channel_id": channel},
            "trigger_id": uuid.uuid4().hex,
            "message": message,
            "actions": [action],
        }

    async def send_press(self, payload: dict[str, Any]) -> int:
        """Tell the hub of a press; returns its status."""
        body = urlencode({"payload": json.dumps(payload)}).encode()
        status, _ = await self.server.post("interactivity", body, "application/x-www-form-urlencoded")
        return status


def _by_bot(messages: Any) -> list[dict[str, Any]]:
    return [message for message in messages if message.get("user") == BOT_USER]


@contextmanager
def running_slack(folder: Path, hub_url: str, port: int | None = None) -> Iterator[SlackServer]:
    """Run the workspace while the block lasts; its events go to the hub's account `acme`."""
    port = port or free_port()
    seed = {
        "signing_secret": SIGNING_SECRET,
        "team": {"name": "Acme", "domain": "acme"},
        "users": [{"name": name, "real_name": name.title()} for name in PEOPLE],
        "channels": [{"name": CHANNEL_NAME}],
        "oauth_apps": [{**APP, "scopes": BOT_SCOPES}],
        "tokens": [
            {"token": BOT_TOKEN, "type": "bot", "user_id": BOT_USER, "bot_id": APP["bot_id"], "scopes": BOT_SCOPES},
            *({"token": f"xoxp-{name}", "type": "user", "user": name} for name in PEOPLE),
        ],
        "strict_scopes": True,
    }
    settings = {
        "service": "slack",
        "port": port,
        "seed": {"slack": seed},
        "eventsUrl": f"{hub_url}/slack/acme/events",
    }
    with running_node("emulate.mjs", folder, "emulate", settings):
        yield SlackServer(port, hub_url)
