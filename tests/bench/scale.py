"""`python -m tests.bench.scale`: messages a second with one, two and three workers, and what each process does."""

import asyncio
import os
import platform as machine
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import bson
import psutil
import uvloop
from motor.motor_asyncio import AsyncIOMotorClient
from rich.console import Console
from rich.table import Table

from core.store.mongo import MongoStore
from hub.clock import SystemClock
from tests.bench.load import Platform, Sender, one_by_one, saturate
from tests.faults.cluster import process_on
from tests.servers.database import running_database
from tests.servers.hub import Hub
from tests.servers.nats import running_nats
from tests.servers.ports import free_port

SECRET = "bench-signing-secret"
PEOPLE, MESSAGES, WARM_UP = 96, 4000, 200
SAMPLED = 500
NO_LIMITS = "{turns_per_min: 1000000, turns_burst: 100000, pace_factor: 1000}"
console = Console(width=160)


@contextmanager
def hubs(folder: Path, api_url: str, workers: int) -> Iterator[tuple[list[Hub], dict[str, list[int]]]]:
    """Run two webs and so many workers; yields the webs, and the process ids of each kind."""
    with ExitStack() as stack:
        port, nats_port = free_port(), free_port()
        environment = {
            "FRONTDESK_MONGO_URI": stack.enter_context(running_database(folder / "db", port)),
            "FRONTDESK_NATS_URL": stack.enter_context(running_nats(folder / "nats", nats_port)),
            "FRONTDESK_WEB_SITE_SECRET": SECRET * 2,
            "FRONTDESK_SLACK_ACME_BOT_TOKEN": "xoxb-bench",
            "FRONTDESK_SLACK_ACME_SIGNING_SECRET": SECRET,
            "FRONTDESK_SLACK_ACME_API_URL": api_url,
            "FRONTDESK_LIMITS": NO_LIMITS,
        }
        roles = ["web", "web", *["worker"] * workers]
        started = [Hub(folder / f"{role}-{n}", environment, role=role) for n, role in enumerate(roles)]
        for hub in started:
            hub.start()
            stack.callback(hub.stop)
        pids: dict[str, list[int]] = {"database": [process_on(port)], "NATS": [process_on(nats_port)]}
        for hub in started:
            assert hub.process is not None
            pids.setdefault(hub.role, []).append(hub.process.pid)
        yield started[:2], pids


async def asked_of_database(uri: str) -> dict[str, float]:
    """Return what the database counts of what it was asked."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(uri)
    status = await client.admin.command("serverStatus")
    client.close()
    documents = {f"{kind}, documents": float(status["opcounters"][kind]) for kind in ("insert", "update", "query")}
    return {"database requests": float(status["network"]["numRequests"])} | documents


async def stored_bytes(uri: str) -> dict[str, float]:
    """Return what one document of each collection takes as BSON, on average, and how many a message has."""
    store = MongoStore(uri, "frontdesk", SystemClock())
    figures: dict[str, float] = {}
    messages = await store._database["inbox"].count_documents({})
    for name in ("inbox", "messages", "conversations"):
        sizes = [len(bson.encode(row)) async for row in store._database[name].find({}).limit(SAMPLED)]
        figures[f"{name}, bytes a document"] = sum(sizes) / len(sizes)
        figures[f"{name}, documents a message"] = await store._database[name].count_documents({}) / messages
    store.close()
    return figures


def cpu_s(pids: list[int]) -> float:
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


async def measure(workers: int) -> dict[str, float]:
    """Load a cluster to the full; returns messages a second, and CPU milliseconds a message of each kind of process."""
    platform = Platform(free_port())
    await platform.start()
    with tempfile.TemporaryDirectory() as folder, hubs(Path(folder), platform.api_url, workers) as (webs, pids):
        uri = webs[0].environment["FRONTDESK_MONGO_URI"]
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            senders = [Sender(web.url, SECRET.encode(), platform, session) for web in webs]
            senders[1].sent = 500_000  # no two messages of one name
            for sender in senders:
                await one_by_one(sender, 20, WARM_UP // 2, 0.0)
            before = {kind: cpu_s(of_kind) for kind, of_kind in pids.items()}
            asked = await asked_of_database(uri)
            own = sum(psutil.Process().cpu_times()[:2])
            (took_s, first), (_, second) = await asyncio.gather(
                saturate(senders[0], PEOPLE // 2, MESSAGES // 2),
                saturate(senders[1], PEOPLE // 2, MESSAGES // 2, first_person=5000),
            )
            count = len(first) + len(second)
            figures = {"messages a second": count / took_s}
            for kind, of_kind in pids.items():
                figures[f"{kind}, CPU ms a message"] = (cpu_s(of_kind) - before[kind]) / count * 1000
            figures["load and stand-in, CPU ms a message"] = (
                (sum(psutil.Process().cpu_times()[:2]) - own) / count * 1000
            )
            for what, number in (await asked_of_database(uri)).items():
                figures[f"{what} a message"] = (number - asked[what]) / count
            figures |= await stored_bytes(uri)
            figures["reply p50, ms"] = sorted(t.reply for t in first + second)[count // 2] * 1000
    await platform.stop()
    return figures


def main() -> None:
    """Measure and print."""
    uvloop.install()
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("aiohttp", "pymongo", "motor", "secantusdb", "nats-py")
    )
    console.print(f"{machine.platform()}; {os.cpu_count()} cores; Python {machine.python_version()}; {libraries}")
    console.print(f"{MESSAGES} messages, {PEOPLE} people at a time, over two webs; everything on the same cores")
    columns = [asyncio.run(measure(workers)) for workers in (1, 2, 3)]
    table = Table("", "1 worker", "2 workers", "3 workers")
    for figure in columns[0]:
        table.add_row(figure, *(f"{column[figure]:,.2f}" for column in columns))
    console.print(table)


if __name__ == "__main__":
    main()
