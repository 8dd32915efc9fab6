"""Messages that a platform kept to itself are found by asking, and answered once (F061, F065; SEMANTICS section 9)."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.emulate import slack, twilio
from hub.emulate.pace import Pace
from tests.servers.hub import Hub
from tests.standins.aftermath import MANY, opened_store, until_quiet
from tests.standins.platforms import QuickPlatforms, running_platforms

pytestmark = pytest.mark.faults

LOST = 20
PEOPLE = 2
FOUND_WITHIN_S = 60.0
QUIET_WITHIN_S = 30.0
LOOK_EVERY_S = 0.1
AGO = timedelta(minutes=5)
"""Long enough for a Twilio message to be past every try of its webhook."""
OFTEN = {"FRONTDESK_SLACK_ACME_CATCH_UP_EVERY_S": "0.2", "FRONTDESK_WHATSAPP_MAIN_CATCH_UP_EVERY_S": "0.2"}
"""Instead of five and ten minutes."""
STATUSES = tuple(f":{state}" for state in twilio.STATES)
ORDER = re.compile(r"\b[SW]-\d{4}\b")


@dataclass(frozen=True, slots=True)
class Message:
    """Something that a person wrote: its id stands in the text as an order number, and in the answer."""

    id: str
    row: str
    """Its name in the inbox."""
    write: Callable[[], None]
    """Puts it where the platform can be asked for it."""
    bring: Callable[[], Any]
    """Delivers it once; a coroutine."""


@dataclass
class Run:
    """A hub amid its platforms."""

    hub: Hub
    platforms: QuickPlatforms

    def on_slack(self, person: int, number: int) -> Message:
        name, channel, user, ts = (
            f"S-{person:02}{number:02}",
            f"D0LOST{person}",
            f"U0LOST{person}",
            self._slack.next_ts(),
        )
        body = slack.message_event(f"Ev{name}", channel, user, ts, words(name))
        return Message(
            name,
            f"slack:acme:{channel}:{ts}",
            lambda: self._slack.write(body),
            lambda: self._slack.try_once(f"{self.hub.url}/slack/acme/events", body, 0),
        )

    def on_whatsapp(self, person: int, number: int) -> Message:
        name = f"W-{person:02}{number:02}"
        form = twilio.text_form(f"SM{name}", f"whatsapp:+49151000000{person:02}", words(name))
        return Message(
            name,
            f"tw:main:SM{name}",
            lambda: self._twilio.write(form, self.platforms.world.clock.now() - AGO),
            lambda: self._twilio.try_once(f"{self.hub.url}/whatsapp/main", form, name),
        )

    @property
    def _slack(self) -> slack.SlackStandin:
        return self.platforms.slack

    @property
    def _twilio(self) -> twilio.TwilioStandin:
        return self.platforms.twilio

    def answers(self) -> Counter[str]:
        """Count the answers to each message."""
        return Counter(found.group() for sent in self.platforms.ledger if (found := ORDER.search(sent.text)))

    async def until_answered(self, messages: list[Message]) -> None:
        deadline = time.monotonic() + FOUND_WITHIN_S
        while missing := {message.id for message in messages} - self.answers().keys():
            assert time.monotonic() < deadline, f"not answered: {sorted(missing)}\n{self.hub.tail()}"
            await asyncio.sleep(LOOK_EVERY_S)

    async def settled(self) -> list[str]:
        """Wait until nothing is left to do; returns the names of all rows, but for what became of our own messages."""
        async with opened_store(self.hub.database_port) as store:
            await until_quiet(store, lambda: True, QUIET_WITHIN_S)
            names = [row["_id"] async for row in store._database["inbox"].find({}, {"_id": 1}).limit(MANY)]
        return [name for name in names if not name.endswith(STATUSES)]

    async def count(self, metric: str) -> Mapping[str, float]:
        """Return a counter of the hub by channel."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.hub.url}/metrics") as answer:
            lines = re.findall(rf'^{metric}_total{{.*?channel="(\w+)".*?}} (\S+)$', await answer.text(), re.MULTILINE)
        return {channel: float(number) for channel, number in lines}


def words(name: str) -> str:
    return f"Where is my order {name}? My email is ann@example.com"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Run]:
    async with running_platforms(Pace(seed=0)) as platforms:
        hub = Hub(folder, {**platforms.environment(), **OFTEN})
        try:
            await asyncio.to_thread(hub.start)
            yield Run(hub, platforms)
        finally:
            if hub.process is not None and hub.process.poll() is None:
                await asyncio.to_thread(hub.stop)


async def test_twenty_messages_that_each_platform_dropped_are_found_and_answered_once(tmp_path: Path) -> None:
    """F065: Slack drops events silently, Twilio a message whose webhook failed (W6)."""
    async with running(tmp_path) as run:
        known = [say(person, 0) for say in (run.on_slack, run.on_whatsapp) for person in range(PEOPLE)]
        for message in known:
            message.write()
            assert (await message.bring()).is_taken
        await run.until_answered(known)
        lost = [
            say(person, 1 + number)
            for say in (run.on_slack, run.on_whatsapp)
            for number in range(LOST // PEOPLE)
            for person in range(PEOPLE)
        ]
        for message in lost:
            message.write()
        await run.until_answered(lost)
        rows = await run.settled()
        found = await run.count("frontdesk_backfilled")
        repeated = await run.count("frontdesk_duplicates")
    assert run.answers() == dict.fromkeys((message.id for message in known + lost), 1)
    assert sorted(rows) == sorted(message.row for message in known + lost)
    assert found == {"slack": LOST, "whatsapp": LOST}
    assert sum(repeated.values()) == 0, "what was delivered is not offered again"


async def test_a_message_that_comes_while_the_hub_is_told_of_it_is_one_row_and_one_answer(tmp_path: Path) -> None:
    """F061: the delivery leaves with the very answer in which the hub finds the message."""
    async with running(tmp_path) as run:
        people = [say(0, 0) for say in (run.on_slack, run.on_whatsapp)]
        for message in people:
            message.write()
            assert (await message.bring()).is_taken
        await run.until_answered(people)
        both_ways: list[Message] = []
        for say in (run.on_slack, run.on_whatsapp):
            for number in range(1, 1 + LOST // 4):
                both_ways.append(message := say(0, number))
                await told_twice_at_once(run, message)
        rows = await run.settled()
        found = await run.count("frontdesk_backfilled")
    assert run.answers() == dict.fromkeys((message.id for message in people + both_ways), 1)
    assert sorted(rows) == sorted(message.row for message in people + both_ways)
    assert sum(found.values()) <= len(both_ways)


async def told_twice_at_once(run: Run, message: Message) -> None:
    """Deliver a message at the moment in which the hub asks for it, and wait for the answer."""
    method = "/Messages.json" if message.id.startswith("W") else "/conversations.history"
    message.write()
    asked = len(run.platforms.ledger.lines)
    deadline = time.monotonic() + FOUND_WITHIN_S
    while not any(method in line.request for line in list(run.platforms.ledger.lines)[asked:]):
        assert time.monotonic() < deadline, run.hub.tail()
        await asyncio.sleep(0)
    assert (await message.bring()).is_taken
    await run.until_answered([message])
