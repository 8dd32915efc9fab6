"""F076, the part that needs no waiting: whose connection ends, by the clock."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from hub.connections import HEADER_WITHIN_S, FirstHeaders
from tests.fakes import FakeClock


class Site:
    """A server with one route, watched."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.headers = FirstHeaders(self.clock)
        app = web.Application(middlewares=[self.headers.middleware()])
        app.router.add_get("/", self.answer)
        app.router.add_get("/slow", self.answer_slowly)
        self.runner = web.AppRunner(app)
        self.goes_on = asyncio.Event()

    async def answer(self, _request: web.Request) -> web.Response:
        return web.Response(text="here")

    async def answer_slowly(self, _request: web.Request) -> web.Response:
        await self.goes_on.wait()
        return web.Response(text="here")

    async def connect(self, words: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and say something; returns when the server has heard it."""
        before = len(self.runner.server.connections)  # type: ignore[union-attr]
        reader, writer = await asyncio.open_connection(*self.runner.addresses[0])
        writer.write(words)
        await writer.drain()
        while len(self.runner.server.connections) == before:  # type: ignore[union-attr]
            await asyncio.sleep(0)
        return reader, writer

    def look(self) -> None:
        self.headers.check(self.runner.server.connections)  # type: ignore[union-attr]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.runner.setup()
    await web.TCPSite(site.runner, "127.0.0.1", 0).start()
    yield site
    site.goes_on.set()
    await site.runner.cleanup()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Tell whether the server ends this connection at once."""
    try:
        return await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("words", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b"])
async def test_a_header_that_does_not_come_ends_the_connection_after_ten_seconds(site: Site, words: bytes) -> None:
    reader, writer = await site.connect(words)
    site.look()
    site.clock.advance(HEADER_WITHIN_S - 0.1)
    site.look()
    assert not reader.at_eof()
    site.clock.advance(0.2)
    site.look()
    assert await ended(reader)
    writer.close()


async def test_a_connection_that_has_asked_once_may_be_quiet(site: Site) -> None:
    reader, writer = await site.connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.readuntil(b"here")
    site.look()
    site.clock.advance(3 * HEADER_WITHIN_S)
    site.look()
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.readuntil(b"here")
    writer.close()


async def test_a_request_that_is_being_answered_is_left_alone(site: Site) -> None:
    reader, writer = await site.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0.01)
    site.look()
    site.clock.advance(3 * HEADER_WITHIN_S)
    site.look()
    site.goes_on.set()
    assert await reader.readuntil(b"here")
    writer.close()
