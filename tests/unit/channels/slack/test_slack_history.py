"""Asking for what Slack did not deliver: which places, since when, and how a found message reads (SEMANTICS 9)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from channels.base import Gap, Look
from channels.slack.channel import SlackChannel, build
from channels.slack.client import SlackClient
from channels.slack.history import MAX_PAGES, PAGE_SIZE, PAUSE_S, History
from channels.slack.keys import identify
from channels.slack.normalize import normalize
from core.errors import AccountRefused, DeliveryError, RateLimited, TemporaryFailure, UnknownOutcome
from core.events import MessageReceived
from core.ids import ConversationId
from tests.fakes import START, FakeClock
from tests.unit.channels.slack.slack_samples import ACCOUNT, FakeInbox, FakeSlack, payload, resources, sample, settings

US = {"ok": True, "user_id": "U0DESK", "team_id": "T0ACME"}
DIRECT = {"ok": True, "channel": {"id": "D0ANNA"}}
SINCE = START - timedelta(minutes=6)
OLDEST = f"{SINCE.timestamp():.6f}"


def page(*messages: dict[str, Any], cursor: str = "") -> dict[str, Any]:
    return {"ok": True, "messages": list(messages), "response_metadata": {"next_cursor": cursor}}


def said(text: str, seconds: float = 0.0, **fields: Any) -> dict[str, Any]:
    """Return a message of the history, so many seconds after the gap began."""
    ts = f"{SINCE.timestamp() + seconds:.6f}"
    return {"type": "message", "user": "U0ANNA", "text": text, "ts": ts} | fields


def gap(thread: str) -> Gap:
    return Gap(SINCE, ConversationId(f"slack:acme:{thread}"))


def answering(status: int, body: Any = None, **headers: str) -> Any:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return answer


LIMITED = answering(429, {"ok": False, "error": "ratelimited"}, **{"Retry-After": "30"})


@dataclass
class Asking:
    """One account's history, and the pauses it made."""

    history: History
    pauses: list[float] = field(default_factory=list)

    async def looks(self, *gaps: Gap) -> list[Look]:
        return [look async for look in self.history.catch_up(gaps)]

    async def texts(self, *gaps: Gap) -> list[str]:
        looks = await self.looks(*gaps)
        return [event.text for look in looks for event in events_of(look)]


def events_of(look: Look) -> list[MessageReceived]:
    events = [event for inbound in look.payloads for event in normalize(inbound)]
    return [event for event in events if isinstance(event, MessageReceived)]


@asynccontextmanager
async def asking(slack: FakeSlack) -> AsyncIterator[Asking]:
    server = await slack.start()
    client = SlackClient("xoxb-test", str(server.make_url("/api/")))
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    try:
        yield Asking(History(ACCOUNT, client, FakeClock(), pause), pauses)
    finally:
        await client.close()
        await server.close()


def methods(slack: FakeSlack) -> list[str]:
    return [method for method, _, _ in slack.requests]


# places


async def test_a_persons_direct_messages_are_found_by_opening_them_once():
    slack = FakeSlack(auth__test=US, conversations__open=DIRECT, conversations__history=page(said("lost", 10)))
    async with asking(slack) as asked:
        (look,) = await asked.looks(gap("U0ANNA"))
        await asked.looks(gap("U0ANNA"))
    assert methods(slack) == ["auth.test", "conversations.open", "conversations.history", "conversations.history"]
    _, query, _ = slack.requests[2]
    assert query == {"channel": "D0ANNA", "oldest": OLDEST, "limit": str(PAGE_SIZE)}
    assert look.closed == (gap("U0ANNA"),)
    (event,) = events_of(look)
    assert (event.conversation_id, event.text, event.addressed) == ("slack:acme:U0ANNA", "lost", "direct")


async def test_a_channel_is_read_once_for_all_its_threads_and_each_thread_for_itself():
    """New threads are in the channel's history; answers in a thread are not."""
    root, other = f"{SINCE.timestamp() - 9000:.6f}", f"{SINCE.timestamp() - 8000:.6f}"
    slack = FakeSlack(
        auth__test=US,
        conversations__history=page(said("<@U0DESK> new", 30)),
        conversations__replies=[
            page(said("root", -9000, thread_ts=root), said("in the first", 10, thread_ts=root)),
            page(said("in the other", 20, thread_ts=other)),
        ],
    )
    first, second = gap(f"C0HELP:{root}"), Gap(SINCE + timedelta(minutes=1), gap(f"C0HELP:{other}").conversation_id)
    async with asking(slack) as asked:
        looks = await asked.looks(first, second)
    assert methods(slack)[1:] == ["conversations.history", "conversations.replies", "conversations.replies"]
    assert [query["oldest"] for _, query, _ in slack.requests[1:3]] == [OLDEST, OLDEST]
    assert [query.get("ts") for _, query, _ in slack.requests[1:]] == [None, root, other]
    assert [look.closed for look in looks] == [(), (first,), (second,)]
    assert [[event.conversation_id for event in events_of(look)] for look in looks] == [
        [f"slack:acme:C0HELP:{said('', 30)['ts']}"],
        [f"slack:acme:C0HELP:{root}"],  # the thread's first message is older than the gap
        [],  # older than this thread's own gap
    ]


async def test_questions_are_spaced_so_that_proofs_of_sends_still_pass():
    """CHANNELS 1.5: tier 3, 50 a minute and more."""
    slack = FakeSlack(auth__test=US, conversations__history=page())
    async with asking(slack) as asked:
        await asked.looks(*(gap(f"C{number}") for number in range(3)))
        assert asked.pauses == [PAUSE_S] * 3
    assert 60 / PAUSE_S < 50


# messages


async def test_a_found_message_has_the_name_and_the_words_of_its_event():
    """F061: whichever comes first, the other is known."""
    event = payload("text_dm.json")["event"]
    in_history = {name: value for name, value in event.items() if name not in ("channel", "channel_type", "event_ts")}
    slack = FakeSlack(auth__test=US, conversations__open=DIRECT, conversations__history=page(in_history))
    async with asking(slack) as asked:
        (look,) = await asked.looks(Gap(START - timedelta(days=400), gap("U0ANNA").conversation_id))
    (found,) = look.payloads
    assert identify(found) == identify(sample("text_dm.json"))
    (told,) = normalize(sample("text_dm.json"))
    assert normalize(found) == (told.model_copy(update={"received_at": found.received_at}),)


async def test_messages_are_handed_on_oldest_first_over_all_pages():
    slack = FakeSlack(
        auth__test=US,
        conversations__history=[
            page(said("four", 40), said("three", 30), cursor="more"),
            page(said("two", 20), said("one", 10)),
        ],
    )
    async with asking(slack) as asked:
        assert await asked.texts(gap("C1")) == ["one", "two", "three", "four"]
    assert [query.get("cursor") for _, query, _ in slack.requests[1:]] == [None, "more"]


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "U0DESK"},
        {"bot_id": "B0OTHER"},
        {"subtype": "bot_message", "user": None},
        {"subtype": "channel_join"},
        {"user": None},
        {"type": "other"},
        {"ts": "soon"},
        {"ts": None},
        {"ts": f"{SINCE.timestamp() - 1:.6f}"},
    ],
    ids=str,
)
async def test_what_no_person_said_since_then_is_not_handed_on(fields: dict[str, Any]):
    """F067: what machines say is never answered, so it is not fetched either."""
    slack = FakeSlack(auth__test=US, conversations__history=page(said("no", 10) | fields, said("yes", 20)))
    async with asking(slack) as asked:
        assert await asked.texts(gap("C1")) == ["yes"]


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast", "me_message"])
async def test_what_a_person_said_in_another_form_is_handed_on(subtype: str):
    """S9"""
    slack = FakeSlack(auth__test=US, conversations__history=page(said("yes", 20, subtype=subtype)))
    async with asking(slack) as asked:
        assert await asked.texts(gap("C1")) == ["yes"]


# trouble


async def test_a_429_ends_the_round_and_keeps_what_was_read():
    """SEMANTICS 9: the rest is asked next time."""
    slack = FakeSlack(
        auth__test=US, conversations__history=[page(said("one", 10)), page(said("two", 20), cursor="more"), LIMITED]
    )
    looks: list[Look] = []

    async def ask(asked: Asking) -> None:
        async for look in asked.history.catch_up([gap("C1"), gap("C2"), gap("C3")]):
            looks.append(look)

    async with asking(slack) as asked:
        with pytest.raises(RateLimited) as caught:
            await ask(asked)
    assert caught.value.retry_after_s == 30
    assert [[event.text for event in events_of(look)] for look in looks] == [["one"], ["two"]]
    assert [look.closed for look in looks] == [(gap("C1"),), ()]


@pytest.mark.parametrize("error", ["channel_not_found", "not_in_channel", "is_archived", "thread_not_found"])
async def test_a_place_that_is_gone_has_no_gap_and_the_others_are_read(error: str):
    slack = FakeSlack(
        auth__test=US, conversations__history=[{"ok": False, "error": error}, page(said("in the other", 10))]
    )
    async with asking(slack) as asked:
        looks = await asked.looks(gap("C1"), gap("C2"))
    assert gap("C1") in [closed for look in looks for closed in look.closed]
    assert [event.text for look in looks for event in events_of(look)] == ["in the other"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ok": False, "error": "missing_scope"}, AccountRefused),
        (answering(500), UnknownOutcome),
        ({"ok": True, "messages": None}, TemporaryFailure),
    ],
)
async def test_other_trouble_is_told(answer: Any, expected: type[DeliveryError]):
    slack = FakeSlack(auth__test=US, conversations__history=answer)
    async with asking(slack) as asked:
        with pytest.raises(expected):
            await asked.looks(gap("C1"))


async def test_nothing_is_asked_before_it_is_known_who_we_are():
    slack = FakeSlack(auth__test={"ok": True})
    async with asking(slack) as asked:
        with suppress(TemporaryFailure):
            await asked.looks(gap("C1"))
    assert methods(slack) == ["auth.test"]


async def test_a_place_with_too_much_in_it_does_not_take_the_whole_round():
    slack = FakeSlack(auth__test=US, conversations__history=page(said("one of many", 10), cursor="more"))
    async with asking(slack) as asked:
        (look,) = await asked.looks(gap("C1"))
    assert look.closed == (gap("C1"),)
    assert len(methods(slack)) == 1 + MAX_PAGES


# the channel


def test_how_often_slack_is_asked_can_be_set_and_switched_off():
    def plan(**fields: Any) -> Any:
        return build(ACCOUNT, settings(**fields), resources(FakeInbox())).capabilities.catch_up

    assert (plan().every_s, plan().overlap_s, plan().by_conversation) == (300.0, 60.0, True)
    assert plan(catch_up_every_s=1200).every_s == 1200.0
    assert plan(catch_up_every_s=0) is None


async def test_the_channel_reads_its_own_history():
    slack = FakeSlack(auth__test=US, conversations__history=page())
    server = await slack.start()
    channel = SlackChannel(ACCOUNT, settings(api_url=str(server.make_url("/api/"))), resources(FakeInbox()))
    try:
        assert [look async for look in channel.catch_up([])] == []
    finally:
        await channel.close()
        await server.close()
    assert methods(slack) == ["auth.test"]
    assert json.dumps(slack.requests[0][2]) == '"Bearer xoxb-test"'


async def test_only_so_many_people_are_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("channels.slack.history.MAX_REMEMBERED", 1)
    slack = FakeSlack(auth__test=US, conversations__open=DIRECT, conversations__history=page())
    async with asking(slack) as asked:
        await asked.looks(gap("U0ANNA"), gap("U0BERT"), gap("U0BERT"), gap("U0ANNA"))
        await asked.looks(gap("U0ANNA"))
    assert methods(slack).count("conversations.open") == 3
