"""Slack: the slice of the Web API that a bot needs, and events as Slack signs and repeats them."""

import hashlib
import hmac
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from hub.emulate.faults import Platform
from hub.emulate.files import Files
from hub.emulate.http import DID, arguments_of, is_gone, retry_after_header
from hub.emulate.ledger import Button
from hub.emulate.slack_installs import SlackInstalls
from hub.emulate.slack_views import SlackViews
from hub.emulate.webhook import Delivery, Outcome, Trouble, bring
from hub.emulate.world import World

TEAM = "T0ACME"
BOT_USER = "U0DESK"
BOT = "B0DESK"
APP = "A0DESK"
BOT_TOKEN = "xoxb-stand-in"  # noqa: S105  of nobody
SIGNING_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105  of nobody

ANSWER_WITHIN_S = 3.0
"""S4: docs.slack.dev/apis/events-api, "respond within three seconds"."""
RETRY_PAUSES_S = (0.0, 60.0, 300.0)
"""S4: tried again nearly at once, after one minute, after five minutes; then no more."""
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
NOT_IN_HISTORY = frozenset({"channel_type", "event_ts"})
"""What only an event tells of a message."""
SCOPES = "app_mentions:read,channels:history,chat:write,files:read,im:history,im:write"


@dataclass
class SlackStandin:
    """A workspace, and others that install the app. Methods and fields: docs.slack.dev/reference/methods."""

    world: World
    name: Platform = "slack"
    installs: SlackInstalls = field(init=False)
    views: SlackViews = field(init=False)
    files: Files = field(default_factory=Files)
    statuses: list[tuple[str, str]] = field(default_factory=list)
    """Statuses of assistants' threads, in order: channel and words; no words clear it."""
    _posted: list[dict[str, Any]] = field(default_factory=list)
    _counter: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.installs = SlackInstalls(self.world.clock, BOT_USER, APP)
        self.views = SlackViews(self.world.clock)

    # the Web API

    def routes(self) -> list[web.RouteDef]:
        """Return the Web API under `/api/`, and the page where somebody agrees to install the app."""
        return [
            web.route("*", "/api/{method}", self._answer),
            web.get("/files-pri/{file}", self._download),
            web.get("/oauth/v2/authorize", self.installs.authorize, allow_head=False),
        ]

    def is_send(self, request: web.Request) -> bool:
        """Tell whether a request posts a message."""
        return request.path.endswith("/chat.postMessage")

    def rate_limited(self, retry_after: str | None) -> web.Response:
        """Return 429; docs.slack.dev/apis/web-api/rate-limits."""
        return web.json_response(
            {"ok": False, "error": "ratelimited"}, status=429, headers=retry_after_header(retry_after)
        )

    def unauthorized(self) -> web.Response:
        """Return `invalid_auth`; Slack says so with a 200."""
        return self.refusal("invalid_auth")

    def refusal(self, code: str) -> web.Response:
        """Return an error of a method, as a 200."""
        return web.json_response({"ok": False, "error": code})

    async def _answer(self, request: web.Request) -> web.Response:  # noqa: C901  one case for each method
        method, authorization = request.match_info["method"], request.headers.get("Authorization")
        if method == "oauth.v2.access":
            return web.json_response(self.installs.access(authorization, await arguments_of(request)))
        token = (authorization or "").removeprefix("Bearer ")
        if token != BOT_TOKEN and (refusal := self.installs.judge(token)) is not None:
            return self.refusal(refusal)
        arguments = await arguments_of(request)
        match method:
            case "auth.test":
                team = TEAM if token == BOT_TOKEN else self.installs.place_of(token)
                who = {"ok": True, "team": "Acme", "team_id": team, "user_id": BOT_USER, "bot_id": BOT}
                if team.startswith("E"):
                    who |= {"enterprise_id": team, "is_enterprise_install": True}
                return web.json_response(who | {"user": "frontdesk"}, headers={"X-OAuth-Scopes": SCOPES})
            case "auth.revoke" if token != BOT_TOKEN:
                self.installs.revoke(self.installs.place_of(token))
                return web.json_response({"ok": True, "revoked": True})
            case "chat.postMessage":
                return await self._post(request, arguments)
            case "views.open" | "views.publish":
                act = self.views.open if method == "views.open" else self.views.publish
                wrong = act(arguments)
                return self.refusal(wrong) if wrong is not None else web.json_response({"ok": True})
            case "assistant.threads.setStatus":
                self.statuses.append((str(arguments["channel_id"]), str(arguments["status"])))
                return web.json_response({"ok": True})
            case "files.info":
                return self._file(request, str(arguments["file"]))
            case "conversations.open":
                return web.json_response({"ok": True, "channel": {"id": direct_channel(str(arguments["users"]))}})
            case "conversations.history":
                return self._page(arguments, [entry for entry in reversed(self._posted) if "thread_ts" not in entry])
            case "conversations.replies":
                root = arguments["ts"]
                return self._page(
                    arguments, [entry for entry in self._posted if root in (entry.get("thread_ts"), entry["ts"])]
                )
            case _:
                return self.refusal("unknown_method")

    def _file(self, request: web.Request, name: str) -> web.Response:
        if (file := self.files.find(name)) is None:
            return self.refusal("file_not_found")
        url = f"{request.url.origin()}/files-pri/{name}"
        told = {"id": name, "mimetype": file.media_type, "size": len(file.data), "url_private_download": url}
        return web.json_response({"ok": True, "file": told})

    async def _download(self, request: web.Request) -> web.Response:
        """Hand a file over; whoever has no token gets a page to log in, with a 200 (S15)."""
        if (file := self.files.find(request.match_info["file"])) is None:
            return web.Response(status=404)
        if request.headers.get("Authorization") != f"Bearer {BOT_TOKEN}":
            return web.Response(text="<!DOCTYPE html><html><title>Sign in</title></html>", content_type="text/html")
        return web.Response(body=file.data, content_type=file.media_type)

    async def _post(self, request: web.Request, arguments: dict[str, Any]) -> web.Response:
        pace = self.world.pace
        await pace.before_taking("slack", is_gone(request))
        message = {**arguments, "ts": self.next_ts(), "user": BOT_USER, "bot_id": BOT, "type": "message"}
        self._posted.append(message)
        channel, thread = message["channel"], message.get("thread_ts")
        out_id = message.get("metadata", {}).get("event_payload", {}).get("out_id")
        place = f"{channel}:{thread}" if thread else channel
        self.world.ledger.record("slack", place, message["text"], message["ts"], out_id, buttons_of(message))
        request[DID] = message["ts"]
        await pace.before_answering("slack", is_gone(request))
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

    def write(self, body: bytes) -> None:
        """Keep what a person wrote in the history, whether or not Slack brings the event that tells of it."""
        event = json.loads(body)["event"]
        self._posted.append({name: event[name] for name in event if name not in NOT_IN_HISTORY})

    def rewrite(self, ts: str, text: str | None) -> None:
        """Change a person's message in the history; None takes it out."""
        kept = (entry if entry["ts"] != ts else entry | {"text": text} for entry in self._posted)
        self._posted = [entry for entry in kept if entry["ts"] != ts or text is not None]

    def next_ts(self) -> str:
        """Return a `ts`: seconds of now, and a counter that keeps two of one second apart and in order."""
        return f"{int(self.world.clock.now().timestamp())}.{next(self._counter):06d}"

    def message(self, ts: str) -> dict[str, Any]:
        """Return a message of the bot as the Web API took it."""
        return next(message for message in self._posted if message["ts"] == ts)

    # events

    async def bring(self, url: str, body: bytes, media_type: str, delivery: Delivery) -> None:
        """Bring something to the hub, with Slack's retries; an interaction is never repeated (S26)."""
        trouble: Trouble | None = None
        retries = RETRY_PAUSES_S if media_type == JSON else ()
        for attempt, pause_s in enumerate((0.0, *retries)):
            await self.world.pause(pause_s)
            outcome = await self.try_once(url, body, attempt, media_type, trouble)
            delivery.note(outcome, is_taken=outcome.is_taken)
            if outcome.is_taken:
                self.views.answered(body, outcome.body)
                return
            if outcome.status is not None and outcome.headers.get("X-Slack-No-Retry") == "1":  # S5
                break
            trouble = outcome.trouble
        delivery.progress = "given_up"

    async def try_once(
        self,
        url: str,
        body: bytes,
        attempt: int,
        media_type: str = JSON,
        trouble: Trouble | None = "http_timeout",
    ) -> Outcome:
        """Post once, signed now; `attempt` 1 and more name the trouble of the one before."""
        timestamp = str(int(self.world.clock.now().timestamp()))
        headers = {
            "Content-Type": media_type,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": _signature(body, timestamp),
        }
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": str(trouble)}
        return await bring(self.world, "slack", url, body, headers, ANSWER_WITHIN_S)


def direct_channel(user: str) -> str:
    """Return the direct messages with a person: the same id every time.

    >>> direct_channel("U0ANN")
    'D0ANN'
    """
    return f"D{user[1:]}"


def buttons_of(message: Mapping[str, Any]) -> tuple[Button, ...]:
    """Return what can be picked in a message's blocks: buttons, and the options of a select."""
    picks = (pick for element in _elements(message) for pick in element.get("options", (element,)))
    return tuple(Button(pick["text"]["text"], str(pick["value"])) for pick in picks)


def _elements(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for block in message.get("blocks") or ():
        if block.get("type") == "actions":
            yield from (element for element in block["elements"] if element["type"] in ("button", "static_select"))


def _action(message: Mapping[str, Any], value: str) -> dict[str, Any]:
    """Return the element that carries a value, as Slack tells of it: of a select only the option that was taken."""
    for element in _elements(message):
        for option in element.get("options", ()):
            if str(option["value"]) == value:
                kept = {name: element[name] for name in ("type", "action_id")}
                return kept | {"selected_option": option}
        if str(element.get("value")) == value:
            return element
    raise LookupError("no such button")


def message_event(
    event_id: str,
    channel: str,
    user: str,
    ts: str,
    text: str,
    thread_ts: str | None = None,
    files: Sequence[Mapping[str, Any]] = (),
) -> bytes:
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
    if files:
        event |= {"subtype": "file_share", "files": list(files)}
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


def home_opened(event_id: str, user: str, view: Mapping[str, Any] | None, ts: str) -> bytes:
    """Return an `app_home_opened` event; `view` is there only if one was published before (S16)."""
    event: dict[str, Any] = {"type": "app_home_opened", "user": user, "channel": direct_channel(user), "tab": "home"}
    event |= {"event_ts": ts} | ({"view": view} if view is not None else {})
    authorization = {"enterprise_id": None, "team_id": TEAM, "user_id": BOT_USER, "is_bot": True}
    envelope: dict[str, Any] = {
        "team_id": TEAM,
        "api_app_id": APP,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
    }
    envelope |= {"event_time": int(ts.partition(".")[0]), "authorizations": [authorization]}
    return json.dumps(envelope).encode()


def press(message: Mapping[str, Any], user: str, value: str, action_ts: str) -> bytes:
    """Return the press of a button or the pick of an option, as Slack posts it (S20); its trigger leads nowhere.

    Source: docs.slack.dev/reference/interaction-payloads/block_actions-payload.
    """
    payload = {
        "type": "block_actions",
        "user": {"id": user, "username": user.lower(), "team_id": TEAM},
        "api_app_id": APP,
        "team": {"id": TEAM, "domain": "acme"},
        "channel": {"id": message["channel"], "name": "directmessage"},
        "container": {"type": "message", "message_ts": message["ts"], "channel_id": message["channel"]},
        "trigger_id": f"{action_ts}.stand-in",
        "message": message,
        "actions": [{**_action(message, value), "block_id": "b1", "action_ts": action_ts}],
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def _signature(body: bytes, timestamp: str) -> str:
    """Sign; docs.slack.dev/authentication/verifying-requests-from-slack."""
    digest = hmac.new(SIGNING_SECRET.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256)
    return f"v0={digest.hexdigest()}"
