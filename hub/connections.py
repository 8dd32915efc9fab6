"""Connections that take their time to say what they want: a header that drips holds a place for ten seconds (F076)."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from aiohttp import web
from aiohttp.typedefs import Middleware
from aiohttp.web_protocol import RequestHandler

from core.clock import Clock

HEADER_WITHIN_S = 10.0
"""The whole header of a connection's first request is there by then, or the connection ends. A later header has the
time for which a quiet connection is kept: who drips then holds no more than who keeps quiet."""
CHECKED_EVERY_S = 1.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FirstHeaders:
    """Ends the connections of one server whose first request does not arrive. Everything else lives on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[RequestHandler, float] = {}
        """Connections that have said nothing complete, and since when."""
        self._spoke: set[RequestHandler] = set()

    def middleware(self) -> Middleware:
        """Return what notes that a connection has sent a request; it stands before all others."""

        @web.middleware
        async def noted(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._spoke.add(request.protocol)
            return await handler(request)

        return noted

    async def keep(self, runner: web.AppRunner) -> None:
        """Look at the connections every second until cancelled."""
        while True:
            await asyncio.sleep(CHECKED_EVERY_S)
            self.check(runner.server.connections if runner.server is not None else ())

    def check(self, present: Collection[RequestHandler]) -> None:
        """End each connection that was here `HEADER_WITHIN_S` ago and has not sent a request since."""
        now = self._clock.monotonic()
        self._spoke.intersection_update(present)
        self._waiting = {
            connection: self._waiting.get(connection, now) for connection in present if connection not in self._spoke
        }
        for connection, since in self._waiting.items():
            if now - since >= HEADER_WITHIN_S:
                connection.force_close()
