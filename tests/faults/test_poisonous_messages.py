"""A message that ends every process which takes it up (F023, F024)."""

import asyncio
from pathlib import Path

import pytest

from core.inbox import MAX_CRASHES, InboxState
from tests.faults.crowd import Crowd, open_crowd
from tests.faults.figures import note
from tests.standins.aftermath import opened_store

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

HUB = "all-0"
POISONED = "telegram"
ANSWERED_WITHIN_S = 30.0


async def until_it_lives(crowd: Crowd, failpoint: str) -> int:
    """Start the hub as an orchestrator does, again and again, until it stays up; returns how often it died."""
    hub = crowd.hubs.hubs[HUB]
    more = {"FRONTDESK_NODE": f"{HUB}-0", "FRONTDESK_ENV": "test", "FRONTDESK_FAILPOINTS": failpoint}
    for deaths in range(3 * MAX_CRASHES):
        try:
            await asyncio.to_thread(lambda: hub.start(**more))
        except RuntimeError:
            continue  # it died before it was ready
        for _ in range(100):
            await asyncio.sleep(0.05)
            if crowd.hubs.is_dead(HUB):
                break
        else:
            return deaths
    raise AssertionError(f"it does not stay up\n{hub.tail()}")


@pytest.mark.parametrize("end", ["exit", "kill"])
async def test_a_message_that_ends_the_process_is_dead_after_three_and_the_neighbours_are_answered(
    end: str, tmp_path: Path
) -> None:
    """F024: by itself (`exit`). F023: by the kernel, which kills who takes too much memory (`kill`)."""
    async with open_crowd(tmp_path, "one", seed=24) as crowd:
        await crowd.start()
        poisoned, neighbour = [await crowd.traffic.meet(channel, 0) for channel in (POISONED, "slack")]
        crowd.hubs.arm(HUB, f"handle.mid={end}/{POISONED}")
        dead = await crowd.traffic.say(poisoned, 0, 0)
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            while not crowd.hubs.is_dead(HUB):
                await asyncio.sleep(0.02)
        talking = asyncio.create_task(crowd.traffic.talk(neighbour, 0, 3))
        deaths = 1 + await until_it_lives(crowd, f"handle.mid={end}/{POISONED}")
        await talking
        async with opened_store(crowd.hubs.database_port) as store, asyncio.timeout(ANSWERED_WITHIN_S):
            event = next(event for event in crowd.traffic.events if crowd.traffic.of_event(event) == dead)
            while (row := await store.find_inbox(event)) is None or row.state is not InboxState.DEAD:
                await asyncio.sleep(0.1)
            assert event in {letter.id for letter in await store.dead_letters(10)}
            while crowd.traffic.unanswered() - {dead}:
                await asyncio.sleep(0.1)
        note(f"a message that ends the process by {end}", deaths=deaths)
        assert deaths == MAX_CRASHES
