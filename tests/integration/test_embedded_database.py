"""The embedded database under the running hub: watched, restarted, told clearly when it cannot start (issue 2)."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import psutil  # type: ignore[import-untyped]  # there are no stubs among our packages
import pytest

from hub.database import PROGRAM
from tests.integration.running import at_rest, exactly, started, until
from tests.integration.visitor import Visitor
from tests.servers.hub import Hub
from tests.shared_files import PROJECT

pytestmark = pytest.mark.integration

QUESTION = "where is my order A-1001?"


def database_of(hub: Hub) -> psutil.Process | None:
    """Return the hub's child that is the database."""
    assert hub.process is not None
    children = psutil.Process(hub.process.pid).children()
    return next((child for child in children if any(PROGRAM in part for part in child.cmdline())), None)


async def readiness(hub: Hub) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{hub.url}/readyz") as response:
        return response.status


async def test_a_killed_database_comes_back_with_the_hub_and_the_conversation_goes_on(tmp_path: Path) -> None:
    with started(Hub(tmp_path, {})) as hub:
        visitor = await Visitor(hub).enter()
        await visitor.say(QUESTION)
        await exactly(hub, 1, visitor.heard)
        first = database_of(hub)
        assert first is not None
        first.kill()
        second = await until(lambda: another_database(hub, first.pid), lambda found: found is not None)
        assert second is not None
        await until(lambda: readiness(hub), lambda status: status == 200)
        await visitor.say("ann@example.com")
        _, told = await exactly(hub, 2, visitor.heard)
        assert "A-1001" in told


async def another_database(hub: Hub, pid: int) -> psutil.Process | None:
    try:
        found = database_of(hub)
    except psutil.Error:  # it died a moment ago, or begins only now
        return None
    return found if found is not None and found.pid != pid else None


async def test_a_message_that_came_while_the_database_was_away_waits_in_the_spool_and_is_answered(
    tmp_path: Path,
) -> None:
    """F027 in small."""
    with started(Hub(tmp_path, {})) as hub:
        visitor = await Visitor(hub).enter()
        await visitor.say(QUESTION)
        await exactly(hub, 1, visitor.heard)
        database = database_of(hub)
        assert database is not None
        database.suspend()  # it neither answers nor refuses: the worst way to be away
        try:
            await visitor.say("ann@example.com")
        finally:
            database.resume()
        await until(visitor.heard, lambda heard: any("DHL" in text for text in heard))


async def test_what_was_said_survives_a_restart_and_the_second_start_is_quick(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    with started(Hub(tmp_path, {})) as hub:
        first_start_s = time.monotonic() - begun
        visitor = await Visitor(hub).enter()
        await visitor.say(QUESTION)
        (asked,) = await exactly(hub, 1, visitor.heard)
        begun = time.monotonic()
        assert hub.stop() == 0
        stop_s = time.monotonic() - begun
        begun = time.monotonic()
        hub.start()
        second_start_s = time.monotonic() - begun
        assert await visitor.heard() == [asked]
        await visitor.say("ann@example.com")
        _, told = await exactly(hub, 2, visitor.heard)
        assert "A-1001" in told
    with capsys.disabled():
        print(f"\nfirst start {first_start_s:.2f} s, stop {stop_s:.2f} s, second start {second_start_s:.2f} s")


async def test_messages_accepted_before_a_power_cut_are_answered_once_after_it(tmp_path: Path) -> None:
    with started(Hub(tmp_path, {})) as hub:
        visitors = [await Visitor(hub).enter() for _ in range(10)]
        await asyncio.gather(*(visitor.say(QUESTION) for visitor in visitors))
        hub.kill()
        hub.start()
        for visitor in visitors:
            await until(visitor.heard, lambda heard: len(heard) >= 1)
        await at_rest(hub)
        assert [len(await visitor.heard()) for visitor in visitors] == [1] * len(visitors)


def serve(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start a hub that is expected to end by itself."""
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return subprocess.run(
        [sys.executable, "-m", "hub", "serve"],
        cwd=PROJECT,
        env=inherited | {"FRONTDESK_DATA": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_database_port_is_told_with_what_to_do_and_ends_with_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = serve(tmp_path, FRONTDESK_PORT="0", FRONTDESK_DATABASE_PORT=port)
    assert ended.returncode == 2
    assert f"port {port} for the embedded database is taken" in ended.stderr
    assert "FRONTDESK_DATABASE_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_data_folder_is_told_with_what_to_do_and_leaves_its_owner_alone(tmp_path: Path) -> None:
    with started(Hub(tmp_path, {})) as owner:
        other = Hub(tmp_path, {})
        ended = serve(
            tmp_path / "data", FRONTDESK_PORT=str(other.port), FRONTDESK_DATABASE_PORT=str(other.database_port)
        )
        assert ended.returncode == 2
        assert "perhaps another one uses" in ended.stderr
        assert "FRONTDESK_DATA" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert asyncio.run(readiness(owner)) == 200


def test_a_taken_port_of_the_hub_is_told_with_what_to_do_and_ends_with_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = serve(tmp_path, FRONTDESK_PORT=port, FRONTDESK_DATABASE_PORT=str(Hub(tmp_path, {}).database_port))
    assert ended.returncode == 2
    assert port in ended.stderr
    assert "FRONTDESK_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr
