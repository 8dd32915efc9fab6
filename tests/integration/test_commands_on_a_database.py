"""`frontdesk dead-letters`, `holds` and `doctor` against a real database, as a person types them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.errors import ConfigError
from core.inbox import InboxMark, InboxState
from core.storage import DeadLetter, Save
from core.store.mongo import MongoStore
from hub.cli.main import app
from hub.clock import SystemClock
from tests.contract.store_contract import C1, conversation, line, out_row, row
from tests.servers.database import running_database

pytestmark = pytest.mark.integration

CLI = CliRunner()


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_database(tmp_path_factory.mktemp("database") / "db") as uri:
        yield uri


@pytest.fixture(autouse=True)
def _this_database(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_MONGO_URI", uri)
    monkeypatch.setenv("FRONTDESK_MONGO_DATABASE", tmp_path.name.replace(".", "_")[-30:])
    monkeypatch.setenv("FRONTDESK_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


def run(*command: str) -> Result:
    return CLI.invoke(app, list(command))


def on_store(work: Callable[[MongoStore], Awaitable[object]]) -> object:
    from hub.settings import load_settings

    database = load_settings().database
    assert database.uri is not None

    async def do() -> object:
        store = MongoStore(str(database.uri), database.name, SystemClock())
        await store.prepare()
        try:
            return await work(store)
        finally:
            store.close()

    return asyncio.run(do())


async def one_conversation(store: MongoStore) -> None:
    ((_, fence, rev, *_),) = [
        (lease.id, lease.fence, lease.rev) for lease in await store.acquire([C1], "w1", lease_s=1.0)
    ]
    await store.save([Save(conversation(), (), fence, rev, None)])
    await store.record([line("e1", direction="in", text="[bold]where is A-1001?")])


def test_a_conversation_is_shown_as_an_agent_reads_it() -> None:
    on_store(one_conversation)
    shown = run("transcript", C1)
    assert shown.exit_code == 0, shown.output
    assert "customer: [bold]where is A-1001?" in shown.output
    unknown = run("transcript", "web:site:nobody")
    assert isinstance(unknown.exception, ConfigError)


async def two_dead_and_one_unreadable(store: MongoStore) -> None:
    now = datetime.now(UTC)
    await store.insert_inbox([row("dead-1", body=b"what the customer wrote"), row("dead-2"), row("odd-1", body=b"[[[")])
    for name in ("dead-1", "dead-2"):
        letter = DeadLetter(
            id=name, channel="web", account="site", error="ValueError", detail="core/bot.py:7", attempts=5, died_at=now
        )
        await store.bury(letter)
        await store.mark_inbox([InboxMark(id=name, state=InboxState.DEAD)])
    await store.mark_inbox([InboxMark(id="odd-1", state=InboxState.QUARANTINED, reason="malformed: not JSON")])


def test_dead_letters_are_listed_shown_replayed_and_discarded() -> None:
    assert "No dead letters" in run("dead-letters", "list").output
    on_store(two_dead_and_one_unreadable)
    listed = run("dead-letters", "list").output
    assert all(text in listed for text in ("dead-1", "dead-2", "odd-1", "core/bot.py:7", "malformed: not JSON"))
    shown = run("dead-letters", "show", "dead-1").output
    assert "ValueError: core/bot.py:7 (5 runs)" in shown
    assert "what the customer wrote" in shown
    assert "goes back to the inbox" in run("dead-letters", "replay", "dead-1").output
    assert "goes back to the inbox" in run("dead-letters", "replay", "odd-1").output
    assert "is discarded" in run("dead-letters", "discard", "dead-2").output
    assert "No dead letters" in run("dead-letters", "list").output
    states = on_store(lambda store: states_of(store, "dead-1", "dead-2", "odd-1"))
    assert states == ["ready", "ignored", "received"]


async def states_of(store: MongoStore, *names: str) -> list[str]:
    rows = [await store.find_inbox(name) for name in names]
    return [str(found.state) for found in rows if found is not None]


@pytest.mark.parametrize("command", [("dead-letters", "replay"), ("dead-letters", "discard"), ("dead-letters", "show")])
def test_a_name_that_is_not_there_is_told(command: tuple[str, str]) -> None:
    result = run(*command, "nobody")
    assert isinstance(result.exception, ConfigError)
    assert "frontdesk dead-letters list" in str(result.exception)


async def one_held_reply(store: MongoStore) -> None:
    (lease,) = await store.acquire([C1], "a", 15.0)
    await store.save([Save(conversation(version=1), (), lease.fence, 0, None, release=True)])
    await store.record([line("o1", "held", call=out_row("o1").call, reason="unknown_outcome")])
    await store.record([line("o2", "held", 3, call=out_row("o2").call, reason="unknown_outcome")])


def test_a_held_reply_is_listed_queued_again_or_taken_off_the_list() -> None:
    assert "Nothing is held" in run("holds", "list").output
    on_store(one_held_reply)
    assert "unknown_outcome" in run("holds", "list").output
    assert "queued again" in run("holds", "resend", "o1").output
    assert "off the list" in run("holds", "discard", "o2").output
    queued = on_store(lambda store: store.load(C1))
    assert [(entry.id, str(entry.state)) for entry in queued.out] == [("o1", "queued")]  # type: ignore[attr-defined]
    assert on_store(lambda store: store.waking(datetime.now(UTC), 10)) == [C1], "a running hub sends it"
    assert isinstance(run("holds", "resend", "nobody").exception, ConfigError)


def test_the_doctor_asks_the_database_and_what_is_configured() -> None:
    result = run("doctor")
    assert result.exit_code == 0, result.output
    for text in ("ping", "write concern", "clock", "web:site", "FRONTDESK_TELEGRAM_SUPPORT_TOKEN"):
        assert text in result.output


def test_the_doctor_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_MONGO_URI", "mongodb://127.0.0.1:1/")
    result = run("doctor")
    assert result.exit_code == 1
    assert "correct FRONTDESK_MONGO_URI" in " ".join(result.output.split())


async def one_waits_and_one_is_lost(store: MongoStore) -> None:
    await store.record([line("o1", "waiting"), line("o2", "sent", provider_id="p2")])
    await store.note_delivery(C1, "o2", "p2", "failed", "131026")


def test_what_nobody_got_and_what_waits_is_listed_with_its_reason() -> None:
    nothing = run("undelivered")
    assert nothing.output.splitlines() == ["Waits until they write: nothing.", "Not delivered: nothing."]
    on_store(one_waits_and_one_is_lost)
    waiting, lost = run("undelivered").output.split("Not delivered")
    assert "o1" in waiting
    assert "o2" in lost
    assert "131026" in lost


def test_a_notice_is_planned_once_under_its_key_and_a_wrong_one_is_told_what_is_wrong() -> None:
    async def with_a_conversation(store: MongoStore) -> None:
        (held,) = await store.acquire([C1], "a", 15)
        known = conversation().model_copy(update={"address": {"session": "s1"}})
        await store.save([Save(known, (), held.fence, held.rev, None, release=True)])

    async def planned(store: MongoStore) -> list[str]:
        found = await store.load(C1)
        assert found is not None
        return [str(entry.call.kind) for entry in found.out]

    on_store(with_a_conversation)
    for told in ("1 messages are planned", "0 messages are planned"):
        result = run("notify", C1, "orders_unavailable", "--key", "outage")
        assert told in result.output, result.output
    assert on_store(planned) == ["agent"]
    for wrong in (
        ("notify", "web:site:nobody", "orders_unavailable"),
        ("notify", "fax:x:1", "orders_unavailable"),
        ("notify", C1, "no_such_reply"),
        ("notify", C1, "order_status"),
        ("notify", C1, "orders_unavailable", "--set", "name"),
    ):
        assert isinstance(run(*wrong).exception, ConfigError), wrong
