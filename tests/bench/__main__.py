"""`make bench`: webhook to acknowledgement and to reply, messages per second on one core, beside a bare handler."""

import asyncio
import os
import platform as machine
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import aiohttp
import psutil
import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench.load import Platform, Sender, one_by_one, saturate
from tests.servers.hub import Hub
from tests.servers.ports import free_port, wait_for_port
from tests.shared_files import PROJECT

SECRET = "bench-signing-secret"
LIGHT_PEOPLE, LIGHT_MESSAGES, LIGHT_PAUSE_S = 20, 400, 0.05
FULL_PEOPLE, FULL_MESSAGES = 32, 4000
WARM_UP = 100
ROUNDS = 3
console = Console(width=140)


@contextmanager
def bare_process(api_url: str) -> Iterator[tuple[str, int]]:
    """Run the bare handler on core 0; yields its URL and process id."""
    port = free_port()
    command = [*pinned(0), sys.executable, "-m", "tests.bench.bare", str(port), api_url, SECRET]
    process = subprocess.Popen(command, cwd=PROJECT)
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def hub_process(folder: Path, api_url: str) -> Iterator[tuple[str, int]]:
    """Run the hub on core 0, its database wherever there is room; yields its URL and process id."""
    environment = {
        "FRONTDESK_SLACK_ACME_BOT_TOKEN": "xoxb-bench",
        "FRONTDESK_SLACK_ACME_SIGNING_SECRET": SECRET,
        "FRONTDESK_SLACK_ACME_API_URL": api_url,
        "FRONTDESK_LIMITS": "{turns_per_min: 1000000, turns_burst: 100000, pace_factor: 1000}",
        "FRONTDESK_LOG_LEVEL": os.environ.get("FRONTDESK_LOG_LEVEL", "INFO"),
    }
    hub = Hub(folder, environment).start()
    assert hub.process is not None
    pin(hub.process.pid, {0})
    for child in psutil.Process(hub.process.pid).children(recursive=True):
        pin(child.pid, set(range(os.cpu_count() or 1)) - {0} or {0})
    try:
        yield hub.url, hub.process.pid
    finally:
        hub.stop()


def pinned(core: int) -> list[str]:
    return ["taskset", "-c", str(core)] if hasattr(os, "sched_setaffinity") else []


def pin(pid: int, cores: set[int]) -> None:
    if hasattr(os, "sched_setaffinity"):
        for thread in psutil.Process(pid).threads():
            os.sched_setaffinity(thread.id, cores)


def cpu_seconds(pid: int) -> tuple[float, float]:
    """Return CPU time of a process, and of its children (the database)."""
    process = psutil.Process(pid)
    own = process.cpu_times()
    children = sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))
    return own.user + own.system, children


async def measure(url: str, pid: int, platform: Platform) -> dict[str, float]:
    """Measure one server: light load, then full load."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        sender = Sender(url, SECRET.encode(), platform, session)
        await one_by_one(sender, LIGHT_PEOPLE, WARM_UP, 0.0)
        light = await one_by_one(sender, LIGHT_PEOPLE, LIGHT_MESSAGES, LIGHT_PAUSE_S)
        before = cpu_seconds(pid)
        took_s, full = await saturate(sender, FULL_PEOPLE, FULL_MESSAGES)
        after = cpu_seconds(pid)
    return {
        **percentiles("ack, light load", [t.ack for t in light]),
        **percentiles("reply, light load", [t.reply for t in light]),
        **percentiles("ack, full load", [t.ack for t in full]),
        **percentiles("reply, full load", [t.reply for t in full]),
        "messages per second, one core": len(full) / took_s,
        "CPU ms per message": (after[0] - before[0]) / len(full) * 1000,
        "database CPU ms per message": (after[1] - before[1]) / len(full) * 1000,
        "memory MB": psutil.Process(pid).memory_info().rss / 2**20,
    }


def percentiles(name: str, seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles([value * 1000 for value in seconds], n=100)
    return {f"{name}, p50 ms": cuts[49], f"{name}, p99 ms": cuts[98]}


async def run_once(folder: Path) -> dict[str, dict[str, float]]:
    platform = Platform(free_port())
    await platform.start()
    try:
        with bare_process(platform.api_url) as (url, pid):
            bare = await measure(url, pid, platform)
        with hub_process(folder, platform.api_url) as (url, pid):
            hub = await measure(url, pid, platform)
    finally:
        await platform.stop()
    return {"bare aiohttp handler": bare, "hub, durable": hub}


def show(rounds: list[dict[str, dict[str, float]]]) -> None:
    names = list(rounds[0])
    table = Table("median of rounds", *names, "ratio")
    for figure in rounds[0][names[0]]:
        medians = [statistics.median(round_[name][figure] for round_ in rounds) for name in names]
        ratio = f"{medians[1] / medians[0]:.2f}" if medians[0] > 0.005 else ""
        table.add_row(figure, *(f"{value:,.2f}" for value in medians), ratio)
    console.print(table)


def describe_machine() -> None:
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("aiohttp", "pymongo", "motor", "secantusdb", "slack-sdk", "uvloop")
    )
    console.print(f"{machine.platform()}; {os.cpu_count()} cores; Python {machine.python_version()}; {libraries}")
    console.print(
        f"light load: {LIGHT_MESSAGES} messages from {LIGHT_PEOPLE} people, {1 / LIGHT_PAUSE_S:.0f} a second;"
        f" full load: {FULL_MESSAGES} messages, {FULL_PEOPLE} people at a time;"
        f" server on core 0, load, stand-in and database on the others; {ROUNDS} rounds"
    )


def main() -> None:
    describe_machine()
    uvloop.install()
    pin(os.getpid(), set(range(os.cpu_count() or 1)) - {0} or {0})
    rounds = []
    for number in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(asyncio.run(run_once(Path(folder))))
        console.print(f"round {number + 1} of {ROUNDS} done")
    show(rounds)


if __name__ == "__main__":
    main()
