"""What all stand-ins of one run share."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from core.clock import Clock
from hub.clock import SystemClock
from hub.emulate.faults import Faults
from hub.emulate.ledger import Ledger
from hub.emulate.pace import Pace

LOOPBACK = "127.0.0.1"
"""The only address that platforms listen on: they believe whoever knows the printed secrets."""
ENDS_WITHIN_S = 0.1
"""Before a task is asked once more to end."""


def fresh_session() -> aiohttp.ClientSession:
    """Return a session that opens a connection for each try: an idle one that the hub closed would fail for nothing."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


@dataclass
class World:
    """Ground truth, faults, pace and time; made inside the event loop.

    Args:
        scale: how many times faster than in the real world a platform tries again; 20 makes a minute three seconds.
    """

    ledger: Ledger = field(default_factory=Ledger)
    faults: Faults = field(default_factory=Faults)
    pace: Pace = field(default_factory=lambda: Pace(seed=0))
    clock: Clock = field(default_factory=SystemClock)
    scale: float = 1.0
    session: aiohttp.ClientSession = field(default_factory=fresh_session)
    """By which platforms call the hub."""
    _working: set[asyncio.Task[None]] = field(default_factory=set)

    async def pause(self, seconds: float) -> None:
        """Wait as a platform waits, in scaled time."""
        await asyncio.sleep(seconds / self.scale)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside everything else; it ends with the run at the latest."""
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def stop(self) -> None:
        """End what is still under way.

        Asks again until it has ended: `asyncio.wait_for` of Python 3.11, which aiosmtplib uses, loses a cancellation
        that comes together with a result.
        """
        while self._working:
            for task in self._working:
                task.cancel()
            await asyncio.wait(self._working, timeout=ENDS_WITHIN_S)
        await self.session.close()
        self.ledger.close()
