"""A network between hub and database that swallows, cuts or delays (F029, F030, F031)."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.faults.crowd import Crowd, open_crowd, seen
from tests.faults.figures import note
from tests.faults.proxy import Proxy, proxied, some_writes

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(300),
    pytest.mark.skipif("FRONTDESK_TEST_MONGO_URI" in os.environ, reason="stands in the way to a database of its own"),
]

PEOPLE_PER_CHANNEL = 3
CUT_OFF_S = 22.0
"""Longer than a lease, and than a worker may work without renewing it."""
TAKEN_OVER_WITHIN_S = 17.0 + 3.0
"""F029, and a little for a machine that does everything at once."""
CUT_WRITES = 0.2
CUTTING_S = 8.0
SLOW_BY_S = 0.3
SLOW_S = 8.0
ACCEPTED_WITHIN_S = 2.0


def lead_through(crowd: Crowd, name: str, proxy: Proxy, options: str = "retryWrites=false") -> None:
    """Have a hub reach its database by a proxy."""
    hub = crowd.hubs.hubs[name]
    uri = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true&{options}"  # else the driver finds the real port
    hub.environment = {**hub.environment, "FRONTDESK_MONGO_URI": uri}


@pytest.mark.campaign
async def test_a_worker_cut_off_from_the_database_is_replaced_and_does_no_harm(tmp_path: Path) -> None:
    """F029: nothing gets through in either direction, and what was on the way arrives when others have taken over."""
    async with open_crowd(tmp_path, "many", seed=29) as crowd, proxied(crowd.hubs.database_port) as proxy:
        lead_through(crowd, "worker-0", proxy)
        await crowd.start()
        async with crowd.talking(PEOPLE_PER_CHANNEL):
            proxy.trouble.is_black_hole = True
            await asyncio.sleep(CUT_OFF_S)
            late = crowd.overdue(TAKEN_OVER_WITHIN_S)
            proxy.trouble.is_black_hole = False
        outcome = await crowd.settle()
        assert outcome.is_right, seen(crowd, outcome)
        assert late == [], "nobody took over"
        assert crowd.warnings("worker-0", "beat_missed") > 0, "it was not cut off"
        note(
            "worker cut off",
            messages=len(crowd.traffic.accepted),
            held=len(outcome.held),
            longest_wait_s=round(crowd.waits_s()[-1], 1),
        )


@pytest.mark.parametrize("retry_writes", ["true", "false"])
async def test_a_connection_cut_between_a_write_and_its_answer_doubles_nothing(
    retry_writes: str, tmp_path: Path
) -> None:
    """F030: one write in five is done, and nobody is told."""
    async with open_crowd(tmp_path, "one", seed=30) as crowd, proxied(crowd.hubs.database_port) as proxy:
        lead_through(crowd, "all-0", proxy, f"retryWrites={retry_writes}")
        await crowd.start()
        async with crowd.talking(PEOPLE_PER_CHANNEL):
            proxy.trouble.cuts_reply = some_writes(CUT_WRITES, seed=30)
            await asyncio.sleep(CUTTING_S)
            proxy.trouble.cuts_reply = lambda _: False
        outcome = await crowd.settle()
        assert outcome.is_right, seen(crowd, outcome)
        assert proxy.cuts > 0
        note(
            f"connections cut, retryWrites={retry_writes}",
            cuts=proxy.cuts,
            messages=len(crowd.traffic.accepted),
            held=len(outcome.held),
        )


async def test_a_slow_database_slows_no_platform_down(tmp_path: Path) -> None:
    """F031: every operation takes 0.3 s more."""
    async with open_crowd(tmp_path, "one", seed=31) as crowd, proxied(crowd.hubs.database_port) as proxy:
        lead_through(crowd, "all-0", proxy)
        await crowd.start()
        took_s: list[float] = []
        people = await crowd.meet(PEOPLE_PER_CHANNEL)
        proxy.trouble.delay_s = SLOW_BY_S
        ends = time.monotonic() + SLOW_S

        async def write(index: int) -> None:
            person, number = people[index]
            for seq in range(1000):
                if (began := time.monotonic()) >= ends:
                    return
                await crowd.traffic.say(person, number, seq)
                took_s.append(time.monotonic() - began)
                await asyncio.sleep(0.2)

        await asyncio.gather(*(write(index) for index in range(len(people))))
        proxy.trouble.delay_s = 0.0
        outcome = await crowd.settle()
        assert outcome.is_right, seen(crowd, outcome)
        assert crowd.traffic.deliveries == len(crowd.traffic.accepted), "somebody was refused"
        p99 = sorted(took_s)[int(len(took_s) * 0.99)]
        note("slow database", messages=len(took_s), accept_p99_s=round(p99, 2))
        assert SLOW_BY_S < p99 < ACCEPTED_WITHIN_S
