"""Hints between processes over NATS JetStream: "this conversation has something to do", to whom it belongs.

A hint is no message. MongoDB is the truth; whoever gets a hint reads there, in order, what is open. One subject and one
durable consumer for each partition: what is published while its owner changes waits for the new one. A hint is acked
when the conversation has a lane here; from then on its lease and the sweep see to it (ADR 0011). Losing NATS, or all
that it holds, costs the wait for a sweep and nothing else.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, StreamConfig
from nats.js.errors import BadRequestError

from core.failpoints import reach
from hub.tasks import end
from hub.telemetry import Metrics

log = structlog.get_logger(__name__)

STREAM = "FRONTDESK"
SUBJECT = "frontdesk.turns"
KEPT_S = 3600.0
"""Older than this a hint says nothing that the sweep has not found long ago."""
ACK_WAIT_S = 30.0
FETCHED_AT_ONCE = 64
FETCH_WAIT_S = 5.0
CONNECT_TIMEOUT_S = 2
RECONNECT_WAIT_S = 1
PING_EVERY_S = 2
"""A server that is silent for two of these is gone: then the sweep looks for what nobody announces."""
AGAIN_AFTER_S = 1.0
CONNECT_AGAIN_AFTER_S = 10.0
LOOK_AT_PARTITIONS_EVERY_S = 0.5
SETTLED_AFTER_S = 3.0
"""So long after a connection was made somebody may not hear yet: until then the sweep spares nothing."""


class Hints:
    """One connection to NATS; every failure of it is survived, with one log line for each change."""

    def __init__(self, url: str, metrics: Metrics) -> None:
        self._servers = [server.strip() for server in url.split(",")]
        self._metrics = metrics
        self._client = Client()
        self._connecting: asyncio.Task[None] | None = None
        self._publishing: set[asyncio.Future[None]] = set()
        self._connected_at = 0.0
        """Seconds of the event loop's clock."""

    @property
    def is_settled(self) -> bool:
        """Tell whether a hint sent now would be heard."""
        now = asyncio.get_running_loop().time()
        return self._client.is_connected and now - self._connected_at >= SETTLED_AFTER_S

    async def start(self) -> None:
        """Begin to connect, in the background: the hub does not wait for a hint."""
        self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        """Connect, and go on trying; once connected, the client reconnects by itself."""
        while True:
            try:
                await self._client.connect(
                    self._servers,
                    name="frontdesk",
                    connect_timeout=CONNECT_TIMEOUT_S,
                    reconnect_time_wait=RECONNECT_WAIT_S,
                    ping_interval=PING_EVERY_S,
                    max_reconnect_attempts=-1,
                    pending_size=0,  # a hint that waits for a reconnect is worth nothing
                    error_cb=self._note_error,
                    disconnected_cb=self._note_gone,
                    reconnected_cb=self._note_back,
                )
            except Exception as error:  # noqa: BLE001  a hint that cannot be had must not cost more than itself
                log.warning("nats_not_reached", error=type(error).__name__, effect="rows wait for the sweep")
                await asyncio.sleep(CONNECT_AGAIN_AFTER_S)
            else:
                self._note_connected()
                return

    def _note_connected(self) -> None:
        self._connected_at = asyncio.get_running_loop().time()
        self._metrics.nats_up.set(1)

    @staticmethod
    async def _note_error(error: Exception) -> None:
        log.debug("nats_error", error=type(error).__name__)

    async def _note_gone(self) -> None:
        self._metrics.nats_up.set(0)
        log.warning("nats_gone", effect="rows wait for the sweep, up to two seconds")

    async def _note_back(self) -> None:
        self._note_connected()
        log.info("nats_back")

    def send(self, partition: int, what: str) -> None:
        """Tell the owner of a partition to look at something; does nothing while NATS is away."""
        if not self._client.is_connected:
            return
        sending = asyncio.ensure_future(self._client.publish(f"{SUBJECT}.{partition}", what.encode()))
        self._publishing.add(sending)
        sending.add_done_callback(self._sent)

    def _sent(self, sending: "asyncio.Future[None]") -> None:
        self._publishing.discard(sending)
        if sending.cancelled():
            return
        error = sending.exception()
        self._metrics.hints.labels("sent" if error is None else "lost").inc()

    async def follow(self, mine: Callable[[], frozenset[int]], hear: Callable[[str], None]) -> None:
        """Hear the hints of our partitions, whichever they are at the time, until cancelled."""
        if self._connecting is not None:
            await self._connecting
        listening: dict[int, asyncio.Task[None]] = {}
        since = self._connected_at
        try:
            while True:
                if since != self._connected_at:  # nobody answers what was asked for over the connection before
                    since = self._connected_at
                    await end(listening.values())
                    listening.clear()
                wanted = mine()
                for number in wanted - listening.keys():
                    listening[number] = asyncio.create_task(self._listen(number, hear))
                await end([listening.pop(number) for number in listening.keys() - wanted])
                await asyncio.sleep(LOOK_AT_PARTITIONS_EVERY_S)
        finally:
            await end(listening.values())

    async def _listen(self, number: int, hear: Callable[[str], None]) -> None:
        """Hear one partition; a server that lost its stream gets it again."""
        while True:
            try:
                await self._ensure_stream()
                await self._pull(number, hear)
            except Exception as error:  # noqa: BLE001  whatever NATS does, the sweep goes on and so must this loop
                log.debug("hints_interrupted", partition=number, error=type(error).__name__)
                await asyncio.sleep(AGAIN_AFTER_S)

    def _stream(self) -> JetStreamContext:
        return self._client.jetstream()

    async def _ensure_stream(self) -> None:
        config = StreamConfig(
            name=STREAM, subjects=[f"{SUBJECT}.*"], max_age=KEPT_S, discard=DiscardPolicy.OLD, max_msgs=1_000_000
        )
        with suppress(BadRequestError):  # it exists, set up by somebody with other wishes
            await self._stream().add_stream(config)

    async def _pull(self, number: int, hear: Callable[[str], None]) -> None:
        config = ConsumerConfig(
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            max_ack_pending=FETCHED_AT_ONCE,
            filter_subject=f"{SUBJECT}.{number}",
        )
        subscription = await self._stream().pull_subscribe(
            f"{SUBJECT}.{number}", durable=f"partition-{number:02}", stream=STREAM, config=config
        )
        try:
            while True:
                with suppress(NatsTimeoutError):
                    for message in await subscription.fetch(FETCHED_AT_ONCE, timeout=FETCH_WAIT_S):
                        await self._take(message, hear)
        finally:
            with suppress(Exception):
                await subscription.unsubscribe()

    async def _take(self, message: Msg, hear: Callable[[str], None]) -> None:
        what = message.data.decode(errors="replace")
        hear(what)
        self._metrics.hints.labels("heard").inc()
        await message.ack()
        await reach("hint.acked", what.partition(":")[0])

    async def close(self) -> None:
        """Disconnect."""
        if self._connecting is not None:
            self._connecting.cancel()
        if not self._client.is_closed:
            with suppress(Exception):  # it may be in the middle of connecting
                await self._client.close()
