"""How fast a stand-in answers, and where a test may stop the world: before it takes a message, or before it says so."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Literal

Moment = Literal["arrival", "answer"]
"""`arrival`: the request is on the way and gets lost (F009). `answer`: taken, and the answer gets lost (F010)."""

LOOK_EVERY_S = 0.005


async def until(is_gone: Callable[[], bool]) -> None:
    """Wait until whoever asked has hung up."""
    while not is_gone():  # noqa: ASYNC110  a transport has no event for it
        await asyncio.sleep(LOOK_EVERY_S)


class Vanished(Exception):
    """The request never reached the platform."""


class Pace:
    """The delays of all stand-ins of a run.

    Args:
        seed: makes the delays, and what becomes of a request whose sender died, the same again.
        longest_s: of a delay before taking, and of one before answering.
    """

    def __init__(self, seed: int, longest_s: float = 0.0) -> None:
        self._random = random.Random(seed)  # noqa: S311  repeatable, hides nothing
        self.longest_s = longest_s
        self._stops: dict[str, Moment] = {}
        self.stopped: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """By channel: a send stands at its stop."""

    def stop_at(self, channel: str, moment: Moment) -> None:
        """Let the channel's next sends stand still at this moment until their sender is gone."""
        self._stops[channel] = moment
        self.stopped[channel].clear()

    def go_on(self) -> None:
        """Let every later send pass."""
        self._stops.clear()

    async def before_taking(self, channel: str, is_gone: Callable[[], bool]) -> None:
        """Wait a little; whether the request of a sender that died meanwhile still arrives is a matter of luck.

        Raises:
            Vanished: it did not.
        """
        if await self._stands("arrival", channel, is_gone):
            raise Vanished
        await self._wait(is_gone)
        if is_gone() and self._random.random() < 0.5:
            raise Vanished

    async def before_answering(self, channel: str, is_gone: Callable[[], bool]) -> None:
        """Wait a little with the answer to what is taken already."""
        if not await self._stands("answer", channel, is_gone):
            await self._wait(is_gone)

    async def _stands(self, moment: Moment, channel: str, is_gone: Callable[[], bool]) -> bool:
        """Stand still until the sender is gone, if this is the moment for it."""
        if self._stops.get(channel) != moment:
            return False
        self.stopped[channel].set()
        await until(is_gone)
        return True

    async def _wait(self, is_gone: Callable[[], bool]) -> None:
        if self.longest_s and not is_gone():
            await asyncio.sleep(self._random.uniform(0.0, self.longest_s))
