"""A hub that only listens: it answers 200 and keeps what platforms bring."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

HEARD_WITHIN_S = 10.0


@dataclass(frozen=True)
class Heard:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Return a JSON body."""
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def form(self) -> dict[str, str]:
        """Return the fields of a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass
class Listener:
    """What was heard, oldest first."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        """Keep a request."""
        heard = Heard(request.path, dict(request.headers), await request.read())
        async with self._news:
            self.heard.append(heard)
            self._news.notify_all()
        return web.Response()

    async def first(self, fits: Callable[[Heard], bool]) -> Heard:
        """Return the first request that fits, once it has come.

        Raises:
            TimeoutError: none came within `HEARD_WITHIN_S`.
        """
        async with asyncio.timeout(HEARD_WITHIN_S), self._news:
            while (found := next(filter(fits, self.heard), None)) is None:
                await self._news.wait()
        return found


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    """Listen on a free port while the block lasts."""
    listener = Listener()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", listener.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield listener
    finally:
        await runner.cleanup()
