"""A hub that cannot write its log (F038)."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.crowd import open_crowd
from tests.faults.figures import note
from tests.servers.hub import Hub

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

FULL = Path("/dev/full")
CANNOT_FLUSH = 120
"""What Python makes of 0 where its last words cannot be written."""


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
async def test_a_hub_whose_log_cannot_be_written_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F038: every line is dropped and counted, and nothing else is."""
    monkeypatch.setattr(Hub, "tail", lambda _: "")  # reading it would never end
    async with open_crowd(tmp_path, "one", seed=38) as crowd:
        log_file = crowd.hubs.hubs["all-0"].log_file
        log_file.parent.mkdir(parents=True)
        log_file.symlink_to(FULL)
        await crowd.start()
        async with crowd.talking(2):
            await asyncio.sleep(2.0)
        said = len(crowd.traffic.answers())
        outcome = await crowd.settle()
        assert outcome.is_right, outcome
        assert outcome.held == []
        dropped = crowd.metric("frontdesk_log_lines_dropped_total")
        assert dropped >= said > 0, "there is a line for each turn"
        note("log disk full", messages=len(crowd.traffic.accepted), lines_dropped=dropped, held=0)
        assert crowd.hubs.hubs["all-0"].stop() in {0, CANNOT_FLUSH}
