"""Web and worker as processes of their own, on one database, with and without NATS."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from tests.servers.database import running_database
from tests.servers.hub import Hub
from tests.servers.nats import running_nats

pytestmark = pytest.mark.integration

SECRET = "shared-by-all-web-processes-0123456789"


@contextmanager
def cluster(folder: Path, **environment: str) -> Iterator[list[Hub]]:
    """Run two webs and two workers on one database; yields the webs."""
    with ExitStack() as stack:
        uri = stack.enter_context(running_database(folder / "db"))
        shared = {"FRONTDESK_MONGO_URI": uri, "FRONTDESK_WEB_SITE_SECRET": SECRET, **environment}
        hubs = [Hub(folder / f"{role}{n}", shared, role=role) for role in ("web", "worker") for n in range(2)]
        for hub in hubs:
            stack.callback(_stop, hub)
            hub.start()
        yield hubs[:2]


def _stop(hub: Hub) -> None:
    if hub.process is not None and hub.process.poll() is None:
        hub.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def ask(http: aiohttp.ClientSession, webs: list[Hub], number: int) -> tuple[list[str], float]:
    """Send a question to one web process and fetch the answer from the other; returns the texts and the seconds."""
    here, there = webs[number % 2], webs[(number + 1) % 2]
    async with http.post(f"{here.url}/web/site/sessions") as answer:
        headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
    started = time.monotonic()
    said = {"id": str(uuid4()), "text": "where is my order A-1001?"}
    for web in (here, there):  # a client that is not sure sends again, perhaps elsewhere
        async with http.post(f"{web.url}/web/site/messages", json=said, headers=headers) as answer:
            assert answer.status == 202
    after, texts = 0, []
    while not texts and time.monotonic() - started < 20:
        params = {"after": str(after), "wait": "5"}
        async with http.get(f"{there.url}/web/site/messages", params=params, headers=headers) as answer:
            messages = (await answer.json())["messages"]
        texts += [message["text"] for message in messages if message["from"] == "bot"]
        after = max([after, *(message["seq"] for message in messages)])
    return texts, time.monotonic() - started


async def test_a_question_to_one_web_process_is_answered_once_through_the_other(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """Row 219: two webs, two workers, no NATS; the sweep alone finds the rows."""
    with cluster(tmp_path) as webs:
        results = await asyncio.gather(*(ask(http, webs, number) for number in range(8)))
    assert [len(texts) for texts, _ in results] == [1] * 8


async def test_a_hint_over_nats_saves_the_wait_for_the_sweep(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    with running_nats(tmp_path / "nats") as url, cluster(tmp_path, FRONTDESK_NATS_URL=url) as webs:
        await ask(http, webs, 0)
        results = [await ask(http, webs, number) for number in range(6)]
    assert [len(texts) for texts, _ in results] == [1] * 6
    print("seconds from question to answer with hints:", [round(seconds, 2) for _, seconds in results])


async def test_nats_that_is_away_costs_seconds_and_no_message(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """F018 in small."""
    with cluster(tmp_path, FRONTDESK_NATS_URL="nats://127.0.0.1:1") as webs:
        texts, _ = await ask(http, webs, 0)
    assert len(texts) == 1
