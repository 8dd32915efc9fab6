"""Rings between processes over NATS: a web process says that rows are there, the workers sweep at once.

A ring is a hint and carries nothing. MongoDB stays the truth, and the sweep reads it in the order of arrival, so
whoever holds a conversation finds its earlier message with the later one. A ring that is lost costs at most one sweep,
and a hub without NATS works the same, seconds slower between processes.
"""

import asyncio
from collections.abc import Callable

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from core.inbox import InboxRow

log = structlog.get_logger(__name__)

SUBJECT = "frontdesk.rows"
CONNECT_TIMEOUT_S = 2
RECONNECT_WAIT_S = 1
CONNECT_AGAIN_AFTER_S = 30.0


class Rings:
    """One connection to NATS; every failure of it is survived with one log line a change."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = Client()
        self._connecting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect, in the background: the hub does not wait for a hint."""
        self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        """Connect, and go on trying; once connected, the client reconnects by itself."""
        while True:
            try:
                await self._client.connect(
                    self._url,
                    name="frontdesk",
                    connect_timeout=CONNECT_TIMEOUT_S,
                    reconnect_time_wait=RECONNECT_WAIT_S,
                    max_reconnect_attempts=-1,
                    error_cb=self._note_error,
                    disconnected_cb=self._note_gone,
                    reconnected_cb=self._note_back,
                )
            except Exception as error:  # noqa: BLE001  a hint that cannot be had must not cost more than itself
                log.warning("nats_not_reached", error=type(error).__name__, effect="rows wait for the sweep")
                await asyncio.sleep(CONNECT_AGAIN_AFTER_S)
            else:
                return

    @staticmethod
    async def _note_error(error: Exception) -> None:
        log.debug("nats_error", error=type(error).__name__)

    @staticmethod
    async def _note_gone() -> None:
        log.warning("nats_gone", effect="rows wait for the sweep, up to two seconds")

    @staticmethod
    async def _note_back() -> None:
        log.info("nats_back")

    def ring(self, _row: InboxRow) -> None:
        """Tell the workers that there is a new row; does nothing while NATS is away."""
        if self._client.is_connected:
            asyncio.ensure_future(self._client.publish(SUBJECT)).add_done_callback(_forget_failure)

    async def listen(self, sweep_now: Callable[[], None]) -> None:
        """Pass rings on, until cancelled. Every worker hears every ring: only the holder of a conversation can act."""

        async def hear(_message: Msg) -> None:
            sweep_now()

        if self._connecting is not None:
            await self._connecting
        await self._client.subscribe(SUBJECT, cb=hear)
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Disconnect."""
        if self._connecting is not None:
            self._connecting.cancel()
        if not self._client.is_closed:
            await self._client.close()


def _forget_failure(task: "asyncio.Future[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.debug("ring_lost", error=type(error).__name__)
