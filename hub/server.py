"""The HTTP side: the channels' routes, health, readiness, metrics, and a clean stop."""

import asyncio
import resource
import signal
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from core.errors import ConfigError, StoreUnavailable
from core.failpoints import is_armed, reach
from hub.adapters import channel_names
from hub.app import READY_WITHIN_S, App
from hub.callers import Callers
from hub.connections import FirstHeaders
from hub.connectors.sample_orders import SAMPLE_PATH, sample_orders_app
from hub.fidelity.page import preview_routes
from hub.media.links import Links
from hub.tasks import end

log = structlog.get_logger(__name__)

HEADER_LIMIT_BYTES = 8190
"""One header line; aiohttp answers 400 beyond it."""
HEADERS_AT_MOST = 100
REQUEST_LIMITS = {
    "max_field_size": HEADER_LIMIT_BYTES,
    "max_line_size": HEADER_LIMIT_BYTES,
    "max_headers": HEADERS_AT_MOST,
    "auto_decompress": False,  # a compressed body is refused unread (F075)
    "read_bufsize": 16 * 1024,  # bytes that wait on one connection; aiohttp's 256 KiB add up (F074)
}
CONNECTIONS_END_WITHIN_S = 2.0
KEEP_ALIVE_S = 75.0
"""How long a quiet connection is kept: longer than the 60 s after which most proxies let go, so that it is never we who
close while a proxy sends. It also ends what connects and says nothing."""
ROOM_CHECKED_EVERY_S = 2.0
SHARE_OF_DESCRIPTORS = 0.5
"""The database, platforms and files need the others."""
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
    if is_armed():
        await _replied(request, response)
    return response


async def _replied(request: web.Request, response: web.StreamResponse) -> None:
    """Answer a platform before the failpoint behind its answer is reached."""
    channel = request.path.split("/", 2)[1]
    if request.method == "POST" and channel in channel_names() and 200 <= response.status < 300:
        await response.prepare(request)
        await response.write_eof()
        await reach("accept.replied", channel)


def _route_name(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def build_server(app: App) -> web.Application:
    """Mount everything this process serves."""
    callers = Callers(app.settings.server, app.settings.limits, app.clock, app.metrics)
    server = web.Application(middlewares=[_guard, callers.middleware()], handler_args=REQUEST_LIMITS)
    pages = _Pages(app)
    server.router.add_get("/healthz", pages.health)
    server.router.add_get("/readyz", pages.readiness)
    server.router.add_get("/metrics", pages.metrics)
    if app.role != "worker":
        server.router.add_get("/", pages.home)
        server.add_routes(Links(app.settings.link_key, app.shelf, app.clock).routes())
        for channel in app.channels.values():
            server.add_routes(channel.routes())
    if app.role in ("all", "web"):
        server.add_routes(preview_routes(app.settings, app.content, app.session, app.clock))
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
        """Answer 200 when a message could be accepted now: by the database, or while that is away by the spool."""
        spool = self._app.inbox.spool
        said = {} if spool is None or spool.problem is None else {"spool": f"cannot write: {spool.problem}"}
        if not self._app.ready:
            return web.json_response({"status": "starting or stopping"} | said, status=503)
        if await self._database_answers():
            return web.json_response({"status": "ready"} | said)
        if spool is None or spool.problem is not None:
            return web.json_response({"status": "database does not answer"} | said, status=503)
        return web.json_response({"status": "ready", "database": "away, payloads go to the spool"})

    async def _database_answers(self) -> bool:
        try:
            await asyncio.wait_for(self._app.store.ping(), READY_WITHIN_S)
        except (StoreUnavailable, TimeoutError):
            return False
        return True

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
    server, headers = build_server(app), FirstHeaders(app.clock)
    server.middlewares.insert(0, headers.middleware())
    runner = web.AppRunner(
        server,
        access_log=None,
        shutdown_timeout=CONNECTIONS_END_WITHIN_S,
        keepalive_timeout=KEEP_ALIVE_S,
    )
    await runner.setup()
    watchers = [asyncio.create_task(work) for work in (_keep_room(runner), headers.keep(runner))]
    settings = app.settings.server
    try:
        await app.start(partial(_listen, runner, settings.host, settings.port))
        log.info("serving", url=app.settings.origin, role=app.role, accounts=sorted(app.channels))
        await _until_told_to_stop()
    finally:
        await end(watchers)
        for site in list(runner.sites):
            await site.stop()
        await app.stop()
        await runner.cleanup()


async def _keep_room(runner: web.AppRunner) -> None:
    """Let quiet connections go early while there are too many (FAULTS F039), until cancelled.

    What is being answered goes on, WebSockets too.
    """
    before: set[RequestHandler] = set()
    while True:
        await asyncio.sleep(ROOM_CHECKED_EVERY_S)
        most = int(resource.getrlimit(resource.RLIMIT_NOFILE)[0] * SHARE_OF_DESCRIPTORS)
        present = set(runner.server.connections) if runner.server is not None else set()
        if len(present) > most:
            log.warning("connections_crowded", open=len(present), most=most)
            for connection in present & before:
                if connection._current_request is None:  # noqa: SLF001  aiohttp has no public word for it
                    connection.force_close()
        before = present


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
