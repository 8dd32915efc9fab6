"""Receiving over a web socket that we open; docs.slack.dev/apis/events-api/using-socket-mode (CHANNELS 1.3).

An envelope is journaled first and acknowledged then: what is not acknowledged within 3 s, Slack sends again. The
client is slack_sdk's, which Bolt's handler wraps too; why not Bolt's handler itself is told in README.md.
"""

import asyncio
import json
import logging

from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from channels.base import Accept, Inbound
from channels.payload import clean_text
from channels.slack.payloads import ENVELOPE_HEADER
from core.clock import Clock
from core.errors import StoreUnavailable
from core.ids import AccountName, ChannelName

log = logging.getLogger(__name__)
sdk_log = logging.getLogger(f"{__name__}.sdk")
sdk_log.setLevel(logging.INFO)  # at DEBUG the SDK writes out what people wrote


class SocketListener:
    """Holds the socket of one account open and hands every envelope to the inbox."""

    def __init__(self, account: AccountName, app_token: str, web: AsyncWebClient, clock: Clock, accept: Accept) -> None:
        self._account = account
        self._app_token = app_token
        self._web = web
        self._clock = clock
        self._accept = accept

    async def run(self) -> None:
        """Receive until cancelled; the SDK reconnects by itself."""
        client = SocketModeClient(app_token=self._app_token, web_client=self._web, logger=sdk_log)
        client.proxy = None  # slack_sdk read it from the environment
        client.socket_mode_request_listeners.append(self._receive)
        try:
            await client.connect()  # type: ignore[no-untyped-call]  # slack_sdk leaves it untyped
            await asyncio.Event().wait()
        finally:
            await client.close()  # type: ignore[no-untyped-call]  # slack_sdk leaves it untyped

    async def _receive(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        try:
            await self._accept(self._inbound(request))
        except StoreUnavailable:
            log.warning("slack envelope not acknowledged: the store does not answer")
            return
        await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))

    def _inbound(self, request: SocketModeRequest) -> Inbound:
        retry = {"x-slack-retry-num": request.retry_attempt, "x-slack-retry-reason": request.retry_reason}
        return Inbound(
            channel=ChannelName("slack"),
            account=self._account,
            body=json.dumps(request.payload, separators=(",", ":")).encode(),
            received_at=self._clock.now(),
            headers={ENVELOPE_HEADER: clean_text(str(request.type))}
            | {name: clean_text(str(value)) for name, value in retry.items() if value},
        )
