"""Receiving over HTTP: events, button presses and slash commands come to one handler (CHANNELS 1.1, 1.2, 1.4)."""

import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from channels.base import Accept
from channels.http import headers_of, read_body, try_later
from channels.inbound import Inbound
from channels.payload import clean_text, load_object
from channels.slack.surfaces import Surfaces
from channels.slack.verify import verify
from core.clock import Clock
from core.errors import InvalidSignature, MalformedPayload, StoreUnavailable
from core.ids import AccountName, ChannelName

KEPT_HEADERS = ("content-type", "x-slack-retry-num", "x-slack-retry-reason")
"""A repeated delivery is told apart by its event id alone: the first one may have been lost (S6)."""
PATHS = ("events", "interactivity", "commands")
MAX_HANDSHAKE_BYTES = 4096
"""Longer bodies are neither a challenge nor a probe."""

Hear = Callable[[bytes], Awaitable[None]]
"""Is told of what was journaled, before Slack may forget it. Raises `StoreUnavailable`: Slack must come again."""

log = logging.getLogger(__name__)


async def hear_nothing(_body: bytes) -> None:
    """Stand where nothing but the journal needs to know."""


class Webhook:
    """The HTTP side of one account."""

    def __init__(
        self,
        account: AccountName,
        secrets: Sequence[str],
        clock: Clock,
        accept: Accept,
        hear: Hear = hear_nothing,
        surfaces: Surfaces | None = None,
    ) -> None:
        self._account = account
        self._secrets = secrets
        self._clock = clock
        self._accept = accept
        self._hear = hear
        self._surfaces = surfaces

    def routes(self) -> list[web.RouteDef]:
        """Return the three addresses that Slack's settings ask for; they all do the same."""
        paths = [f"/slack/{self._account}/{path}" for path in PATHS]
        return [web.post(path, self.receive) for path in paths] + [
            web.get(path, _probe, allow_head=False) for path in paths
        ]

    async def receive(self, request: web.Request) -> web.Response:
        """Verify, journal, and answer with an empty 200: to a modal any other body says what is wrong in it (S23)."""
        body = await read_body(request)
        if _is_ssl_check(body):
            return web.Response()
        try:
            self._verify(request, body)
        except InvalidSignature as error:
            log.warning("slack request refused: %s", error)
            return web.Response(status=401)
        challenge = _challenge(body)
        if challenge is not None:
            return web.Response(text=challenge, headers={"X-Content-Type-Options": "nosniff"})
        inbound = self._inbound(request, body)
        if self._surfaces is not None and (answer := await self._surfaces.respond(inbound)) is not None:
            return web.Response() if answer.body is None else web.json_response(answer.body)
        try:
            await self._accept(inbound)
            await self._hear(body)
        except StoreUnavailable:
            return try_later()
        if self._surfaces is not None:
            self._surfaces.notice(inbound)
        return web.Response()

    def _verify(self, request: web.Request, body: bytes) -> None:
        signatures = request.headers.getall("X-Slack-Signature", [])
        timestamps = request.headers.getall("X-Slack-Request-Timestamp", [])
        verify(body, signatures, timestamps, self._secrets, self._clock.now())

    def _inbound(self, request: web.Request, body: bytes) -> Inbound:
        kept = {name: clean_text(value) for name, value in headers_of(request, KEPT_HEADERS).items()}
        return Inbound(ChannelName("slack"), self._account, body, self._clock.now(), kept)


async def _probe(request: web.Request) -> web.Response:
    """Answer Slack's check of our certificate (S27); nothing else is read here."""
    return web.Response(status=200 if request.query.get("ssl_check") == "1" else 404)


def _is_ssl_check(body: bytes) -> bool:
    """Tell whether this is the unsigned check of our certificate (S27): it is answered, and stores nothing."""
    return len(body) <= MAX_HANDSHAKE_BYTES and b"ssl_check=1" in body.split(b"&")


def _challenge(body: bytes) -> str | None:
    """Return the challenge of a url_verification (S3), which is no event and not journaled."""
    if len(body) > MAX_HANDSHAKE_BYTES or b"url_verification" not in body:
        return None
    try:
        payload = load_object(body)
    except MalformedPayload:
        return None
    challenge = payload.get("challenge")
    return challenge if payload.get("type") == "url_verification" and isinstance(challenge, str) else None
