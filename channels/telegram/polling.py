"""Long polling: an update is confirmed to Telegram only after it is journaled (T6)."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from core.errors import DeliveryError, HubError, RateLimited, StoreUnavailable, UnknownOutcome

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Also bounds how long polling stays off after an outage. Both are our choice."""

Pause = Callable[[float], Awaitable[None]]
Journal = Callable[[Any], Awaitable[object]]
"""Makes one update durable; raises `StoreUnavailable` when it cannot."""

log = structlog.get_logger(__name__)


class UpdateSource(Protocol):
    """Where updates come from."""

    async def get_updates(self, offset: int | None, kinds: tuple[str, ...]) -> list[Any]:
        """Wait for updates; see `TelegramClient.get_updates`."""
        ...


class BackOff:
    """Pauses that double after each failure in a row, with jitter so that many bots do not come back at once."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._failures = 0

    def reset(self) -> None:
        """Forget past failures."""
        self._failures = 0

    async def wait(self, error: Exception) -> None:
        """Wait before the next try; as long as Telegram asks where it asks."""
        self._failures += 1
        longest = min(FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE_S)
        jittered = longest * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, hides nothing
        pause_s = error.retry_after_s if isinstance(error, RateLimited) else jittered
        log.warning("telegram_receiving_paused", error=str(error), kind=type(error).__name__, pause_s=round(pause_s, 1))
        await self._pause(pause_s)


async def until_done(attempt: Callable[[], Awaitable[object]], pause: Pause = asyncio.sleep) -> None:
    """Repeat a preparation until it succeeds."""
    back_off = BackOff(pause)
    while True:
        try:
            await attempt()
        except DeliveryError as error:
            await back_off.wait(error)
        else:
            return


class Poller:
    """Asks for updates for ever, one batch at a time."""

    def __init__(
        self, source: UpdateSource, kinds: tuple[str, ...], journal: Journal, pause: Pause = asyncio.sleep
    ) -> None:
        self._source = source
        self._kinds = kinds
        self._journal = journal
        self._back_off = BackOff(pause)

    async def run(self) -> None:
        """Poll until cancelled; outages of Telegram, a second poller (409) and of the store only make it pause."""
        offset: int | None = None
        while True:
            try:
                updates = await self._source.get_updates(offset, self._kinds)
            except DeliveryError as error:
                await self._back_off.wait(error)
                continue
            # An empty answer proves that `offset` was understood. Asking on without one keeps no highest id, which
            # would confirm away what comes when ids start anew after a quiet week (T4).
            offset, failure = await self._journaled(updates)
            if failure is None:
                self._back_off.reset()
            else:
                await self._back_off.wait(failure)

    async def _journaled(self, updates: list[Any]) -> tuple[int | None, HubError | None]:
        """Journal a batch at once; return what may be confirmed: everything before the first that is not durable."""
        outcomes = await asyncio.gather(*map(self._journal, updates), return_exceptions=True)
        offset: int | None = None
        for update, outcome in zip(updates, outcomes, strict=True):
            if isinstance(outcome, StoreUnavailable):
                return offset, outcome
            if isinstance(outcome, BaseException):
                raise outcome
            offset = _after(update, offset)
        nameless = bool(updates) and offset is None
        return offset, UnknownOutcome("a batch of updates without ids") if nameless else None


def _after(update: Any, offset: int | None) -> int | None:
    """Return the offset that confirms this update; one without an id cannot be named, only passed over."""
    update_id = update.get("update_id") if isinstance(update, dict) else None
    return update_id + 1 if type(update_id) is int else offset
