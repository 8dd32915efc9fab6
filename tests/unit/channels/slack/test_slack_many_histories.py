"""Asking many workspaces for what they did not deliver: each by its token, under its names (SEMANTICS 9, S2)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from channels.base import Gap, Look
from channels.slack.client import SlackClient
from channels.slack.history import PAUSE_S, ManyHistories
from channels.slack.normalize import normalize
from channels.slack.workspaces import Workspaces
from core.errors import RateLimited
from core.events import MessageReceived
from core.ids import ConversationId
from core.installations import Installation
from core.store.memory import MemoryStore
from tests.fakes import START, FakeClock
from tests.unit.channels.slack.slack_samples import ACCOUNT, FakeSlack

SINCE = START - timedelta(minutes=6)
Answers = Callable[[web.Request], Awaitable[web.Response]]


def by_token(**answers: Any) -> Answers:
    """Answer each workspace for itself: by the end of the token that asks."""

    async def answer(request: web.Request) -> web.Response:
        told = answers[request.headers["Authorization"].rpartition("-")[2]]
        return await told(request) if callable(told) else web.json_response(told)

    return answer


def who(team: str, **more: Any) -> dict[str, Any]:
    return {"ok": True, "user_id": "U0DESK", "team_id": team} | more


def history(*texts: str) -> dict[str, Any]:
    ts = SINCE.timestamp()
    messages = [
        {"type": "message", "user": "U0ANNA", "text": text, "ts": f"{ts + number:.6f}"}
        for number, text in enumerate(texts, 1)
    ]
    return {"ok": True, "messages": messages, "response_metadata": {"next_cursor": ""}}


def gap(thread: str) -> Gap:
    return Gap(SINCE, ConversationId(f"slack:acme:{thread}"))


def refused(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


@dataclass
class Asking:
    """An account that two workspaces have installed."""

    store: MemoryStore
    histories: ManyHistories
    looks: list[Look] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    async def ask(self, *threads: str) -> None:
        async for look in self.histories.catch_up([gap(thread) for thread in threads]):
            self.looks.append(look)

    @property
    def closed(self) -> list[Gap]:
        return [gap for look in self.looks for gap in look.closed]

    @property
    def heard(self) -> list[tuple[str, str]]:
        found = [
            event for look in self.looks for payload in look.payloads for event in normalize(payload, is_shared=True)
        ]
        return [(event.conversation_id, event.text) for event in found if isinstance(event, MessageReceived)]

    async def why_ended(self, place: str) -> str | None:
        kept = await self.store.find_installation(f"slack:acme:{place}")
        assert kept is not None
        return kept.ended_why


@asynccontextmanager
async def asking(slack: FakeSlack, *places: str) -> AsyncIterator[Asking]:
    server = await slack.start()
    client = SlackClient(None, str(server.make_url("/api/")))
    clock = FakeClock()
    store = MemoryStore(clock)
    for place in places:
        await store.save_installation(
            Installation(
                id=f"slack:acme:{place}",
                account="slack:acme",
                place=place,
                token=SecretStr(f"xoxb-{place}"),
                installed_at=START - timedelta(days=1),
            )
        )
    workspaces = Workspaces(ACCOUNT, store, clock, client, ("id", "secret"))
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    try:
        yield Asking(store, ManyHistories(ACCOUNT, workspaces, clock, pause), pauses=pauses)
    finally:
        await client.close()
        await server.close()


async def test_each_workspace_is_asked_with_its_token_and_what_is_found_has_the_names_of_its_own() -> None:
    slack = FakeSlack(
        auth__test=by_token(T1=who("T1"), E2=who("T9", enterprise_id="E2", is_enterprise_install=True)),
        conversations__history=by_token(T1=history("from one"), E2=history("from the organisation")),
    )
    async with asking(slack, "T1", "E2") as asked:
        await asked.ask("T1:C0HELP", "E2:C0HELP")
    assert [text for _, text in asked.heard] == ["from one", "from the organisation"]
    assert [name.split(":")[2:4] for name, _ in asked.heard] == [["T1", "C0HELP"], ["E2", "C0HELP"]]
    assert asked.closed == [gap("T1:C0HELP"), gap("E2:C0HELP")]
    asked_by = [(method, header) for method, _, header in slack.requests if method == "conversations.history"]
    assert asked_by == [("conversations.history", "Bearer xoxb-T1"), ("conversations.history", "Bearer xoxb-E2")]
    assert asked.pauses == [PAUSE_S, PAUSE_S]


async def test_conversations_of_one_workspace_are_asked_for_together_whatever_stands_between_them() -> None:
    slack = FakeSlack(
        auth__test=by_token(T1=who("T1"), T2=who("T2")),
        conversations__history=by_token(T1=history("one"), T2=history("two")),
        conversations__replies=by_token(T1=history("in the thread")),
    )
    async with asking(slack, "T1", "T2") as asked:
        await asked.ask("T1:C0HELP", "T2:C0HELP", "T1:C0HELP:1795348000.000100")
    assert [text for _, text in asked.heard] == ["one", "in the thread", "two"]
    assert set(asked.closed) == {gap("T1:C0HELP"), gap("T1:C0HELP:1795348000.000100"), gap("T2:C0HELP")}
    assert [method for method, _, _ in slack.requests].count("auth.test") == 2


@pytest.mark.parametrize("thread", ["T0GONE:C0HELP", "C0HELP", "C0HELP:1795348000.000100"], ids=str)
async def test_where_nobody_has_installed_the_app_nothing_is_to_be_found_and_the_others_are_asked(thread: str) -> None:
    """Neither after the app was removed, nor in conversations named as by an account with one token."""
    slack = FakeSlack(auth__test=who("T1"), conversations__history=history("still there"))
    async with asking(slack, "T1") as asked:
        await asked.ask(thread, "T1:C0HELP")
    assert asked.closed == [gap(thread), gap("T1:C0HELP")]
    assert [text for _, text in asked.heard] == ["still there"]


async def test_a_dead_token_ends_its_installation_alone() -> None:
    """S17: its conversations are closed in the round after, when there is no installation any more."""
    slack = FakeSlack(
        auth__test=by_token(T1=refused("token_revoked"), T2=who("T2")), conversations__history=history("alive")
    )
    async with asking(slack, "T1", "T2") as asked:
        await asked.ask("T1:C0HELP", "T2:C0HELP")
        assert asked.closed == [gap("T2:C0HELP")]
        assert (await asked.why_ended("T1"), await asked.why_ended("T2")) == ("token_revoked", None)
        await asked.ask("T1:C0HELP")
    assert asked.closed[-1] == gap("T1:C0HELP")


async def test_a_scope_that_one_workspace_did_not_give_takes_nothing_from_the_others() -> None:
    slack = FakeSlack(
        auth__test=by_token(T1=who("T1"), T2=who("T2")),
        conversations__history=by_token(T1=refused("missing_scope"), T2=history("alive")),
    )
    async with asking(slack, "T1", "T2") as asked:
        await asked.ask("T1:C0HELP", "T2:C0HELP")
        assert await asked.why_ended("T1") is None
    assert asked.closed == [gap("T2:C0HELP")]


async def test_a_pause_that_is_asked_for_ends_the_round_and_keeps_what_was_found() -> None:
    async def limited(_: web.Request) -> web.Response:
        return web.json_response(refused("ratelimited"), status=429, headers={"Retry-After": "30"})

    slack = FakeSlack(
        auth__test=by_token(T1=who("T1"), T2=who("T2")),
        conversations__history=by_token(T1=history("before"), T2=limited),
    )
    async with asking(slack, "T1", "T2") as asked:
        with pytest.raises(RateLimited):
            await asked.ask("T1:C0HELP", "T2:C0HELP")
    assert asked.closed == [gap("T1:C0HELP")]
    assert [text for _, text in asked.heard] == ["before"]
