"""Typing signs: shown while a turn is slow, as the platform has them, and always ended. Nothing waits for them.

They are no api calls of the outbox: not stored, not booked against a platform's pace, and what a platform says to one
changes nothing for replies.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from channels.base import Channel
from channels.inbound import TypingAbility
from core.errors import DeliveryError
from core.events import Event
from core.ids import account_key
from hub.tasks import end
from hub.telemetry import Metrics

STARTS_AFTER_S = 1.0
"""A turn that is faster needs no sign: it would only flicker. Ours."""
SHOWN_WITHIN_S = 5.0
"""For one request; a sign that comes later is worth nothing."""


@dataclass
class TypingSigns:
    """Shows signs for turns that are slow."""

    channels: Mapping[str, Channel]
    metrics: Metrics
    starts_after_s: float = STARTS_AFTER_S
    _working: set[asyncio.Task[None]] = field(default_factory=set)

    @contextmanager
    def during(self, event: Event) -> Iterator[None]:
        """Show a sign to whoever said this, once the block has lasted for a moment, until it ends."""
        channel = self.channels[account_key(event.channel, event.account)]
        if (ability := channel.capabilities.typing) is None:
            yield
            return
        showing: list[asyncio.Task[None]] = []
        start = asyncio.get_running_loop().call_later(
            self.starts_after_s, lambda: showing.append(self._spawn(self._show(channel, event, ability)))
        )
        try:
            yield
        finally:
            start.cancel()
            for task in showing:
                task.cancel()

    async def _show(self, channel: Channel, event: Event, ability: TypingAbility) -> None:
        """Show, and show again before the sign goes by itself; cancelled when the turn ends."""
        try:
            while True:
                if not await self._tell(channel, event, is_on=True):
                    return
                await asyncio.sleep(ability.renew_every_s)
        finally:
            if ability.must_end:
                self._spawn(self._end(channel, event))

    async def _end(self, channel: Channel, event: Event) -> None:
        await self._tell(channel, event, is_on=False)

    async def _tell(self, channel: Channel, event: Event, *, is_on: bool) -> bool:
        """Make one request; False when it failed, and then there are no more for this turn."""
        try:
            async with asyncio.timeout(SHOWN_WITHIN_S):
                await channel.show_typing(event, is_on=is_on)
        except (DeliveryError, TimeoutError) as error:
            self.metrics.typing_failures.labels(channel.name, type(error).__name__).inc()
            return False
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    async def close(self) -> None:
        """End every sign that is being shown."""
        await end(list(self._working))
        await end(list(self._working))  # those that the first round began: they take signs away
