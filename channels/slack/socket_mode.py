"""Receiving over a web socket that we open; docs.slack.dev/apis/events-api/using-socket-mode (CHANNELS 1.3).

Bolt's handler holds the connection: it opens, watches, replaces and closes it. Only what it does with an envelope is
ours: it is journaled first and acknowledged then, for what is not acknowledged within 3 s, Slack sends again.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from channels.base import Accept
from channels.inbound import Inbound
from channels.payload import clean_text
from channels.slack.payloads import ENVELOPE_HEADER
from channels.slack.surfaces import Surfaces
from core.clock import Clock
from core.errors import StoreUnavailable
from core.ids import AccountName, ChannelName

log = logging.getLogger(__name__)
sdk_log = logging.getLogger(f"{__name__}.sdk")
sdk_log.setLevel(logging.INFO)  # at DEBUG the SDK writes out what people wrote


@dataclass(frozen=True, slots=True)
class Journal:
    """Hands the envelopes of one account to the inbox."""

    account: AccountName
    clock: Clock
    accept: Accept
    surfaces: Surfaces

    async def keep(self, request: SocketModeRequest) -> dict[str, Any] | None:
        """Return once an envelope is durable, or needs not be; what is returned goes along with the acknowledgement.

        Raises:
            StoreUnavailable: it is not.
        """
        inbound = self._inbound(request)
        if (answer := await self.surfaces.respond(inbound)) is not None:
            return answer.body
        await self.accept(inbound)
        self.surfaces.notice(inbound)
        return None

    def _inbound(self, request: SocketModeRequest) -> Inbound:
        retry = {"x-slack-retry-num": request.retry_attempt, "x-slack-retry-reason": request.retry_reason}
        return Inbound(
            channel=ChannelName("slack"),
            account=self.account,
            body=json.dumps(request.payload, separators=(",", ":")).encode(),
            received_at=self.clock.now(),
            headers={ENVELOPE_HEADER: clean_text(str(request.type))}
            | {name: clean_text(str(value)) for name, value in retry.items() if value},
        )


class JournalingHandler(AsyncSocketModeHandler):
    """Bolt's handler with our inbox in the place of Bolt's dispatch.

    Dispatching would lose envelopes: Bolt 1.30 reads a payload before any middleware runs, raises on one it does not
    expect, and does not hand on the envelope's type.
    """

    def __init__(self, app: AsyncApp, app_token: str, journal: Journal, connected: Callable[[], None]) -> None:
        super().__init__(app, app_token)
        self.client.proxy = None  # slack_sdk read it from the environment
        self.client.message_listeners.append(self._greeted)
        self._journal = journal
        self._connected = connected

    async def _greeted(
        self, _client: AsyncBaseSocketModeClient, message: Mapping[str, Any], _raw: str | None = None
    ) -> None:
        """Say that a connection stands: Slack greets on each new one, and what came before it may be lost."""
        if message.get("type") == "hello":
            self._connected()

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        """Journal an envelope, then acknowledge it; without a journal it is left for Slack to send again."""
        try:
            payload = await self._journal.keep(req)
        except StoreUnavailable:
            log.warning("slack envelope not acknowledged: the store does not answer")
            return
        await client.send_socket_mode_response(SocketModeResponse(envelope_id=req.envelope_id, payload=payload))


async def listen(app_token: str, web: AsyncWebClient, journal: Journal, connected: Callable[[], None]) -> None:
    """Receive until cancelled; Bolt reconnects by itself, and `connected` is called each time."""
    app = AsyncApp(name="frontdesk", client=web, signing_secret="", logger=sdk_log)  # a socket is not signed
    handler = JournalingHandler(app, app_token, journal, connected)
    try:
        await handler.start_async()  # type: ignore[no-untyped-call]  # Bolt leaves it untyped
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]  # Bolt leaves it untyped
