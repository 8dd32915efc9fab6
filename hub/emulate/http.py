"""A platform that speaks HTTP: its port, its faults on the wire, and a line in the ledger for each request."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from aiohttp import web

from hub.emulate.faults import BodyKind, Fault, Platform
from hub.emulate.pace import Vanished, until
from hub.emulate.world import LOOPBACK, World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HUGE_BYTES = 50 * 1024 * 1024
"""F049."""
CHUNK = b" " * 1024 * 1024
STOPS_WITHIN_S = 0.5

DID = web.RequestKey("did", str)
"""Set by a handler when it has acted: the id of what it made."""
FAULT = web.RequestKey("fault", Fault)
"""What goes wrong with this request, for platforms whose refusals come later."""


class Standin(Protocol):
    """One platform: what it serves, and how it says no."""

    name: Platform

    def routes(self) -> list[web.RouteDef]:
        """Return what it serves."""
        ...

    def is_send(self, request: web.Request) -> bool:
        """Tell whether a request makes the platform do something."""
        ...

    def rate_limited(self, retry_after: str | None) -> web.Response:
        """Return its "too many requests"."""
        ...

    def unauthorized(self) -> web.Response:
        """Return its "who are you"."""
        ...

    def refusal(self, code: str) -> web.Response | None:
        """Return its refusal of this name; None where it refuses later, by itself."""
        ...


def is_gone(request: web.Request) -> Callable[[], bool]:
    """Return a question: has whoever made this request hung up?"""

    def gone() -> bool:
        return request.transport is None or request.transport.is_closing()

    return gone


def retry_after_header(value: str | None) -> dict[str, str]:
    """Return the header, where there is to be one."""
    return {} if value is None else {"Retry-After": value}


async def arguments_of(request: web.Request) -> dict[str, Any]:
    """Read the arguments of a call: JSON, or query and form."""
    if request.content_type == "application/json":
        return dict(await request.json())
    return {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}


class HttpPort:
    """Where a stand-in listens; may be closed and opened again while it keeps its state.

    Args:
        port: 0 picks a free one; it stays the same afterwards.
    """

    def __init__(self, standin: Standin, world: World, port: int = 0) -> None:
        self._standin = standin
        self._world = world
        self._runner: web.AppRunner | None = None
        self.port = port

    @property
    def url(self) -> str:
        """Return where it is reached, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.port}"

    async def open(self) -> None:
        """Listen, unless it does."""
        if self._runner is not None:
            return
        application = web.Application(middlewares=[self._through], client_max_size=2 * len(CHUNK))
        application.add_routes(self._standin.routes())
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOPS_WITHIN_S)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, self.port).start()
        self.port = runner.addresses[0][1]
        self._runner = runner

    async def close(self) -> None:
        """Refuse connections, and end those that are open."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @web.middleware
    async def _through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request go right or wrong, and write down which."""
        clock = self._world.clock
        at, began = clock.now(), clock.monotonic()
        name, body = self._standin.name, await request.read()
        fault = self._world.faults.pick(name, is_send=self._standin.is_send(request))
        answered = "nobody: the connection ended"
        try:
            response = await self._answer(request, handler, fault)
            if not is_gone(request)():
                answered = str(response.status)
        finally:
            did = request.get(DID)
            what = f"{request.method} {request.path_qs}"
            shown, took_s = body.decode("utf-8", "replace"), clock.monotonic() - began
            told = str(fault) if fault else None
            self._world.ledger.write(at, "from_hub", name, what, shown, told, did, answered, took_s)
        return response

    async def _answer(self, request: web.Request, handler: Handler, fault: Fault | None) -> web.StreamResponse:
        try:
            if fault is None:
                return await handler(request)
            return await _go_wrong(request, handler, fault, self._standin)
        except Vanished:
            return web.Response(status=500)  # nobody is there to read it


async def _go_wrong(request: web.Request, handler: Handler, fault: Fault, standin: Standin) -> web.StreamResponse:
    """Do what the fault says; platforms act first where it says so."""
    request[FAULT] = fault
    right = await handler(request) if fault.acts else web.Response()
    match fault.action:
        case "rate_limit":
            return standin.rate_limited(fault.retry_after)
        case "unauthorized":
            return standin.unauthorized()
        case "refuse":
            return standin.refusal(str(fault.code)) or await handler(request)
        case "redirect":
            return web.Response(status=302, headers={"Location": fault.location})
        case "error":
            return web.Response(status=fault.status, text="Internal Server Error")
        case "drip":
            return await _drip(request, right, fault.bytes_per_s)
        case "body":
            return await _spoil(request, right, fault.kind)
        case "hang":
            await until(is_gone(request))
        case _:
            _cut(request)
    return right


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _bytes_of(response: web.StreamResponse) -> bytes:
    body = response.body if isinstance(response, web.Response) else None
    return bytes(body) if isinstance(body, bytes | bytearray) else b""


async def _drip(request: web.Request, right: web.StreamResponse, bytes_per_s: float) -> web.StreamResponse:
    """Answer rightly, byte by byte (F047)."""
    body = _bytes_of(right)
    stream = web.StreamResponse(status=right.status, headers={"Content-Type": right.content_type})
    stream.content_length = len(body)
    with suppress(ConnectionError):
        await stream.prepare(request)
        for byte in body:
            await stream.write(bytes([byte]))
            with suppress(TimeoutError):
                async with asyncio.timeout(1 / bytes_per_s):
                    await until(is_gone(request))
    return stream


async def _spoil(request: web.Request, right: web.StreamResponse, kind: BodyKind) -> web.StreamResponse:
    """Answer as for a success, with a body that cannot be used (F049, F057)."""
    body = _bytes_of(right)
    match kind:
        case "huge":
            return await _pour(request)
        case "wrong_json":
            return web.json_response({"unexpected": [1, 2, 3]})
        case "not_json":
            return web.Response(text="<html><body>Welcome to the proxy</body></html>", content_type="text/html")
        case "empty":
            return web.Response(content_type="application/json")
        case _:
            return web.Response(body=body[: len(body) // 2], content_type="application/json")


async def _pour(request: web.Request) -> web.StreamResponse:
    """Answer with a JSON object of 50 MB."""
    start, end = json.dumps({"ok": True})[:-1].encode(), b"}"
    stream = web.StreamResponse(headers={"Content-Type": "application/json"})
    stream.content_length = len(start) + HUGE_BYTES + len(end)
    with suppress(ConnectionError):
        await stream.prepare(request)
        await stream.write(start)
        for _ in range(HUGE_BYTES // len(CHUNK)):
            await stream.write(CHUNK)
        await stream.write(end)
    return stream
