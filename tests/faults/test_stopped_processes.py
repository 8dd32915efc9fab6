"""Hub processes that are told to end, ended all at once, or stopped and woken, under load (F014, F021, F025, F026)."""

import asyncio
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from core import failpoints
from core.failpoints import Point
from core.store.memory import MemoryStore
from tests.factories import build_bench
from tests.fakes import FakeClock
from tests.faults.crowd import Crowd, open_crowd, seen
from tests.faults.figures import note
from tests.servers.hub import Hub

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

PEOPLE_PER_CHANNEL = 3
STOPS_WITHIN_S = 10.0
"""F021."""
DEATHS = int(os.environ.get("FRONTDESK_FAULT_DEATHS_OF_ALL", "3"))
"""F014 asks for 20 in ten minutes."""
RECOVERS_WITHIN_S = 5.0
"""F014, 99 of 100."""
TAKEN_OVER_AFTER_S = 18.0
"""A lease runs out after 15 s; a sweep finds its rows."""
TRIALS = int(os.environ.get("FRONTDESK_FAULT_TRIALS", "10000"))
AT_ONCE = 200


def is_ready(hub: Hub) -> bool:
    try:
        with urllib.request.urlopen(f"{hub.url}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


async def stopped(hub: Hub) -> tuple[int, float, bool]:
    """End a hub by SIGTERM; returns its code, the seconds it took, and whether it said it was ready meanwhile."""
    assert hub.process is not None
    began = time.monotonic()
    hub.process.terminate()
    await asyncio.sleep(0.5)
    was_ready = hub.process.poll() is None and await asyncio.to_thread(is_ready, hub)
    code = await asyncio.to_thread(hub.process.wait, 20)
    return code, time.monotonic() - began, was_ready


async def test_a_stop_under_load_ends_in_time_and_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    """F021: a web process and a worker, one after the other, while everybody writes."""
    async with open_crowd(tmp_path, "many", seed=21) as crowd:
        await crowd.start()
        ends = {}
        async with crowd.talking(PEOPLE_PER_CHANNEL):
            for name in ("worker-0", "web-0"):
                ends[name] = await stopped(crowd.hubs.hubs[name])
                await crowd.hubs.start(name)
        outcome = await crowd.settle()
        assert outcome.is_right, seen(crowd, outcome)
        assert outcome.held == [], "a clean stop leaves no send in doubt"
        for name, (code, took_s, was_ready) in ends.items():
            assert code == 0, crowd.hubs.hubs[name].tail()
            assert took_s < STOPS_WITHIN_S, name
            assert not was_ready, name
        note(
            "SIGTERM under load",
            messages=len(crowd.traffic.accepted),
            seconds={name: round(took_s, 2) for name, (_, took_s, _) in ends.items()},
        )


@pytest.mark.campaign
async def test_all_processes_killed_at_once_time_and_again_lose_nothing(tmp_path: Path) -> None:
    """F014."""
    async with open_crowd(tmp_path, "many", seed=14) as crowd:
        await crowd.start()
        waited: list[float] = []
        async with crowd.talking(PEOPLE_PER_CHANNEL):
            for _ in range(DEATHS):
                processes = [hub.process for hub in crowd.hubs.hubs.values() if hub.process is not None]
                for process in processes:
                    process.send_signal(signal.SIGKILL)
                for process in processes:
                    process.wait(10)
                left = crowd.traffic.unanswered()
                await crowd.start()
                back = time.monotonic()
                await asyncio.sleep(4.0)
                waited += [max(at - back, 0.0) for at in answers_of(crowd, left)]
        outcome = await crowd.settle()
        assert outcome.is_right, seen(crowd, outcome)
        waited.sort()
        slowest = waited[int(len(waited) * 0.99)] if waited else 0.0
        note(
            "all processes killed",
            times=DEATHS,
            messages=len(crowd.traffic.accepted),
            left_behind=len(waited),
            held=len(outcome.held),
            recovered_p99_s=round(slowest, 2),
        )
        assert slowest <= RECOVERS_WITHIN_S


def answers_of(crowd: Crowd, asked: set[str]) -> list[float]:
    """Return when each of these messages was answered first, where it was."""
    found: dict[str, float] = {}
    for sent in crowd.traffic.platforms.ledger:
        if (name := crowd.traffic.answered(sent).asked) in asked and name is not None:
            found.setdefault(name, sent.at)
    return list(found.values())


async def until_stopped(hub: Hub) -> psutil.Process:
    """Wait until a hub has stopped itself."""
    assert hub.process is not None
    process = psutil.Process(hub.process.pid)
    async with asyncio.timeout(30):
        while process.status() != psutil.STATUS_STOPPED:
            await asyncio.sleep(0.02)
    return process


@pytest.mark.campaign
@pytest.mark.parametrize("point", ["handle.done", "send.claimed"])
async def test_workers_that_wake_after_others_took_over_commit_and_send_nothing(point: Point, tmp_path: Path) -> None:
    """F025 at `handle.done`, F026 at `send.claimed`: two of three workers sleep through their leases."""
    async with open_crowd(tmp_path, "many", seed=25) as crowd:
        await crowd.start()
        async with crowd.talking(2 * PEOPLE_PER_CHANNEL):
            sleepers = []
            for name in ("worker-0", "worker-1"):
                crowd.hubs.arm(name, f"{point}=stop@3")
                sleepers.append(await until_stopped(crowd.hubs.hubs[name]))
            await asyncio.sleep(TAKEN_OVER_AFTER_S)
            for process in sleepers:
                process.send_signal(signal.SIGCONT)
        outcome = await crowd.settle()
        lost = crowd.metric("frontdesk_leases_lost_total")
        assert outcome.is_right, seen(crowd, outcome)
        assert lost > 0, "nobody took over: this run proves nothing"
        note(f"stopped at {point}", messages=len(crowd.traffic.accepted), held=len(outcome.held), leases_lost=lost)


async def test_a_commit_under_a_fence_that_moved_on_matches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """F025, many times in one process: the sleeper's own clock stands still, so that the fence alone protects."""
    clock = FakeClock()
    store = MemoryStore(clock)
    gate, is_first = asyncio.Event(), True

    async def stop_the_first(point: Point, _channel: str) -> None:
        if point == "handle.done" and is_first:
            await gate.wait()

    monkeypatch.setattr(failpoints, "_SLOT", type("Slot", (), {"hook": staticmethod(stop_the_first)}))
    for trial in range(0, TRIALS, AT_ONCE):
        gate.clear()
        is_first = True
        sleeper = build_bench(store=store, clock=FakeClock(clock.now()), worker=f"sleeper{trial}")
        names = [f"m{trial + number}" for number in range(AT_ONCE)]
        for name in names:
            await sleeper.receive(name, name, thread=name)
        while len(sleeper.responder.heard) < AT_ONCE:
            await asyncio.sleep(0)
        is_first = False
        clock.advance(16)
        other = build_bench(store=store, clock=clock, worker=f"other{trial}")
        await other.sweep.once(everything=True)
        await other.settle()
        gate.set()
        await sleeper.lanes.drain(1.0)
        assert sleeper.channel.sent == []
        assert sorted(text for _, text in other.channel.sent) == sorted(names)
        assert sleeper.metrics.leases_lost._value.get() == AT_ONCE
        await other.lanes.drain(1.0)
        await other.holds.close()
    note("commits under an old fence", trials=TRIALS)
