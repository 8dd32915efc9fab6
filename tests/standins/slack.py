"""Slack: the slice of the Web API that a bot needs, and events as Slack signs and repeats them."""

import hashlib
import hmac
import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from tests.standins.http import is_gone
from tests.standins.ledger import Ledger
from tests.standins.pace import Pace

TEAM = "T0ACME"
BOT_USER = "U0DESK"
APP = "A0DESK"
BOT_TOKEN = "xoxb-stand-in"
SIGNING_SECRET = "0123456789abcdef0123456789abcdef"


@dataclass
class SlackStandin:
    """One workspace. Source of methods and fields: docs.slack.dev/reference/methods."""

    ledger: Ledger
    pace: Pace
    _posted: list[dict[str, Any]] = field(default_factory=list)
    _counter: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def routes(self) -> list[web.RouteDef]:
        """Return the Web API under `/api/`."""
        return [web.route("*", "/api/{method}", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {BOT_TOKEN}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        arguments = await _arguments(request)
        match request.match_info["method"]:
            case "auth.test":
                return web.json_response(
                    {"ok": True, "team_id": TEAM, "user_id": BOT_USER, "bot_id": "B0DESK", "user": "frontdesk"}
                )
            case "chat.postMessage":
                return await self._post(request, arguments)
            case "conversations.history":
                return self._page(arguments, [entry for entry in reversed(self._posted) if "thread_ts" not in entry])
            case "conversations.replies":
                return self._page(
                    arguments, [entry for entry in self._posted if entry.get("thread_ts") == arguments["ts"]]
                )
            case _:
                return web.json_response({"ok": False, "error": "unknown_method"})

    async def _post(self, request: web.Request, arguments: dict[str, Any]) -> web.Response:
        await self.pace.before_taking("slack", is_gone(request))
        message = {**arguments, "ts": self.next_ts(), "user": BOT_USER, "bot_id": "B0DESK", "type": "message"}
        self._posted.append(message)
        channel, thread = message["channel"], message.get("thread_ts")
        out_id = message.get("metadata", {}).get("event_payload", {}).get("out_id")
        place = f"{channel}:{thread}" if thread else channel
        self.ledger.record("slack", place, message["text"], message["ts"], out_id)
        await self.pace.before_answering("slack", is_gone(request))
        return web.json_response({"ok": True, "channel": channel, "ts": message["ts"], "message": message})

    def _page(self, arguments: dict[str, Any], messages: list[dict[str, Any]]) -> web.Response:
        oldest = float(arguments.get("oldest", 0))
        found = [m for m in messages if m["channel"] == arguments["channel"] and float(m["ts"]) > oldest]
        start, limit = int(arguments.get("cursor") or 0), int(arguments.get("limit", 100))
        with_metadata = str(arguments.get("include_all_metadata", "")).lower() == "true"
        shown = [m if with_metadata else {k: v for k, v in m.items() if k != "metadata"} for m in found]
        following = str(start + limit) if len(found) > start + limit else ""
        page = {"ok": True, "messages": shown[start : start + limit], "has_more": bool(following)}
        return web.json_response(page | {"response_metadata": {"next_cursor": following}})

    def next_ts(self) -> str:
        """Return a `ts`: seconds of now, and a counter that keeps two of one second apart and in order."""
        return f"{int(datetime.now(UTC).timestamp())}.{next(self._counter):06d}"


async def _arguments(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    return {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}


def message_event(event_id: str, channel: str, user: str, ts: str, text: str, thread_ts: str | None = None) -> bytes:
    """Return a `message` event of a direct message, as the Events API posts it."""
    event: dict[str, Any] = {
        "type": "message",
        "user": user,
        "text": text,
        "ts": ts,
        "channel": channel,
        "channel_type": "im",
        "event_ts": ts,
        "team": TEAM,
        "client_msg_id": f"{event_id}-client",
    }
    if thread_ts is not None:
        event |= {"thread_ts": thread_ts, "parent_user_id": user}
    authorization = {"enterprise_id": None, "team_id": TEAM, "user_id": BOT_USER, "is_bot": True}
    return json.dumps(
        {
            "token": "deprecated",
            "team_id": TEAM,
            "context_team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": event_id,
            "event_time": int(ts.partition(".")[0]),
            "authorizations": [authorization | {"is_enterprise_install": False}],
            "is_ext_shared_channel": False,
            "event_context": f"4-{event_id}",
        }
    ).encode()


async def deliver(session: aiohttp.ClientSession, url: str, body: bytes, attempt: int) -> bool:
    """Post an event once, signed now; True when Slack would forget it."""
    timestamp = str(int(datetime.now(UTC).timestamp()))
    digest = hmac.new(SIGNING_SECRET.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={digest}",
    }
    if attempt:
        headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_timeout"}
    async with session.post(f"{url}/slack/acme/events", data=body, headers=headers) as answer:
        return answer.status // 100 == 2
