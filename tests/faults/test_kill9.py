"""`kill -9` of the hub in the middle of 200 messages over five channels (F007-F011, F014; SEMANTICS section 2)."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.faults.crash import MESSAGES, running, speak, until_the_middle

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_after_kill_9_in_the_middle_every_message_is_answered_as_promised(seed: int, tmp_path: Path) -> None:
    started = time.monotonic()
    async with running(tmp_path, seed) as run:
        speaking = await speak(run)
        await until_the_middle(run, seed)
        run.kill()
        assert 0 < run.accepted_at_death < MESSAGES, "the hub was not killed in the middle"
        assert run.waiting_at_death, "everything was answered already: this run proves nothing"
        await run.start()
        await asyncio.wait_for(speaking, 60)
        verdict, held = await run.settle(MESSAGES)
    print(run.report(held, started))
    assert verdict.is_right, f"{verdict}\n{run.hub.tail()}"
