"""Signed Slack messages in, replies out at a stand-in, and the time between."""

import asyncio
import hashlib
import hmac
import time
from dataclasses import dataclass, field

import aiohttp
import orjson
from aiohttp import web

TEXT = "how long does delivery take?"
REPLIES_WITHIN_S = 60.0


@dataclass
class Platform:
    """Plays Slack's Web API: takes every message at once and remembers when."""

    port: int
    waiting: dict[str, asyncio.Future[float]] = field(default_factory=dict)
    count: int = 0
    _runner: web.AppRunner | None = None

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/api/{method}", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def _take(self, request: web.Request) -> web.Response:
        arrived = time.perf_counter()
        body = orjson.loads(await request.read() or b"{}")
        self.count += 1
        channel = str(body.get("channel"))
        future = self.waiting.pop(channel, None)
        if future is not None and not future.done():
            future.set_result(arrived)
        answer = {"ok": True, "ts": f"{self.count}.000100", "channel": channel, "message": {}}
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


@dataclass
class Timing:
    """What one message took, in seconds."""

    ack: float
    reply: float


@dataclass
class Sender:
    """Sends signed messages to a hub, or to what stands beside it."""

    url: str
    secret: bytes
    platform: Platform
    session: aiohttp.ClientSession
    sent: int = 0

    async def ask(self, person: int) -> Timing:
        """Send one direct message and wait for the acknowledgement and for the reply."""
        self.sent += 1
        channel = f"D{person:06d}"
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.platform.waiting[channel] = future
        body = self._body(channel, f"U{person:06d}")
        headers = self._signed(body)
        started = time.perf_counter()
        async with self.session.post(f"{self.url}/slack/acme/events", data=body, headers=headers) as answer:
            await answer.read()
            acked = time.perf_counter()
            if answer.status != 200:
                raise RuntimeError(f"refused with {answer.status}")
        replied = await asyncio.wait_for(future, REPLIES_WITHIN_S)
        return Timing(acked - started, replied - started)

    def _body(self, channel: str, user: str) -> bytes:
        event = {"type": "message", "channel": channel, "channel_type": "im", "user": user, "text": TEXT}
        stamp = f"{int(time.time())}.{self.sent:06d}"
        return orjson.dumps(
            {
                "type": "event_callback",
                "team_id": "T1",
                "event_id": f"Ev{time.time_ns()}{self.sent}",
                "event_time": int(time.time()),
                "authorizations": [{"team_id": "T1", "user_id": "UBOT", "is_bot": True}],
                "event": event | {"ts": stamp, "event_ts": stamp},
            }
        )

    def _signed(self, body: bytes) -> dict[str, str]:
        stamp = str(int(time.time()))
        digest = hmac.new(self.secret, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={digest}",
        }


async def one_by_one(sender: Sender, people: int, messages: int, pause_s: float) -> list[Timing]:
    """Light load: a message at a time, with a pause behind each answer."""
    timings = []
    for number in range(messages):
        timings.append(await sender.ask(number % people))
        await asyncio.sleep(pause_s)
    return timings


async def saturate(sender: Sender, people: int, messages: int, first_person: int = 1000) -> tuple[float, list[Timing]]:
    """Full load: every person writes again as soon as answered; returns the seconds it took."""
    timings: list[Timing] = []
    left = messages

    async def person(number: int) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            timings.append(await sender.ask(number))

    started = time.perf_counter()
    await asyncio.gather(*(person(first_person + number) for number in range(people)))
    return time.perf_counter() - started, timings
