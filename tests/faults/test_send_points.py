"""A hub killed at the worst moments of one send (F009, F010), and what a person does about a reply in doubt."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.emulate.pace import Moment
from tests.faults.crash import Run, running
from tests.servers.hub import Hub
from tests.shared_files import PROJECT
from tests.standins.aftermath import opened_store, until_held
from tests.standins.people import QUESTION

pytestmark = pytest.mark.faults

CHANNELS = ("slack", "telegram", "whatsapp", "email")
STANDS_WITHIN_S = 20.0
HELD_WITHIN_S = 60.0
"""F009: a hold is visible within a minute."""
COMMAND_WITHIN_S = 60.0


async def die_while_sending(run: Run, channels: tuple[str, ...], moment: Moment, text: str | None = None) -> None:
    """Answer one message of each channel, die while the answer to the second is at `moment`, and come back."""
    people = {channel: await run.traffic.meet(channel, 0) for channel in channels}
    for person in people.values():
        await run.traffic.say(person, 0, 0, text)
    await asyncio.wait_for(run.until_answered(len(channels)), STANDS_WITHIN_S)
    for channel, person in people.items():
        run.platforms.pace.stop_at(channel, moment)
        await run.traffic.say(person, 0, 1, text)
    for channel in channels:
        await asyncio.wait_for(run.platforms.pace.stopped[channel].wait(), STANDS_WITHIN_S)
    run.kill()
    run.platforms.pace.go_on()
    await run.start()


def sends(run: Run, message_id: str) -> int:
    """Count the sends that answer a message."""
    return sum(line.asked == message_id for line in run.traffic.answers())


async def test_a_send_that_never_arrived_is_made_again_where_that_can_be_known_and_held_elsewhere(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, seed=0, longest_delay_s=0.0) as run:
        await die_while_sending(run, CHANNELS, "arrival")
        outcome = await run.settle(2 * len(CHANNELS))
        assert outcome.is_right, outcome
        assert outcome.held == ["T-0001"]
        assert {id: sends(run, id) for id in ("S-0001", "T-0001", "W-0001", "E-0001")} == {
            "S-0001": 1,
            "T-0001": 0,
            "W-0001": 1,
            "E-0001": 1,
        }


async def test_a_send_that_arrived_without_an_answer_is_found_again_or_held_and_only_mail_repeats_it(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, seed=0, longest_delay_s=0.0) as run:
        await die_while_sending(run, CHANNELS, "answer")
        outcome = await run.settle(2 * len(CHANNELS))
        assert outcome.is_right, outcome
        assert outcome.held == ["T-0001"]
        assert {id: sends(run, id) for id in ("S-0001", "T-0001", "W-0001", "E-0001")} == {
            "S-0001": 1,
            "T-0001": 1,
            "W-0001": 1,
            "E-0001": 2,
        }


@pytest.mark.parametrize("moment", ["arrival", "answer"])
async def test_an_earlier_answer_with_the_same_words_is_not_taken_for_the_one_in_doubt(
    moment: Moment, tmp_path: Path
) -> None:
    async with running(tmp_path, seed=0, longest_delay_s=0.0) as run:
        await die_while_sending(run, ("slack", "whatsapp"), moment, QUESTION)
        outcome = await run.settle(4)
        assert outcome.is_right, outcome
        assert outcome.held == []


async def test_a_person_finds_a_held_telegram_reply_and_sends_it_again(tmp_path: Path) -> None:
    async with running(tmp_path, seed=0, longest_delay_s=0.0) as run:
        await die_while_sending(run, ("telegram",), "arrival")
        async with opened_store(run.hub.database_port) as store:
            (line,) = await until_held(store, 1, HELD_WITHIN_S)
        assert line.id in await frontdesk(run.hub, "holds", "list")
        assert sends(run, "T-0001") == 0
        await frontdesk(run.hub, "holds", "resend", line.id)
        await asyncio.wait_for(run.until_answered(2), STANDS_WITHIN_S)
        outcome = await run.settle(2)
        assert outcome.is_right, outcome
        assert outcome.held == []
        assert sends(run, "T-0001") == 1
        assert "Nothing is held" in await frontdesk(run.hub, "holds", "list")


async def frontdesk(hub: Hub, *arguments: str) -> str:
    """Run a command beside a running hub; returns what it printed."""

    own = {
        "FRONTDESK_PORT": str(hub.port),
        "FRONTDESK_DATABASE_PORT": str(hub.database_port),
        "FRONTDESK_DATA": str(hub.folder / "data"),
        "COLUMNS": "200",
    }

    def run() -> str:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-m", "hub", *arguments],
            cwd=PROJECT,
            env=inherited | own | dict(hub.environment),
            capture_output=True,
            text=True,
            timeout=COMMAND_WITHIN_S,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return await asyncio.to_thread(run)
