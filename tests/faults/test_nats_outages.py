"""NATS dies, forgets everything or stops while two webs and three workers are at work (F018, F019, F028)."""

import asyncio
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.cluster import process_on
from tests.faults.crowd import Crowd, frozen, kill_on, open_crowd, seen
from tests.faults.figures import note
from tests.servers.nats import running_nats

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

PEOPLE_PER_CHANNEL = 3
OUTAGE_S = 6.0
"""Stands for half a minute (F018) and a minute (F028): several sweeps."""
WAITS_AT_MOST_S = 12.0
"""F018 wants five seconds more than usual; this is for two cores that run everything. What was measured is noted."""
RECONNECTED_AFTER_S = 6.0


def count_warnings(crowd: Crowd, event: str) -> int:
    """Return the most that one process logged."""
    return max(crowd.warnings(name, event) for name in crowd.hubs.hubs)


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_nats_that_dies_and_comes_back_costs_seconds_and_no_message(forgets: bool, tmp_path: Path) -> None:
    """F018; F019 where its directory is deleted meanwhile: stream and consumers are made again."""
    async with open_crowd(tmp_path, "many", seed=18) as crowd:
        await crowd.start()
        with ExitStack() as stack:
            async with crowd.talking(PEOPLE_PER_CHANNEL):
                kill_on(crowd.nats_port)
                await asyncio.sleep(OUTAGE_S)
                if forgets:
                    shutil.rmtree(tmp_path / "nats")
                stack.enter_context(running_nats(tmp_path / "nats", crowd.nats_port))
                await asyncio.sleep(RECONNECTED_AFTER_S)
                heard = crowd.metric("frontdesk_hints_total", "heard")
                await asyncio.sleep(2.0)
                heard_again = crowd.metric("frontdesk_hints_total", "heard")
            outcome = await crowd.settle()
            warnings = count_warnings(crowd, "nats_gone")
        assert outcome.is_right, seen(crowd, outcome)
        assert heard_again > heard, "hints do not flow again"
        assert warnings == 1, "one warning for the outage, not one per message"
        waits = crowd.waits_s()
        assert waits[-1] < WAITS_AT_MOST_S, waits[-10:]
        note(
            "nats killed" + (" and its directory deleted" if forgets else ""),
            messages=len(crowd.traffic.accepted),
            longest_wait_s=round(waits[-1], 2),
        )


async def test_a_nats_that_stops_in_its_tracks_is_ignored_and_the_sweep_carries_on(tmp_path: Path) -> None:
    """F028."""
    async with open_crowd(tmp_path, "many", seed=28) as crowd:
        await crowd.start()
        async with crowd.talking(PEOPLE_PER_CHANNEL):
            with frozen(process_on(crowd.nats_port)):
                await asyncio.sleep(2 * OUTAGE_S)
        outcome = await crowd.settle()
        assert outcome.is_right, seen(crowd, outcome)
        waits = crowd.waits_s()
        assert waits[-1] < WAITS_AT_MOST_S, waits[-10:]
        note("nats frozen", messages=len(crowd.traffic.accepted), longest_wait_s=round(waits[-1], 2))
