"""Processes whose clock is wrong, by libfaketime (F032, F033)."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.crowd import Crowd, open_crowd, seen
from tests.faults.figures import note

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

LIBRARIES = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime")
HUB = "all-0"


def faked(crowd: Crowd, **variables: str) -> None:
    """Give the hub a clock of its own, or skip."""
    library = next((path for folder in LIBRARIES if (path := Path(folder) / "libfaketimeMT.so.1").exists()), None)
    if library is None:
        pytest.skip("needs libfaketime: install the package `faketime`")
    hub = crowd.hubs.hubs[HUB]
    hub.environment = {
        **hub.environment,
        "LD_PRELOAD": str(library),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
        **variables,
    }


@pytest.mark.parametrize("skew", ["+10m", "-10m"])
async def test_a_process_whose_clock_is_ten_minutes_off_refuses_to_start_and_says_why(
    skew: str, tmp_path: Path
) -> None:
    """F032."""
    async with open_crowd(tmp_path, "one", seed=32) as crowd:
        faked(crowd, FAKETIME=skew)
        with pytest.raises(RuntimeError, match="the hub ended"):
            await crowd.start()
        assert "clock is" in crowd.hubs.hubs[HUB].tail()
        assert "NTP" in crowd.hubs.hubs[HUB].tail()


async def test_a_clock_that_jumps_back_an_hour_and_forth_again_loses_and_reorders_nothing(tmp_path: Path) -> None:
    """F033."""
    async with open_crowd(tmp_path, "one", seed=33) as crowd:
        file = tmp_path / "clock"
        file.write_text("+0")
        faked(crowd, FAKETIME_TIMESTAMP_FILE=str(file))
        await crowd.start()
        async with crowd.talking(3):
            await asyncio.sleep(1.0)
            file.write_text("-1h")
            await asyncio.sleep(3.0)
            before = len(crowd.traffic.accepted)
            await asyncio.sleep(1.0)
            assert len(crowd.traffic.accepted) > before, "the hub stood still"
            file.write_text("+0")
            await asyncio.sleep(1.0)
        outcome = await crowd.settle()
        assert outcome.is_right, seen(crowd, outcome)
        note("clock back an hour", messages=len(crowd.traffic.accepted), held=len(outcome.held))
