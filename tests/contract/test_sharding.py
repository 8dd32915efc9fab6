"""Which queries of MongoDB name their shard: every one that a message meets, on its way in, through a turn and out."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import monitoring

from core.ids import ConversationId
from core.inbox import InboxRow
from core.storage import Member
from core.store.mongo import SHARD_KEYS, MongoStore
from hub.clock import SystemClock
from tests.factories import FakeChannel, build_bench
from tests.servers.database import running_database
from tests.unit.hub.test_many_processes import Shared

pytestmark = pytest.mark.integration


class Commands(monitoring.CommandListener):
    """Collects the filters of everything that is asked of a sharded collection."""

    def __init__(self) -> None:
        self.filters: list[tuple[str, str, Mapping[str, Any]]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        collection = str(event.command.get(event.command_name))
        if collection not in SHARD_KEYS:
            return
        for part in (*event.command.get("updates", ()), *event.command.get("deletes", ())):
            self.filters.append((event.command_name, collection, part["q"]))
        if event.command_name in {"find", "count", "aggregate"}:
            self.filters.append((event.command_name, collection, event.command.get("filter", {})))
        for document in event.command.get("documents", ()):
            self.filters.append((event.command_name, collection, document))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing is learned from an answer."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing is learned from a refusal."""

    def scattered(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Return what a router would have to ask of every shard."""
        return [entry for entry in self.filters if not is_targeted(entry[2].get(SHARD_KEYS[entry[1]]))]


def conversation_of(row: InboxRow) -> ConversationId:
    assert row.conversation_id is not None
    return row.conversation_id


def is_targeted(value: Any) -> bool:
    """Tell whether a filter names the values of the shard key."""
    return value is not None and (not isinstance(value, dict) or "$in" in value)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[tuple[MongoStore, Commands]]:
    commands = Commands()
    with running_database(tmp_path / "db") as uri:
        store = MongoStore(uri, "sharding", SystemClock(), listeners=[commands])
        await store.prepare()
        yield store, commands
        store.close()


@pytest.mark.parametrize("is_alone", [True, False], ids=["alone", "among others"])
async def test_no_query_on_a_message_s_way_asks_every_shard(
    is_alone: bool, watched: tuple[MongoStore, Commands]
) -> None:
    store, commands = watched
    bench = build_bench(store=store, place=Shared(is_alone=is_alone), channel=FakeChannel(counts_answers=True))
    if not is_alone:
        bench.inbox._offer = lambda row, _: bench.lanes.look(conversation_of(row))
    for number in range(3):
        await bench.receive(f"m{number}", f"text {number}|and more", f"t{number % 2}")
    while len(bench.channel.sent) < 6:
        await asyncio.sleep(0.02)
    status = {"status": "delivered", "out_id": "unknown"}
    await bench.receive("s1", "", "t1", **status)
    await bench.settle()
    await bench.holds.renew()
    await bench.holds.give_back_idle()
    on_the_way = set(SHARD_KEYS) - {"media"}  # files are fetched when somebody asks for them
    assert {collection for _, collection, _ in commands.filters} == on_the_way
    assert commands.scattered() == []


async def test_the_sweep_and_the_lists_for_people_do_ask_every_shard_and_nothing_else_does(
    watched: tuple[MongoStore, Commands],
) -> None:
    """The watcher itself: what is known to scatter is seen to."""
    store, commands = watched
    clock = SystemClock()
    await store.open_inbox(clock.now(), 0, 10)
    await store.waking(clock.now(), 10)
    await store.held_lines(10)
    await store.beat(Member("w1", "worker"), 8.0)
    assert {(collection, *query) for _, collection, query in commands.scattered()} >= {
        ("inbox", "state", "received_at"),
        ("conversations", "wake_at"),
        ("messages", "held"),
    }
