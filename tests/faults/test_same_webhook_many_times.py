"""F059: each of N webhooks a hundred times at once over two web processes; N rows, N answers, 100 N times 2xx.

`FRONTDESK_FAULT_COPIES_OF` is N: 50 in CI, 1,000 where there is time.
"""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest

from channels.slack.verify import sign
from channels.whatsapp.verify import SIGNATURE_HEADER, signature_of, signed_parameters
from core.store.mongo import MongoStore
from hub.clock import SystemClock
from hub.emulate import slack, telegram, twilio
from hub.emulate.pace import Pace
from tests.faults.figures import note
from tests.servers.database import running_database
from tests.servers.hub import Hub
from tests.standins.aftermath import until_quiet
from tests.standins.platforms import QuickPlatforms, running_platforms

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

MESSAGES = int(os.environ.get("FRONTDESK_FAULT_COPIES_OF", "50"))
COPIES = 100
AT_ONCE = COPIES
"""Open requests of the client, over both processes: all copies of a webhook together, then those of the next."""
PUBLIC_URL = "https://desk.example"
ANSWERED_WITHIN_S = 30.0 + MESSAGES / 10
"""Telegram takes 30 messages a second of a bot."""
QUESTION = "How long does shipping take?"
REQUEST_WITHIN_S = 30.0


@dataclass(frozen=True)
class Webhook:
    """One payload as its platform posts it."""

    event_id: str
    place: str
    path: str
    body: bytes
    headers: Mapping[str, str]


def webhooks(seed: int) -> list[Webhook]:
    """Make one first message each of so many people, on three channels in turn."""
    now = str(int(SystemClock().now().timestamp()))
    return [(_slack, _telegram, _twilio)[n % 3](n, f"{seed}{n:06}", now) for n in range(MESSAGES)]


def _slack(n: int, name: str, now: str) -> Webhook:
    channel, ts = f"D{name}", f"{now}.{n:06}"
    body = slack.message_event(f"Ev{name}", channel, f"U{name}", ts, QUESTION)
    signature = sign(body, now, slack.SIGNING_SECRET)
    headers = {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": signature, "Content-Type": "application/json"}
    return Webhook(f"slack:acme:{channel}:{ts}", channel, "/slack/acme/events", body, headers)


def _telegram(n: int, name: str, now: str) -> Webhook:
    chat = int(name)
    body = json.dumps(telegram.text_update(chat, chat, 1, QUESTION, int(now))).encode()
    headers = {"X-Telegram-Bot-Api-Secret-Token": telegram.WEBHOOK_SECRET, "Content-Type": "application/json"}
    return Webhook(f"tg:support:{chat}", str(chat), "/telegram/support", body, headers)


def _twilio(n: int, name: str, now: str) -> Webhook:
    sid, person = f"SM{name:0>32}", f"whatsapp:+49151{name}"
    body = urlencode(twilio.text_form(sid, person, QUESTION)).encode()
    signature = signature_of(twilio.AUTH_TOKEN.encode(), f"{PUBLIC_URL}/whatsapp/main", signed_parameters(body))
    headers = {SIGNATURE_HEADER: signature.decode(), "Content-Type": "application/x-www-form-urlencoded"}
    return Webhook(f"tw:main:{sid}", person, "/whatsapp/main", body, headers)


@contextmanager
def two_webs_and_a_worker(folder: Path, uri: str, environment: Mapping[str, str]) -> Iterator[list[Hub]]:
    """Run three processes on one database; yields the webs."""
    shared = {**environment, "FRONTDESK_MONGO_URI": uri, "FRONTDESK_PUBLIC_URL": PUBLIC_URL}
    hubs = [Hub(folder / f"{role}{n}", shared, role=role) for n, role in enumerate(("web", "web", "worker"))]
    try:
        for hub in hubs:
            hub.start()
        yield hubs[:2]
    finally:
        for hub in hubs:
            if hub.process is not None and hub.process.poll() is None:
                hub.stop()


async def post_all(webs: Sequence[Hub], copies: Sequence[tuple[int, Webhook]]) -> Counter[int]:
    """Post every copy once, `AT_ONCE` at a time; returns how often each status came."""
    statuses: Counter[int] = Counter()
    todo = iter(copies)
    timeout = aiohttp.ClientTimeout(total=REQUEST_WITHIN_S)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE), timeout=timeout) as session:

        async def work() -> None:
            for web, hook in todo:
                async with session.post(webs[web].url + hook.path, data=hook.body, headers=hook.headers) as answer:
                    statuses[answer.status] += 1

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return statuses


async def until_answered(platforms: QuickPlatforms, places: set[str]) -> Counter[str]:
    """Wait until every place has an answer; returns the answers by place."""
    deadline = time.monotonic() + ANSWERED_WITHIN_S
    while True:
        answers = Counter(line.place for line in platforms.ledger)
        missing = places - answers.keys()
        if not missing:
            return answers
        assert time.monotonic() < deadline, f"{len(missing)} of {len(places)} people have no answer"
        await asyncio.sleep(0.25)


@pytest.mark.parametrize("seed", [1])
async def test_a_hundred_copies_of_each_webhook_are_taken_and_answered_once(seed: int, tmp_path: Path) -> None:
    hooks = webhooks(seed)
    copies = [(copy % 2, hook) for hook in hooks for copy in range(COPIES)]
    with running_database(tmp_path / "db") as uri:
        async with running_platforms(Pace(seed, 0.0)) as platforms:
            with two_webs_and_a_worker(tmp_path, uri, platforms.environment()) as webs:
                started = time.monotonic()
                statuses = await post_all(webs, copies)
                posted_s = time.monotonic() - started
                answers = await until_answered(platforms, {hook.place for hook in hooks})
                store = MongoStore(uri, "frontdesk", SystemClock())
                await until_quiet(store, lambda: True, ANSWERED_WITHIN_S)
                rows = await store.load_inbox([hook.event_id for hook in hooks])
                extra = await store._database["inbox"].count_documents(
                    {"_id": {"$nin": [hook.event_id for hook in hooks]}, "account": {"$in": ["acme", "support"]}}
                )
                store.close()
    note(
        "copies of one webhook over two webs",
        webhooks=MESSAGES,
        requests=len(copies),
        seconds=round(posted_s, 1),
        answers=sum(answers.values()),
    )
    assert statuses == {200: COPIES * MESSAGES}
    assert (len(rows), extra) == (MESSAGES, 0)
    assert set(answers.values()) == {1}
    assert len(answers) == MESSAGES
