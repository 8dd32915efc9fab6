"""One process for a minute or an hour: steady traffic, one disturbance after the other, and nothing grows."""

import os
from pathlib import Path

import pytest

from tests.faults.cluster import process_on
from tests.faults.crowd import open_crowd, seen
from tests.faults.figures import note
from tests.faults.soak import HUB, Soak, left_behind, look_at

SOAK_S = float(os.environ.get("FRONTDESK_FAULT_SOAK_S", "60"))
"""`make faults-long` takes an hour."""
SEED = int(os.environ.get("FRONTDESK_FAULT_SOAK_SEED", "1"))
PER_CHANNEL = 3
GROWS_AT_MOST = 1.2
"""FAULTS section A: a process that holds a fifth more descriptors or memory leaks."""
POOLS = 16
"""Connections more that are no leak: what was opened while a disturbance held others up is kept for the next one."""

pytestmark = [
    pytest.mark.faults,
    pytest.mark.campaign,
    pytest.mark.timeout(SOAK_S * 1.5 + 600),
    pytest.mark.skipif("FRONTDESK_TEST_MONGO_URI" in os.environ, reason="needs a database of its own: it is stopped"),
]


async def test_steady_traffic_with_disturbances_loses_nothing_and_lets_nothing_grow(tmp_path: Path) -> None:
    """FAULTS section A: the soak. kill -9, a database that freezes, platforms that answer 429 and 500."""
    async with open_crowd(tmp_path, "one", seed=SEED) as crowd:
        await crowd.start()
        soak = Soak(crowd, SOAK_S, SEED)
        await soak.run(PER_CHANNEL)
        outcome = await crowd.settle()
        left = await left_behind(crowd)
        database = look_at(process_on(crowd.hubs.database_port))
        assert not crowd.hubs.is_dead(HUB), crowd.hubs.tails()
    memory_mb = soak.early_and_late(lambda look: look.rss_mb)
    descriptors = soak.early_and_late(lambda look: look.descriptors)
    waits = crowd.waits_s()
    note(
        "soak",
        seconds=SOAK_S,
        seed=SEED,
        messages=len(crowd.traffic.accepted),
        lost=len(outcome.verdict.lost),
        doubled=len(outcome.verdict.doubled),
        reordered=len(outcome.verdict.reordered),
        stuck=len(outcome.unfinished) + len(outcome.unwritten),
        held=len(outcome.held),
        disturbances=dict(soak.disturbances),
        memory_mb=[round(figure) for figure in memory_mb],
        descriptors=[round(figure) for figure in descriptors],
        database_mb=round(database.rss_mb),
        wait_p50_s=round(waits[len(waits) // 2], 2),
        wait_p99_s=round(waits[int(len(waits) * 0.99)], 2),
    )
    assert outcome.is_right, seen(crowd, outcome)
    assert min(soak.disturbances[kind] for kind in ("kill", "freeze", "rate_limit", "error")) >= 1, soak.disturbances
    assert memory_mb[1] <= GROWS_AT_MOST * memory_mb[0], f"memory grows: {memory_mb}"
    assert descriptors[1] <= GROWS_AT_MOST * descriptors[0] + POOLS, f"descriptors grow: {descriptors}"
    assert not any(left.values()), left
