"""One account, its outbox and a stand-in that misbehaves, on a clock that jumps."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from channels.base import Acceptance, Channel
from channels.inbound import Inbound
from core.conversation import Conversation
from core.ids import AccountName, ChannelName, ConversationId, DeskName, EventId, OutId, account_key, conversation_id
from core.outbox import TIME_TO_LIVE, OutboxRow
from core.replies import ApiCall
from core.store.memory import MemoryStore
from hub.correspondents import Correspondents
from hub.emulate import mail, twilio
from hub.emulate.faults import Fault
from hub.emulate.platforms import Platforms
from hub.holds import Hold, Holds
from hub.mailbox import StoreMailbox
from hub.outbox import Outbox
from hub.pauses import FAILURES, SILENT_PAUSE_S
from hub.records import Records
from hub.settings import load_settings
from hub.telemetry import LogNames, Metrics
from hub.wiring import build_channels
from tests.fakes import FakeClock
from tests.unit.hub.emulate.kit import running

ACCOUNTS = {"slack": "acme", "telegram": "support", "whatsapp": "main", "email": "help"}
CLOUD = "cloud"
"""WhatsApp's second provider: the same channel, other calls and answers."""
LINES = (*ACCOUNTS, CLOUD)
PROVEN_AFTER_S = 30.0
NOWHERE = "http://127.0.0.1:9"
"""Where Twilio tells what became of its messages."""


def channel_of(line: str) -> str:
    return "whatsapp" if line == CLOUD else line


def call(line: str, text: str, number: int = 0) -> ApiCall:
    """Return a reply as the channel's `render` gives it."""
    match line:
        case "slack":
            params: dict[str, Any] = {"channel": f"D{number}", "text": text}
            return ApiCall(method="chat.postMessage", params=params, bucket=f"D{number}")
        case "telegram":
            return ApiCall(method="sendMessage", params={"chat_id": 77 + number, "text": text}, bucket=str(77 + number))
        case "whatsapp":
            to = f"whatsapp:+4915100{number:05}"
            return ApiCall(method="messages.create", params={"to": to, "from_": twilio.NUMBER, "body": text}, bucket=to)
        case "cloud":
            to = f"4915100{number:05}"
            params = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": text}}
            return ApiCall(method="messages", params=params, bucket=to)
        case _:
            to = f"ann{number}@customer.example"
            params = {"to": to, "from": mail.ADDRESS, "subject": "Re: A question", "text": text, "root16": "0" * 16}
            return ApiCall(method="send", params=params, bucket=to)


@dataclass
class Line:
    """One account, its outbox, and a clock that jumps to whenever the outbox wants to come again."""

    platforms: Platforms
    store: MemoryStore
    clock: FakeClock
    outbox: Outbox
    name: str
    """Of its channel, or `CLOUD`."""
    waits: list[float] = field(default_factory=list)

    @property
    def channel(self) -> str:
        return channel_of(self.name)

    @property
    def account(self) -> str:
        return account_key(self.channel, ACCOUNTS[self.channel])

    async def plan(self, *texts: str, number: int = 0) -> Hold:
        """Commit replies of one conversation."""
        name = conversation_id(self.channel, ACCOUNTS[self.channel], f"c{number}")
        hold = await self.outbox.holds.take(name)
        assert hold is not None
        hold.is_fresh = False
        hold.conversation = Conversation(
            id=name,
            desk=DeskName("support"),
            channel=ChannelName(self.channel),
            account=AccountName(ACCOUNTS[self.channel]),
            address={},
            version=1,
        )
        hold.out = tuple(
            OutboxRow(
                id=OutId(f"out-{number}-{index}"),
                event_id=EventId(f"e{number}"),
                inbox_id=f"e{number}",
                call=call(self.name, text, number),
                epoch=0,
                seq=32 + index,
                created_at=self.clock.now(),
            )
            for index, text in enumerate(texts)
        )
        await self.outbox.holds.save(hold)
        return hold

    async def wait(self, due: datetime) -> None:
        """Jump."""
        wait_s = max((due - self.clock.now()).total_seconds(), 0.01)
        self.waits.append(wait_s)
        self.clock.advance(wait_s)
        await asyncio.sleep(0.02)

    async def step(self, hold: Hold) -> datetime | None:
        """Do what can be done now, as a worker does whose lease is good."""
        hold.good_until = self.clock.monotonic() + 10.0
        return await self.outbox.drain(hold)

    async def finish(self, hold: Hold, when_it_waits: Callable[[], Any] | None = None) -> None:
        """Go on until nothing is left to do."""
        for _ in range(100):
            if (due := await self.step(hold)) is None:
                break
            if when_it_waits is not None:
                await when_it_waits()
                when_it_waits = None
            await self.wait(due)
        else:
            raise AssertionError("the outbox does not come to an end")
        await self.outbox.records.drain()

    async def go_on(
        self, holds: list[Hold], wakes: dict[ConversationId, datetime], until: datetime | None = None
    ) -> None:
        """Work on many conversations, each when its time has come, until a time or until nothing is left to do."""
        while wakes and (until is None or self.clock.now() < until):
            for hold in holds:
                if hold.id in wakes and wakes[hold.id] <= self.clock.now():
                    due = await self.step(hold)
                    wakes.pop(hold.id) if due is None else wakes.update({hold.id: due})
            next_s = (min(wakes.values(), default=self.clock.now()) - self.clock.now()).total_seconds()
            self.clock.advance(max(next_s, 0.01))
        await self.outbox.records.drain()

    async def ends(self, hold: Hold) -> list[tuple[str | None, str | None]]:
        """Return how each reply ended, and why."""
        lines = await self.store.transcript(hold.id, 0, 100)
        return [(line.state, line.reason) for line in lines]

    def taken(self, number: int | None = None) -> list[str]:
        """Return what the platform took, in that order."""
        mine = [sent for sent in self.platforms.ledger if number is None or _is_at(sent.place, number, self.name)]
        return [sent.text.strip() for sent in mine]

    def asked(self) -> int:
        """Return how many requests the platforms got."""
        return sum(request.direction == "from_hub" for request in self.platforms.ledger.lines)

    def tries(self) -> float:
        """Return how many calls were made, however they ended."""
        found = [sample for metric in self.outbox.metrics.sends.collect() for sample in metric.samples]
        return sum(sample.value for sample in found if sample.name.endswith("_total"))


def _is_at(place: str, number: int, line: str) -> bool:
    asked = call(line, "", number)
    return place in {asked.bucket, asked.params.get("channel")}


async def nobody_calls(_inbound: Inbound) -> Acceptance:
    raise AssertionError


@asynccontextmanager
async def line_on(name: str, folder: Path, *faults: dict[str, Any]) -> AsyncIterator[Line]:
    async with running("cloud" if name == CLOUD else "twilio") as platforms:
        clock = FakeClock(datetime.now(UTC))
        settings = load_settings(
            environ={**platforms.environment(), "FRONTDESK_DATA": str(folder), "FRONTDESK_PUBLIC_URL": NOWHERE}
        )
        store = MemoryStore(clock)
        channels: dict[str, Channel] = build_channels(settings, nobody_calls, StoreMailbox(store, clock), clock)
        metrics = Metrics()
        holds, records = Holds(store, "w1", clock, metrics), Records(store)
        names = LogNames(b"key")
        correspondents = Correspondents(
            store, clock, names, channels, settings.limits.answers_per_day, settings.limits.answers_per_domain
        )
        outbox = Outbox(store, holds, records, clock, metrics, names, channels, correspondents, PROVEN_AFTER_S)
        for fault in faults:
            await platforms.add_fault(Fault.model_validate({"platform": channel_of(name), **fault}))
        try:
            yield Line(platforms, store, clock, outbox, name)
        finally:
            for one in channels.values():
                await one.close()


DOWN = timedelta(hours=6)
TOO_OLD = 2
"""Conversations whose replies are a day old when it begins."""


async def down_for_hours(line: Line, people: int, each: int) -> float:
    """Queue replies for a platform that is down for six hours and then comes back, and check what becomes of them.

    One probe every half minute; what is a day old is cancelled; everything else arrives, in the order of its
    conversation (F053).

    Returns:
        How many calls were made while it was down.
    """
    holds = [
        await line.plan(*(f"{number}-{index}" for index in range(each)), number=number) for number in range(people)
    ]
    for hold in holds[:TOO_OLD]:
        hold.out = tuple(row.model_copy(update={"created_at": row.created_at - TIME_TO_LIVE}) for row in hold.out)
    ends = line.clock.now() + DOWN
    wakes = {hold.id: line.clock.now() for hold in holds}
    await line.go_on(holds, wakes, until=ends)
    tries = line.tries()
    probes = DOWN.total_seconds() / SILENT_PAUSE_S
    assert 0.9 * probes <= tries <= probes + FAILURES + 1, "one probe every half minute, and no more"
    await line.platforms.heal()
    await line.go_on(holds, wakes)
    for hold in holds[:TOO_OLD]:
        assert [state for state, _ in await line.ends(hold)] == ["cancelled"] * each
    taken: dict[str, list[str]] = defaultdict(list)
    for text in line.taken():
        taken[text.partition("-")[0]].append(text)
    for number in range(TOO_OLD, people):
        assert taken[str(number)] == [f"{number}-{index}" for index in range(each)]
    assert len(line.taken()) == (people - TOO_OLD) * each
    return tries
