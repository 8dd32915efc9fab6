"""What platforms do when they deliver: again, out of order, the same thing twice, our own words (FAULTS section E)."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from channels.base import Acceptance
from channels.inbound import Inbound
from channels.slack.keys import identify
from channels.slack.normalize import normalize
from channels.telegram.normalize import name_update
from core.conversation import Conversation
from core.dialogue.hearing import why_ignored
from core.events import MessageReceived
from core.ids import AccountName, ChannelName, ConversationId, DeskName
from core.inbox import InboxRow
from core.store.memory import MemoryStore
from hub.emulate.slack import BOT, BOT_USER, message_event
from tests.conversation.telling import bot_without
from tests.factories import build_bench
from tests.fakes import START, FakeClock


class SlowStore(MemoryStore):
    """Takes a while over an insert, so that the next delivery comes meanwhile."""

    async def insert_inbox(self, rows: list[InboxRow]) -> list[bool]:  # type: ignore[override]
        await asyncio.sleep(0.01)
        return await super().insert_inbox(rows)


async def test_copies_that_come_while_the_first_one_is_being_written_are_one_message() -> None:
    """F060."""
    clock = FakeClock()
    bench = build_bench(store=SlowStore(clock), clock=clock)
    bench.inbox.open()
    answers = await asyncio.gather(*(bench.receive("1") for _ in range(100)))
    await bench.settle()
    assert answers.count(Acceptance.ACCEPTED) == 1
    assert answers.count(Acceptance.DUPLICATE) == 99
    assert len(bench.channel.sent) == 1


@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta(days=7)])
async def test_a_copy_that_comes_much_later_is_known(later: timedelta) -> None:
    """F060: the row stays for 90 days."""
    clock = FakeClock()
    bench = build_bench(store=MemoryStore(clock), clock=clock)
    bench.inbox.open()
    await bench.receive("1")
    await bench.settle()
    clock.advance(later.total_seconds())
    assert await bench.receive("1") == Acceptance.DUPLICATE
    await bench.settle()
    assert len(bench.channel.sent) == 1


async def test_ten_first_messages_at_once_are_one_conversation_with_ten_messages() -> None:
    """F063: the parts of an album come in parallel."""
    bench = build_bench()
    bench.inbox.open()
    await asyncio.gather(*(bench.receive(str(number), text=f"part {number}", thread="new") for number in range(10)))
    await bench.settle()
    store = bench.store
    assert isinstance(store, MemoryStore)
    assert {name for name, _ in bench.channel.sent} == {ConversationId("fake:one:new")}
    assert len(store._conversations) == 1
    assert len(await store.transcript(ConversationId("fake:one:new"), 0, 100)) == 20


async def test_an_older_message_that_comes_after_a_newer_one_was_answered_is_answered_next() -> None:
    """F062: nothing is dropped; what was said already stays."""
    bench = build_bench()
    bench.inbox.open()
    for name in ("3", "1", "2"):
        await bench.receive(name, text=name)
        await bench.settle()
    assert [text for _, text in bench.channel.sent] == ["3", "1", "2"]


async def test_what_comes_after_something_newer_was_answered_is_marked_as_late() -> None:
    """F062: shown with the line; the newer one stays the last thing that was said."""
    bench = build_bench(responder=bot_without())
    for name in ("3", "1", "2", "4"):
        await bench.receive(name, text="thank you", order=name, sent_s=1763812800 + int(name))
        await bench.settle()
    said = await bench.store.transcript(ConversationId("fake:one:t1"), 0, 100)
    late = {row.id.rpartition(":")[2]: row.late for row in said if row.direction == "in"}
    assert late == {"3": False, "1": True, "2": True, "4": False}
    assert len(bench.channel.sent) == 4


async def test_a_count_that_starts_anew_makes_nothing_late() -> None:
    """F062, T4: Telegram's ids restart anywhere after a quiet week."""
    clock = FakeClock()
    bench = build_bench(store=MemoryStore(clock), clock=clock, responder=bot_without())
    for order in ("900", "012"):
        clock.advance(60)
        await bench.receive(order, text="thank you", order=order)
        await bench.settle()
    said = await bench.store.transcript(ConversationId("fake:one:t1"), 0, 100)
    assert [row.late for row in said if row.direction == "in"] == [False, False]


def test_telegram_may_count_from_a_lower_number_again() -> None:
    """F064: updates are known by their own name, never by "seen up to here"."""
    before, after = (json.dumps({"update_id": number}).encode() for number in (900_000_000, 12))
    names = {name_update(body, AccountName("support")).primary for body in (before, after)}
    assert names == {"tg:support:900000000", "tg:support:12"}


def slack(body: bytes) -> Inbound:
    return Inbound(ChannelName("slack"), AccountName("acme"), body, START, {"content-type": "application/json"})


def spoken(**changes: Any) -> Inbound:
    payload = json.loads(message_event("Ev1", "D0ANN", "U0ANN", "1763812800.000100", "hello"))
    payload["event"] |= changes
    payload["event"] = {name: value for name, value in payload["event"].items() if value is not None}
    return slack(json.dumps(payload).encode())


def test_a_slack_message_by_another_way_has_the_same_name() -> None:
    """F061: the Events API and a look into the history tell of one message under two ids."""
    by_event = identify(spoken())
    payload = json.loads(spoken().body) | {"event_id": "found-in-history"}
    by_history = identify(slack(json.dumps(payload).encode()))
    assert by_event.primary == by_history.primary == "slack:acme:D0ANN:1763812800.000100"


OTHER_HUB = {"bot_id": "B0OTHER", "user": "U0OTHER", "app_id": "A0OTHER", "bot_profile": {"id": "B0OTHER"}}


@pytest.mark.parametrize(
    "changes",
    [
        {"bot_id": BOT, "user": BOT_USER, "app_id": "A0DESK"},
        OTHER_HUB,
        OTHER_HUB | {"channel": "C0ROOM", "channel_type": "channel", "text": f"<@{BOT_USER}> hello"},
        {"subtype": "bot_message", "bot_id": "B0OTHER", "user": None, "username": "build"},
        {"subtype": "channel_join", "text": "<@U0ANN> has joined the channel"},
        {"user": "USLACKBOT"},
    ],
    ids=["our own echo", "another hub", "another hub that mentions us", "bot_message", "a join", "Slack itself"],
)
def test_what_bots_say_in_slack_is_never_answered(changes: dict[str, Any]) -> None:
    """F067: two hubs in one channel are silent towards each other from the first message on, below any cap."""
    for event in normalize(spoken(**changes)):
        conversation = Conversation(
            id=event.conversation_id, desk=DeskName("it"), channel=event.channel, account=event.account
        )
        assert why_ignored(conversation, event) is not None


def test_what_a_person_says_there_is_answered() -> None:
    """F067: the counter-proof."""
    (event,) = normalize(spoken())
    assert isinstance(event, MessageReceived)
    assert event.automatic is None
