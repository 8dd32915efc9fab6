"""A web chat on a loopback server with everything behind it faked."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientWebSocketResponse, web
from aiohttp.test_utils import TestClient, TestServer

from channels.base import Acceptance, Resources
from channels.inbound import Inbound
from channels.web.account import AccountSettings
from channels.web.channel import WebChannel
from core.errors import ConfigError, StoreUnavailable
from core.ids import AccountName
from core.media import MediaPolicy
from core.ports import MediaShelf
from core.store.memory import MemoryStore
from hub.media.download import Downloader
from hub.media.shelf import Shelf
from hub.telemetry import LogNames, Metrics

SECRET = "s" * 32
SHOP = "https://shop.example"
HUB = "https://chat.example"
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
UUID_1 = "11111111-1111-4111-8111-111111111111"
UUID_2 = "22222222-2222-4222-8222-222222222222"


class FakeClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed_s)

    def monotonic(self) -> float:
        return self.passed_s

    def advance(self, seconds: float) -> None:
        self.passed_s += seconds


@dataclass(frozen=True)
class Kept:
    seq: int
    body: dict[str, Any]


class FakeMailbox:
    """Keeps messages in memory; `down` makes it fail."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Kept]] = {}
        self.down = False
        self.refusals = 0
        self.refused_thrice = asyncio.Event()

    async def deliver(self, conversation_id: str, out_id: str, seq: int, body: dict[str, Any]) -> None:
        if self.down:
            raise StoreUnavailable("down")
        self.kept.setdefault(conversation_id, {}).setdefault(out_id, Kept(seq, body))

    async def after(self, conversation_id: str, seq: int, limit: int) -> list[Kept]:
        if self.down:
            self.refusals += 1
            if self.refusals == 3:
                self.refused_thrice.set()
            raise StoreUnavailable("down")
        rows = sorted(self.kept.get(conversation_id, {}).values(), key=lambda row: row.seq)
        return [row for row in rows if row.seq > seq][:limit]


class FakeHub:
    """Accepts like the hub: durable, deduplicated by the channel's own key."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.mailbox = FakeMailbox()
        self.inbox: dict[str, Inbound] = {}
        self.down = False
        self.channel: WebChannel | None = None
        self.shelf: MediaShelf | None = Shelf(
            MemoryStore(self.clock),
            {},
            Downloader(),
            MediaPolicy(max_bytes=2000),
            self.clock,
            Metrics(),
            LogNames(b"k"),
        )

    async def accept(self, inbound: Inbound) -> Acceptance:
        assert self.channel is not None
        if self.down:
            raise StoreUnavailable("down")
        key = self.channel.identify(inbound).primary
        if key in self.inbox:
            return Acceptance.DUPLICATE
        self.inbox[key] = inbound
        return Acceptance.ACCEPTED

    def resources(self, public_url: str = HUB) -> Resources:
        return Resources(
            clock=self.clock, accept=self.accept, public_url=public_url, mailbox=self.mailbox, media=self.shelf
        )


def settings(**changes: Any) -> AccountSettings:
    return AccountSettings.model_validate({"secret": SECRET, "allowed_origins": (SHOP,), **changes})


def make_channel(hub: FakeHub, *, account: str = "site", **changes: Any) -> WebChannel:
    hub.channel = WebChannel(AccountName(account), settings(**changes), hub.resources())
    return hub.channel


@dataclass
class Site:
    """A running web chat and a client of it."""

    hub: FakeHub
    channel: WebChannel
    http: TestClient[web.Request, web.Application]
    sockets: list[ClientWebSocketResponse] = field(default_factory=list)

    async def open_session(self) -> dict[str, Any]:
        answered = await self.http.post("/web/site/sessions")
        assert answered.status == 201
        session: dict[str, Any] = await answered.json()
        return session

    async def say(self, token: str, body: Any, **headers: str) -> Any:
        return await self.http.post("/web/site/messages", json=body, headers={**bearer(token), **headers})

    async def upload(self, token: str, data: bytes, **headers: str) -> Any:
        return await self.http.post("/web/site/files", data=data, headers={**bearer(token), **headers})

    async def read(self, token: str, **query: Any) -> Any:
        return await self.http.get("/web/site/messages", params=query, headers=bearer(token))

    async def socket(self, hello: Mapping[str, Any] | None = None, **headers: str) -> ClientWebSocketResponse:
        line = await self.http.ws_connect("/web/site/ws", headers=headers)
        self.sockets.append(line)
        if hello is not None:
            await line.send_json({"type": "hello", **hello})
        return line


@asynccontextmanager
async def running(hub: FakeHub, channel: WebChannel) -> AsyncIterator[Site]:
    app = web.Application()
    app.add_routes(channel.routes())
    async with TestClient(TestServer(app)) as http:
        site = Site(hub, channel, http)
        yield site
        for line in site.sockets:
            await line.close()
        await channel.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class FakeWords:
    """Words of a reply, already rendered."""

    def __init__(self, **blocks: str) -> None:
        self._blocks = blocks

    def block(self, name: str) -> str:
        if name not in self._blocks:
            raise ConfigError(f"no block {name}")
        return self._blocks[name]

    def has(self, name: str) -> bool:
        return name in self._blocks
