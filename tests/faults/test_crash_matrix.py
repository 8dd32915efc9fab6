"""The crash matrix of FAULTS section B: 23 places, 5 channels, seeds (F001-F004, F006-F012, F020; F013 at `park`).

`FRONTDESK_FAULT_SEEDS` says how many seeds; three by default.
"""

import os
import time
from pathlib import Path
from typing import get_args

import pytest

from core.failpoints import Point
from tests.faults.cluster import Shape
from tests.faults.figures import note
from tests.faults.matrix import UNREACHED, run_campaign

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]

SEEDS = range(1, 1 + int(os.environ.get("FRONTDESK_FAULT_SEEDS", "3")))


@pytest.mark.parametrize("shape", get_args(Shape))
@pytest.mark.parametrize("point", get_args(Point))
async def test_a_process_killed_here_loses_doubles_and_reorders_nothing(
    point: Point, shape: Shape, tmp_path: Path
) -> None:
    if shape in UNREACHED.get(point, ()):
        pytest.skip("this place is not passed by one process: it has nobody to give a hint to")
    started = time.monotonic()
    campaign, outcome = await run_campaign(tmp_path, shape, point, SEEDS)
    assert outcome.is_right, f"{outcome}\n{campaign.cluster.tails()}"
    assert len(campaign.kills) == len(SEEDS) * len(campaign.channels)
    note(
        "crash matrix",
        shape=shape,
        point=point,
        kills=len(campaign.kills),
        messages=len(campaign.traffic.attempted),
        held=len(outcome.held),
        seconds=round(time.monotonic() - started),
    )
