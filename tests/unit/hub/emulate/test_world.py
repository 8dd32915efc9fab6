"""What all stand-ins share: scaled time, and an end that comes for certain."""

import asyncio
from contextlib import suppress

from hub.emulate.world import World


async def test_a_platform_tries_again_sooner_where_time_is_scaled() -> None:
    world = World(scale=30_000.0)
    async with asyncio.timeout(2):
        await world.pause(300.0)
    await world.stop()


async def test_what_loses_one_cancellation_is_ended_by_the_next() -> None:
    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    world = World()
    world.spawn(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await world.stop()
    assert world._working == set()
