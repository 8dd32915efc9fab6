"""The HTTP side: the channels' routes, health, readiness, metrics, and a clean stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from core.errors import ConfigError, StoreUnavailable
from hub.connectors.sample_orders import SAMPLE_PATH, sample_orders_app
from hub.wiring import App

log = structlog.get_logger(__name__)

HEADER_LIMIT_BYTES = 8190
"""One header line; aiohttp answers 400 beyond it."""
READY_WITHIN_S = 1.0
CONNECTIONS_END_WITHIN_S = 2.0
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
    pages = _Pages(app)
    server.router.add_get("/healthz", pages.health)
    server.router.add_get("/readyz", pages.readiness)
    server.router.add_get("/metrics", pages.metrics)
    if app.role != "worker":
        server.router.add_get("/", pages.home)
        for channel in app.channels.values():
            server.add_routes(channel.routes())
    if app.settings.connectors.orders_url is None:
        server.add_subapp(SAMPLE_PATH, sample_orders_app())
    return server


class _Pages:
    """What a hub serves for itself."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def health(self, _request: web.Request) -> web.Response:
        """Answer while the process lives."""
        return web.json_response({"status": "alive"})

    async def readiness(self, _request: web.Request) -> web.Response:
        """Answer 200 when a message could be accepted now."""
        try:
            await asyncio.wait_for(self._app.store.ping(), READY_WITHIN_S)
        except (StoreUnavailable, TimeoutError):
            return web.json_response({"status": "database does not answer"}, status=503)
        if not self._app.ready:
            return web.json_response({"status": "starting or stopping"}, status=503)
        return web.json_response({"status": "ready"})

    async def metrics(self, _request: web.Request) -> web.Response:
        """Give every number in Prometheus' text format."""
        text = generate_latest(self._app.metrics.registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def home(self, _request: web.Request) -> web.Response:
        """Lead a visitor of the bare address to the first web chat, where there is one."""
        for channel in self._app.channels.values():
            if channel.name == "web":
                raise web.HTTPFound(f"/web/{channel.account}")
        return web.Response(text="Frontdesk is running.\n")


async def run_server(app: App) -> None:
    """Serve until SIGTERM or SIGINT, then stop in order: no new connections, no new messages, finish, give back."""
    runner = web.AppRunner(build_server(app), access_log=None, shutdown_timeout=CONNECTIONS_END_WITHIN_S)
    await runner.setup()
    settings = app.settings.server
    try:
        await _listen(runner, settings.host, settings.port)
        await app.start()
        log.info("serving", url=app.settings.origin, role=app.role, accounts=sorted(app.channels))
        await _until_told_to_stop()
    finally:
        for site in list(runner.sites):
            await site.stop()
        await app.stop()
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise ConfigError(
            f"{host}:{port} cannot be listened on ({error.strerror}); set FRONTDESK_PORT or use --port"
        ) from error


async def _until_told_to_stop() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
