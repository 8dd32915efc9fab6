"""Receiving over a web socket: an acknowledgement means that the envelope is in the journal."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from channels.base import Acceptance
from channels.inbound import Inbound
from channels.slack.channel import SlackChannel
from core.errors import StoreUnavailable
from core.events import MessageReceived
from tests.unit.channels.slack.slack_samples import ACCOUNT, SLACK, FakeInbox, payload, resources, sample, settings

HELLO = {"type": "hello", "num_connections": 1, "debug_info": {"host": "applink", "approximate_connection_time": 18060}}


class FakeSocket:
    """Slack's end: gives out the address, greets, sends envelopes, notes acknowledgements in order."""

    def __init__(self) -> None:
        self.acknowledged: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.connected: asyncio.Queue[web.WebSocketResponse] = asyncio.Queue()
        self.opened_with: list[str] = []
        self.url = ""

    async def open(self, request: web.Request) -> web.Response:
        self.opened_with.append(request.headers["Authorization"])
        return web.json_response({"ok": True, "url": self.url})

    async def link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(HELLO)
        await self.connected.put(socket)
        async for frame in socket:
            if frame.type == WSMsgType.TEXT:
                await self.acknowledged.put(frame.json())
        return socket


def envelope(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "envelope_id": f"envelope-{number}",
        "type": "events_api",
        "payload": payload("text_dm.json"),
        "accepts_response_payload": False,
    } | fields


@asynccontextmanager
async def listening(inbox: FakeInbox, connected: Callable[[], None] = lambda: None) -> AsyncIterator[FakeSocket]:
    slack = FakeSocket()
    app = web.Application()
    app.router.add_post("/api/apps.connections.open", slack.open)
    app.router.add_get("/link", slack.link)
    server = TestServer(app)
    await server.start_server()
    slack.url = str(server.make_url("/link")).replace("http://", "ws://")
    account = settings(mode="socket", app_token="xapp-test", signing_secret=None, api_url=str(server.make_url("/api/")))
    lent = replace(resources(inbox), missed=lambda *who: connected() if who == (SLACK, ACCOUNT) else None)
    channel = SlackChannel(ACCOUNT, account, lent)
    task = asyncio.create_task(channel.listen())
    try:
        yield slack
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await channel.close()
        await server.close()


async def test_an_envelope_is_acknowledged_after_it_is_journaled():
    inbox = FakeInbox()
    async with asyncio.timeout(10), listening(inbox) as slack:
        socket = await slack.connected.get()
        await socket.send_json(envelope(1, retry_attempt=1, retry_reason="timeout"))
        assert await slack.acknowledged.get() == {"envelope_id": "envelope-1"}
        (row,) = inbox.rows
    assert slack.opened_with == ["Bearer xapp-test"]
    assert row.headers == {
        "x-frontdesk-envelope": "events_api",
        "x-slack-retry-num": "1",
        "x-slack-retry-reason": "timeout",
    }
    account = SlackChannel(ACCOUNT, settings(), resources(inbox))
    (event,) = account.normalize(row)
    (by_http,) = account.normalize(sample("text_dm.json"))
    assert isinstance(event, MessageReceived)
    assert event.model_copy(update={"received_at": by_http.received_at}) == by_http


async def test_the_acknowledgement_waits_for_the_journal():
    written, may_end = asyncio.Event(), asyncio.Event()

    class SlowInbox(FakeInbox):
        async def accept(self, inbound: Inbound) -> Acceptance:
            written.set()
            await may_end.wait()
            return await super().accept(inbound)

    async with asyncio.timeout(10), listening(SlowInbox()) as slack:
        await (await slack.connected.get()).send_json(envelope(1))
        await written.wait()
        assert slack.acknowledged.empty()
        may_end.set()
        assert await slack.acknowledged.get() == {"envelope_id": "envelope-1"}


async def test_what_could_not_be_journaled_is_not_acknowledged_and_what_comes_next_is():
    class ForgetfulInbox(FakeInbox):
        refused = asyncio.Event()

        async def accept(self, inbound: Inbound) -> Acceptance:
            if not self.refused.is_set():
                self.refused.set()
                raise StoreUnavailable("no answer")
            return await super().accept(inbound)

    inbox = ForgetfulInbox()
    async with asyncio.timeout(10), listening(inbox) as slack:
        socket = await slack.connected.get()
        await socket.send_json(envelope(1))
        await inbox.refused.wait()
        await socket.send_json(envelope(2))
        assert await slack.acknowledged.get() == {"envelope_id": "envelope-2"}
        assert slack.acknowledged.empty()
        assert len(inbox.rows) == 1


async def test_buttons_and_commands_come_over_the_same_socket():
    command = {"command": "/support", "text": "hi", "user_id": "U0ANNA", "channel_id": "C0HELP", "trigger_id": "1.2.x"}
    inbox = FakeInbox()
    async with asyncio.timeout(10), listening(inbox) as slack:
        socket = await slack.connected.get()
        await socket.send_json(envelope(1, type="interactive", payload=payload("block_actions.json")))
        await slack.acknowledged.get()
        await socket.send_json(envelope(2, type="slash_commands", payload=command, accepts_response_payload=True))
        assert await slack.acknowledged.get() == {"envelope_id": "envelope-2"}
    account = SlackChannel(ACCOUNT, settings(), resources(inbox))
    assert [event.kind for row in inbox.rows for event in account.normalize(row)] == ["choice", "command"]


async def test_an_odd_payload_is_journaled_too():
    """Bolt's dispatch raises on this one before any middleware runs; therefore we take the envelope before it."""
    inbox = FakeInbox()
    async with asyncio.timeout(10), listening(inbox) as slack:
        odd = {"type": "event_callback", "authorizations": [None], "event": {"channel": 5, "text": "\ud800"}}
        await (await slack.connected.get()).send_json(envelope(1, payload=odd))
        assert await slack.acknowledged.get() == {"envelope_id": "envelope-1"}
    assert len(inbox.rows) == 1


async def test_a_socket_that_slack_retires_is_replaced():
    """`disconnect` is announced before the socket closes; docs.slack.dev/apis/events-api/using-socket-mode."""
    inbox = FakeInbox()
    async with asyncio.timeout(10), listening(inbox) as slack:
        first = await slack.connected.get()
        await first.send_json({"type": "disconnect", "reason": "refresh_requested"})
        second = await slack.connected.get()
        await second.send_json(envelope(7))
        assert await slack.acknowledged.get() == {"envelope_id": "envelope-7"}
    assert slack.opened_with == ["Bearer xapp-test"] * 2


async def test_each_new_connection_says_that_something_may_have_been_missed():
    """SEMANTICS 9: what was said between the two sockets is asked for."""
    connections: asyncio.Queue[None] = asyncio.Queue()
    async with asyncio.timeout(10), listening(FakeInbox(), lambda: connections.put_nowait(None)) as slack:
        first = await slack.connected.get()
        await connections.get()
        await first.send_json(envelope(1))
        await slack.acknowledged.get()
        assert connections.empty(), "an envelope is no greeting"
        await first.send_json({"type": "disconnect", "reason": "refresh_requested"})
        await slack.connected.get()
        await connections.get()


async def test_what_bolt_looks_for_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch):
    """Tokens come from the settings of the account alone, and a proxy would see them."""
    for name in ("APP_TOKEN", "BOT_TOKEN", "SIGNING_SECRET", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"SLACK_{name}", "somebody-elses")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    inbox = FakeInbox()
    async with asyncio.timeout(10), listening(inbox) as slack:
        await (await slack.connected.get()).send_json(envelope(1))
        assert await slack.acknowledged.get() == {"envelope_id": "envelope-1"}
    assert slack.opened_with == ["Bearer xapp-test"]


def test_http_mode_does_not_import_bolt():
    code = "import sys, channels.slack.channel; sys.exit('slack_bolt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
