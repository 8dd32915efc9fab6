"""`kill -9` of the hub in the middle of 200 messages over five channels (F007-F011, F014; SEMANTICS section 2)."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.faults.crash import MESSAGES, running, speak, until_the_middle

pytestmark = pytest.mark.faults

STOPS_WITHIN_S = 10.0
"""What an orchestrator gives a process (F021)."""


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
        outcome = await run.settle(MESSAGES)
    print(run.report(outcome.held, started))
    assert outcome.is_right, f"{outcome}\n{run.hub.tail()}"


async def test_a_stop_in_the_middle_loses_nothing_and_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    started = time.monotonic()
    async with running(tmp_path, seed=4) as run:
        speaking = await speak(run)
        await until_the_middle(run, seed=4)
        told = time.monotonic()
        code = await asyncio.to_thread(run.hub.stop)
        took_s = time.monotonic() - told
        run.note_death()
        await run.start()
        await asyncio.wait_for(speaking, 60)
        outcome = await run.settle(MESSAGES)
    print(f"stopped in {took_s:.1f} s;", run.report(outcome.held, started))
    assert outcome.is_right, f"{outcome}\n{run.hub.tail()}"
    assert code == 0
    assert took_s < STOPS_WITHIN_S
    assert 0 < run.accepted_at_death < MESSAGES, "the hub was not stopped in the middle"
    assert outcome.held == [], "a clean stop leaves no send in doubt"
