"""Whether earlier rows than those in the database may still be in the spool of some process (ADR 0011).

A process says that it spools in the document of its heartbeat, at once. Where the database was away or slow, nobody
could say anything: then everybody gets the time to.
"""

import asyncio
from collections.abc import Callable
from math import inf

from core.clock import Clock
from core.errors import StoreError
from core.storage import Store

ALIVE_S = 8.0
"""Silent for longer, and a process counts as gone."""
SPOKEN_WITHIN_S = 2.5
"""After so long every living process has said something: a beat is due every two seconds."""
UNDRAINED_AT_MOST_S = 30.0
"""Longer than most outages take to drain: past it, whoever still spools is not waited for."""
SAY_AGAIN_AFTER_S = 0.25
PING_EVERY_S, SLOW_PING_S = 0.5, 0.4
"""An insert is spooled after a second: then one ping at least has waited for as long as this."""


class Spools:
    """What processes say of their spools.

    Args:
        name: of this process.
        is_alone: tells whether nobody else is there to be told or to be waited for.
    """

    def __init__(self, store: Store, name: str, clock: Clock, is_alone: Callable[[], bool]) -> None:
        self._store = store
        self._name = name
        self._clock = clock
        self._is_alone = is_alone
        self.ours: Callable[[], bool] = lambda: False
        """Tells whether this process has accepted something that is not in the database yet."""
        self.said = False
        """What the others know of it."""
        self._changed = asyncio.Event()
        self._troubled_since = self._quiet_from = -inf
        self._waited_since: dict[str, float] = {}

    def changed(self) -> None:
        """Have the others told: something has come into our spool, or it has become empty."""
        self._changed.set()

    async def tell(self) -> None:
        """Tell the others about our spool as soon as that changes, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while not self._is_alone() and (spools := self.ours()) != self.said:
                try:
                    await self._store.note_spool(self._name, spools=spools)
                    self.said = spools
                except StoreError:
                    await asyncio.sleep(SAY_AGAIN_AFTER_S)

    async def look_out(self) -> None:
        """Notice when the database is away, or slow enough for others to have spooled, until cancelled."""
        while True:
            await asyncio.sleep(PING_EVERY_S)
            if self._is_alone():
                continue
            asked = self._clock.monotonic()
            try:
                await self._store.ping()
            except StoreError:
                self._quiet_from = -inf  # a series of failures has no end that could be waited for
                self.note_trouble()
            else:
                if self._clock.monotonic() - asked > SLOW_PING_S:
                    self.note_trouble()

    def note_trouble(self) -> None:
        """Begin to wait until everybody has had the time to say whether it spools."""
        now = self._clock.monotonic()
        if now > self._quiet_from:
            self._troubled_since = now
        self._quiet_from = now + SPOKEN_WITHIN_S

    async def has_undrained(self) -> bool:
        """Tell whether a turn that is taken now might overtake an earlier message.

        Raises:
            StoreError: the database does not answer.
        """
        is_recent = self._clock.monotonic() < self._quiet_from + ALIVE_S
        names = await self._store.spooling(ALIVE_S, SPOKEN_WITHIN_S if is_recent else None)
        now = self._clock.monotonic()
        if now < self._quiet_from and now - self._troubled_since < UNDRAINED_AT_MOST_S:
            return True
        self._waited_since = {name: self._waited_since.get(name, now) for name in names}
        return any(now - since < UNDRAINED_AT_MOST_S for since in self._waited_since.values())
