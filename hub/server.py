"""The HTTP side: the channels' routes, health, readiness, metrics, and a clean stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from core.errors import StoreUnavailable
from hub.clock import SystemClock
from hub.connectors.sample_orders import load_sample_orders, sample_orders
from hub.settings import SAMPLE_ORDERS
from hub.wiring import SAMPLE_PATH, App

log = structlog.get_logger(__name__)

HEADER_LIMIT_BYTES = 8190
"""One header line; aiohttp answers 400 beyond it."""
READY_WITHIN_S = 1.0
SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what a handler did not expect without telling anything, and send the headers every answer has."""
    try:
        response = await handler(request)
    except web.HTTPException as answer:
        answer.headers.update(SAFE_HEADERS)
        raise
    except Exception as error:  # noqa: BLE001  the last line of defence; the route's name is enough to find it
        log.error("request_failed", route=_route_name(request), error=type(error).__name__)
        return web.json_response(
            {"type": "about:blank", "title": "Internal error", "status": 500},
            status=500,
            content_type="application/problem+json",
            headers=SAFE_HEADERS,
        )
    if not response.prepared:
        for name, value in SAFE_HEADERS.items():
            response.headers.setdefault(name, value)
    return response


def _route_name(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def build_server(app: App) -> web.Application:
    """Mount everything this process serves."""
    server = web.Application(middlewares=[_guard], handler_args={"max_field_size": HEADER_LIMIT_BYTES})
    server.add_routes(
        [
            web.get("/healthz", _health),
            web.get("/readyz", lambda _: _ready(app)),
            web.get("/metrics", lambda _: _metrics(app)),
        ]
    )
    if app.role != "worker":
        for channel in app.channels.values():
            server.add_routes(channel.routes())
        server.router.add_get("/", lambda _: _home(app))
    if app.settings.connectors.orders_url is None:
        server.add_subapp(SAMPLE_PATH, sample_orders(load_sample_orders(SAMPLE_ORDERS), SystemClock()))
    return server


async def _health(_request: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def _ready(app: App) -> web.Response:
    """Answer 200 when a message could be accepted now."""
    try:
        await asyncio.wait_for(app.store.ping(), READY_WITHIN_S)
    except (StoreUnavailable, TimeoutError):
        return web.json_response({"status": "database does not answer"}, status=503)
    if not app.ready:
        return web.json_response({"status": "starting or stopping"}, status=503)
    return web.json_response({"status": "ready"})


async def _metrics(app: App) -> web.Response:
    return web.Response(body=generate_latest(app.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _home(app: App) -> web.Response:
    """Lead a visitor of the bare address to the first web chat, where there is one."""
    for key in app.channels:
        channel, _, account = key.partition(":")
        if channel == "web":
            raise web.HTTPFound(f"/web/{account}")
    return web.Response(text="Frontdesk is running.\n")


async def run_server(app: App) -> None:
    """Serve until SIGTERM or SIGINT, then stop in order: readiness off, no new work, finish, give back."""
    runner = web.AppRunner(build_server(app), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    settings = app.settings.server
    try:
        await web.TCPSite(runner, settings.host, settings.port, reuse_port=False).start()
        await app.start()
        log.info("serving", url=app.settings.origin, role=app.role, accounts=sorted(app.channels))
        await _until_told_to_stop()
    finally:
        app.ready = False
        await runner.cleanup()
        await app.stop()


async def _until_told_to_stop() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
