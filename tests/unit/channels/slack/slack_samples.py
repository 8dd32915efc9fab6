"""Payloads, words and a stand-in of the Web API for the Slack tests."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.base import Acceptance, Resources
from channels.inbound import Inbound
from channels.slack.account import AccountSettings
from channels.slack.payloads import ENVELOPE_HEADER
from core.errors import ConfigError, StoreUnavailable
from core.ids import AccountName, ChannelName
from core.replies import ApiCall
from tests.fakes import FakeClock

PAYLOADS = Path(__file__).resolve().parents[3] / "fixtures" / "payloads" / "slack"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
ACCOUNT = AccountName("acme")
SLACK = ChannelName("slack")
CLOCK = FakeClock()


def raw(name: str) -> bytes:
    """Return the bytes of one sample as Slack would send them over HTTP."""
    body = (PAYLOADS / name).read_bytes()
    return form_of(json.loads(body)) if name in {"block_actions.json", "view_submission.json"} else body


def payload(name: str) -> dict[str, Any]:
    return json.loads((PAYLOADS / name).read_bytes())


def form_of(interaction: Mapping[str, Any]) -> bytes:
    return urlencode({"payload": json.dumps(interaction)}).encode()


def inbound(body: bytes | Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Inbound:
    raw_body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Inbound(SLACK, ACCOUNT, raw_body, CLOCK.now(), headers or {})


def sample(name: str) -> Inbound:
    return inbound(raw(name))


def socket(envelope: str, body: Mapping[str, Any]) -> Inbound:
    return inbound(body, {ENVELOPE_HEADER: envelope})


def event(name: str = "channel_talk.json", **fields: Any) -> Inbound:
    """Return a sample whose inner event has other fields; None takes a field away."""
    envelope = payload(name)
    envelope["event"] = {key: value for key, value in (envelope["event"] | fields).items() if value is not None}
    return inbound(envelope)


class FakeWords:
    """The words of a reply, given by block."""

    def __init__(self, **blocks: str) -> None:
        self._blocks = blocks

    def block(self, name: str) -> str:
        if name not in self._blocks:
            raise ConfigError(name)
        return self._blocks[name]

    def has(self, name: str) -> bool:
        return name in self._blocks


class FakeInbox:
    """Keeps what was accepted; can be told that the database is away."""

    def __init__(self) -> None:
        self.rows: list[Inbound] = []
        self.available = True

    async def accept(self, inbound: Inbound) -> Acceptance:
        if not self.available:
            raise StoreUnavailable("no answer")
        known = inbound.body in [row.body for row in self.rows]
        self.rows.append(inbound)
        return Acceptance.DUPLICATE if known else Acceptance.ACCEPTED


class NoMailbox:
    """Slack has no mailbox; the web channel has."""

    async def deliver(self, conversation_id: str, out_id: str, seq: int, body: dict[str, Any]) -> None:
        raise AssertionError("slack delivers nothing to a mailbox")

    async def after(self, conversation_id: str, seq: int, limit: int) -> list[Any]:
        raise AssertionError("slack reads no mailbox")


def resources(
    inbox: FakeInbox, clock: FakeClock | None = None, public_url: str = "https://desk.example.org"
) -> Resources:
    return Resources(clock=clock or FakeClock(), accept=inbox.accept, public_url=public_url, mailbox=NoMailbox())


def settings(**fields: Any) -> AccountSettings:
    return AccountSettings.model_validate({"bot_token": "xoxb-test", "signing_secret": SECRET} | fields)


def call(**params: Any) -> ApiCall:
    return ApiCall(method="chat.postMessage", params={"channel": "C0HELP", "text": "hi"} | params, bucket="C0HELP")


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeSlack:
    """A Web API on the loopback: answers by method name, and remembers every request."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {name.replace("__", "."): answer for name, answer in answers.items()}
        self.requests: list[tuple[str, dict[str, Any], str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        self.requests.append((method, await _arguments(request), request.headers.get("Authorization", "")))
        answer = self.answers[method]
        if isinstance(answer, list):
            answer = answer.pop(0)
        return await answer(request) if callable(answer) else web.json_response(answer)

    async def start(self) -> TestServer:
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self.handle)
        server = TestServer(app)
        await server.start_server()
        return server


async def _arguments(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return await request.json()
    return {**request.query, **await request.post()}
