"""What the tests of the stand-ins share: a world that does not wait, and a hub that notes what it is brought."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web
from aiohttp.test_utils import TestServer

from hub.emulate.platforms import Platforms, WhatsAppBy
from hub.emulate.world import World
from tests.standins.platforms import open_to_all


@dataclass
class QuickWorld(World):
    """Notes every pause of a platform instead of making it."""

    pauses: list[float] = field(default_factory=list)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


def deadline_s(platforms: Platforms) -> float:
    """Return how long a client of a test waits: shortly where no answer comes, else longer than any machine takes."""
    is_silent = any(fault.action in ("hang", "drip") for fault in platforms.world.faults.active())
    return 0.3 if is_silent else 10.0


@asynccontextmanager
async def running(whatsapp_by: WhatsAppBy = "twilio") -> AsyncIterator[Platforms]:
    async with Platforms(QuickWorld(), whatsapp_by=whatsapp_by) as platforms:
        open_to_all(platforms)
        yield platforms


def pauses(platforms: Platforms) -> list[float]:
    assert isinstance(platforms.world, QuickWorld)
    return platforms.world.pauses


@dataclass(frozen=True)
class Brought:
    """One request that a platform made."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class NotingHub:
    """Answers as told, then 200."""

    answers: list[int | Literal["cut"]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    brought: list[Brought] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""

    async def receive(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.brought.append(Brought(request.path, dict(request.headers), await request.read()))
        await asyncio.sleep(0)
        self.at_once -= 1
        answer = self.answers.pop(0) if self.answers else 200
        if answer == "cut":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=answer, headers=self.headers)


@asynccontextmanager
async def noting_hub(*answers: int | Literal["cut"], **headers: str) -> AsyncIterator[NotingHub]:
    hub = NotingHub(list(answers), {name.replace("_", "-"): value for name, value in headers.items()})
    application = web.Application()
    application.router.add_post("/{path:.*}", hub.receive)
    async with TestServer(application, host="127.0.0.1") as server:
        hub.url = f"http://127.0.0.1:{server.port}"
        yield hub


async def until_quiet(platforms: Platforms) -> None:
    """Wait until the platforms have nothing more to bring."""
    async with asyncio.timeout(5):
        while platforms.world._working:
            await asyncio.gather(*platforms.world._working)
