"""The real adapters and the outbox against stand-ins that misbehave: what becomes of a reply and the one behind it.

FAULTS F042-F045, F048-F054. That an adapter gives up in time on silence and on drips (F046, F047) is shown where its
deadlines can be set; what follows is that of F044 here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.base import Acceptance, Channel
from channels.inbound import Inbound
from core.conversation import Conversation
from core.ids import AccountName, ChannelName, ConversationId, DeskName, EventId, OutId, account_key, conversation_id
from core.outbox import TIME_TO_LIVE, OutboxRow
from core.replies import ApiCall
from core.store.memory import MemoryStore
from hub.emulate import mail, twilio
from hub.emulate.faults import Fault, Platform
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
HTTP = ("slack", "telegram", "whatsapp")
TEXTS = ["one", "two"]
PROVEN_AFTER_S = 30.0
NOWHERE = "http://127.0.0.1:9"
"""Where Twilio tells what became of its messages."""


def call(channel: str, text: str, number: int = 0) -> ApiCall:
    """Return a reply as the channel's `render` gives it."""
    match channel:
        case "slack":
            params: dict[str, Any] = {"channel": f"D{number}", "text": text}
            return ApiCall(method="chat.postMessage", params=params, bucket=f"D{number}")
        case "telegram":
            return ApiCall(method="sendMessage", params={"chat_id": 77 + number, "text": text}, bucket=str(77 + number))
        case "whatsapp":
            to = f"whatsapp:+4915100{number:05}"
            return ApiCall(method="messages.create", params={"to": to, "from_": twilio.NUMBER, "body": text}, bucket=to)
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
    channel: str
    waits: list[float] = field(default_factory=list)

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
                call=call(self.channel, text, number),
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

    async def ends(self, hold: Hold) -> list[tuple[str | None, str | None]]:
        """Return how each reply ended, and why."""
        lines = await self.store.transcript(hold.id, 0, 100)
        return [(line.state, line.reason) for line in lines]

    def taken(self, number: int | None = None) -> list[str]:
        """Return what the platform took, in that order."""
        mine = [sent for sent in self.platforms.ledger if number is None or _is_at(sent.place, number, self.channel)]
        return [sent.text.strip() for sent in mine]

    def asked(self) -> int:
        """Return how many requests the platforms got."""
        return sum(request.direction == "from_hub" for request in self.platforms.ledger.lines)

    def tries(self) -> float:
        """Return how many calls were made, however they ended."""
        found = [sample for metric in self.outbox.metrics.sends.collect() for sample in metric.samples]
        return sum(sample.value for sample in found if sample.name.endswith("_total"))


def _is_at(place: str, number: int, channel: str) -> bool:
    asked = call(channel, "", number)
    return place in {asked.bucket, asked.params.get("channel")}


async def nobody_calls(_inbound: Inbound) -> Acceptance:
    raise AssertionError


@asynccontextmanager
async def line_on(channel: str, folder: Path, *faults: dict[str, Any]) -> AsyncIterator[Line]:
    async with running() as platforms:
        clock = FakeClock(datetime.now(UTC))
        settings = load_settings(
            environ={**platforms.environment(), "FRONTDESK_DATA": str(folder), "FRONTDESK_PUBLIC_URL": NOWHERE}
        )
        store = MemoryStore(clock)
        channels: dict[str, Channel] = build_channels(settings, nobody_calls, StoreMailbox(store, clock), clock)
        metrics = Metrics()
        holds, records = Holds(store, "w1", clock, metrics), Records(store)
        outbox = Outbox(store, holds, records, clock, metrics, LogNames(b"key"), channels, PROVEN_AFTER_S)
        for fault in faults:
            await platforms.add_fault(Fault.model_validate({"platform": channel, **fault}))
        try:
            yield Line(platforms, store, clock, outbox, channel)
        finally:
            for one in channels.values():
                await one.close()


SENT: tuple[str, str | None] = ("sent", None)
HELD: tuple[str, str | None] = ("held", "unknown_outcome")

Ends = list[tuple[str, str | None]]

ONCE: list[tuple[str, dict[str, Any], Ends, list[str]]] = [
    # F044: before and after acting. Slack and Twilio are asked; Telegram cannot be; a mail may go twice.
    ("slack", {"action": "error"}, [SENT, SENT], TEXTS),
    ("slack", {"action": "error", "moment": "after"}, [SENT, SENT], TEXTS),
    ("slack", {"action": "cut"}, [SENT, SENT], TEXTS),
    ("slack", {"action": "cut", "moment": "after"}, [SENT, SENT], TEXTS),
    ("whatsapp", {"action": "error"}, [SENT, SENT], TEXTS),
    ("whatsapp", {"action": "error", "moment": "after"}, [SENT, SENT], TEXTS),
    ("whatsapp", {"action": "cut", "moment": "after"}, [SENT, SENT], TEXTS),
    ("telegram", {"action": "error"}, [HELD, SENT], ["two"]),
    ("telegram", {"action": "error", "moment": "after"}, [HELD, SENT], TEXTS),
    ("telegram", {"action": "cut", "moment": "after"}, [HELD, SENT], TEXTS),
    ("email", {"action": "error"}, [SENT, SENT], TEXTS),
    ("email", {"action": "error", "moment": "after"}, [SENT, SENT], ["one", *TEXTS]),
    # F048: a 200 that is none.
    ("slack", {"action": "refuse", "code": "channel_not_found"}, [("failed", "channel_not_found"), SENT], ["two"]),
    ("slack", {"action": "refuse", "code": "ratelimited"}, [SENT, SENT], TEXTS),
    # F049: an answer that cannot be read. It was done.
    *(
        (channel, {"action": "body", "kind": kind}, [SENT, SENT], TEXTS)
        for channel in ("slack", "whatsapp")
        for kind in ("truncated", "huge", "not_json")
    ),
    *(
        ("telegram", {"action": "body", "kind": kind}, [HELD, SENT], TEXTS)
        for kind in ("truncated", "huge", "not_json")
    ),
    # F052: the recipient is gone.
    ("telegram", {"action": "refuse", "code": "403"}, [("failed", "forbidden"), SENT], ["two"]),
    ("whatsapp", {"action": "refuse", "code": "21610"}, [("failed", "21610"), SENT], ["two"]),
    # F054: mail.
    ("email", {"action": "refuse", "code": "421"}, [SENT, SENT], TEXTS),
    ("email", {"action": "refuse", "code": "450"}, [SENT, SENT], TEXTS),
    ("email", {"action": "refuse", "code": "552"}, [("failed", "5.2.2"), SENT], ["two"]),
    ("email", {"action": "cut"}, [SENT, SENT], TEXTS),
    ("email", {"action": "cut", "moment": "after"}, [SENT, SENT], ["one", *TEXTS]),
]


@pytest.mark.parametrize(("channel", "fault", "ends", "taken"), ONCE, ids=str)
async def test_one_thing_that_goes_wrong_ends_as_promised(
    channel: str, fault: dict[str, Any], ends: list[tuple[str, str | None]], taken: list[str], tmp_path: Path
) -> None:
    """F044, F048, F049, F052, F054."""
    async with line_on(channel, tmp_path, {**fault, "times": 1}) as line:
        hold = await line.plan(*TEXTS)
        await line.finish(hold)
        assert await line.ends(hold) == ends
        assert line.taken() == taken
        names = [sent.provider_id for sent in line.platforms.ledger if sent.text.strip() == "one"]
        assert len(set(names)) <= 1, "copies of a mail have one Message-ID"


@pytest.mark.parametrize("channel", HTTP)
@pytest.mark.parametrize(
    ("written", "wait_s"),
    [("7", 7.0), (None, 5.0), ("-5", 1.0), ("1e9", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 5.0), ("soon", 5.0)],
)
async def test_a_platform_that_wants_a_pause_gets_it_and_order_is_kept(
    channel: str, written: str | None, wait_s: float, tmp_path: Path
) -> None:
    """F042 for 7; F043 for the others."""
    async with line_on(channel, tmp_path, {"action": "rate_limit", "retry_after": written, "times": 1}) as line:
        hold = await line.plan(*TEXTS)
        await line.finish(hold)
        assert line.taken() == TEXTS
        assert line.waits[0] == pytest.approx(wait_s, abs=1.4 if written == "7" else 0.01)
        assert line.asked() == 3, "nothing was asked during the pause"


@pytest.mark.parametrize("channel", ACCOUNTS)
async def test_a_platform_where_nobody_listens_is_tried_again_on_the_schedule(
    channel: Platform, tmp_path: Path
) -> None:
    """F045: certainly not sent."""
    async with line_on(channel, tmp_path, {"action": "closed"}) as line:
        hold = await line.plan(*TEXTS)
        await line.finish(hold, line.platforms.heal)
        assert line.taken() == TEXTS
        assert line.waits[0] == pytest.approx(1.0, abs=0.01)
        assert await line.ends(hold) == [SENT, SENT]


@pytest.mark.parametrize("channel", HTTP)
async def test_a_redirect_is_not_followed(channel: str, tmp_path: Path) -> None:
    """F050: the token stays with the platform that it is for."""
    async with line_on(channel, tmp_path) as line:
        elsewhere = line.platforms.http["orders"]
        fault = {"platform": channel, "action": "redirect", "location": f"{elsewhere.url}/x", "times": 1}
        await line.platforms.add_fault(Fault.model_validate(fault))
        hold = await line.plan(*TEXTS)
        await line.finish(hold)
        assert line.taken() == ["two"]
        assert [state for state, _ in await line.ends(hold)] == ["failed", "sent"]
        assert {request.platform for request in line.platforms.ledger.lines if request.direction == "from_hub"} == {
            channel
        }


@pytest.mark.parametrize("channel", ACCOUNTS)
async def test_refused_credentials_cost_no_reply(channel: str, tmp_path: Path) -> None:
    """F051: what waits goes, in order, once they are good again."""
    async with line_on(channel, tmp_path, {"action": "unauthorized"}) as line:
        hold, other = await line.plan(*TEXTS), await line.plan("elsewhere", number=1)
        due = await line.step(hold)
        assert due is not None
        assert [row.state for row in hold.out] == ["queued", "queued"]
        assert await line.step(other) is not None
        assert line.asked() <= 2, "the whole account pauses"
        await line.platforms.heal()
        await line.finish(hold)
        await line.finish(other)
        assert line.taken(0) == TEXTS
        assert line.taken(1) == ["elsewhere"]
        assert [state for state, _ in await line.ends(hold)] == ["sent", "sent"]


PEOPLE, EACH = 40, 5
DOWN = timedelta(hours=6)


async def test_a_platform_that_is_down_for_hours_is_probed_and_gets_everything_afterwards(tmp_path: Path) -> None:
    """F053, with 200 rows: one probe every half minute, order kept afterwards; what is a day old is cancelled."""
    async with line_on("slack", tmp_path, {"action": "closed"}) as line:
        holds = [
            await line.plan(*(f"{number}-{index}" for index in range(EACH)), number=number) for number in range(PEOPLE)
        ]
        for hold in holds[:2]:
            hold.out = tuple(row.model_copy(update={"created_at": row.created_at - TIME_TO_LIVE}) for row in hold.out)
        began = line.clock.now()
        wakes: dict[ConversationId, datetime] = {hold.id: began for hold in holds}
        while line.clock.now() - began < DOWN:
            for hold in holds:
                if hold.id in wakes and wakes[hold.id] <= line.clock.now():
                    due = await line.step(hold)
                    wakes.pop(hold.id) if due is None else wakes.update({hold.id: due})
            line.clock.advance(max((min(wakes.values()) - line.clock.now()).total_seconds(), 1.0))
        tries = line.tries()
        probes = DOWN.total_seconds() / SILENT_PAUSE_S
        assert 0.9 * probes <= tries <= probes + FAILURES + 1, "one probe every half minute, and no more"
        await line.platforms.heal()
        for hold in holds:
            await line.finish(hold)
        assert [state for hold in holds[:2] for state, _ in await line.ends(hold)] == ["cancelled"] * 2 * EACH
        for number in range(2, PEOPLE):
            assert line.taken(number) == [f"{number}-{index}" for index in range(EACH)]
