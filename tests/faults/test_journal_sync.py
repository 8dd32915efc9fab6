"""The database has synced its journal before a platform is told that its message is safe (F003)."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import WriteConcern

from tests.faults.cluster import process_on
from tests.faults.crowd import Crowd, open_crowd, seen
from tests.faults.figures import note
from tests.faults.strace import Call, read_calls, traced
from tests.servers.database import running_database
from tests.servers.ports import free_port

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(180),
    pytest.mark.skipif("FRONTDESK_TEST_MONGO_URI" in os.environ, reason="needs the embedded database: it is traced"),
]

PEOPLE = {"slack": 10, "telegram": 10, "whatsapp": 5}
EACH = 2
WEBHOOKS = sum(PEOPLE.values()) * EACH
AT_ONCE = 5
"""Some come together and share a write; so few that the database, which a trace makes slow, needs no spool."""
JOURNAL = "/WiredTigerLog."
SYNCS = {"fdatasync", "fsync"}
READS = {"read", "recvfrom", "recvmsg", "readv"}
WRITES = {"write", "writev", "sendto", "sendmsg"}
INSERTS = 20


@dataclass(frozen=True, slots=True)
class Way:
    """What became of one request: from the bytes that came in to the bytes of its answer."""

    written: Call | None
    """Into the journal."""
    synced: Call | None
    """The first sync of the journal that began after that."""
    answered: Call | None

    @property
    def is_safe(self) -> bool:
        """Tell whether it was on disk before the answer left."""
        if self.written is None or self.synced is None or self.answered is None:
            return False
        return self.synced.result == 0 and self.synced.ended < self.answered.began


def way_of(calls: Sequence[Call], mark: str, port: int, answer: str = "") -> Way:
    """Follow the request to a port that carries a mark."""
    came = next(call for call in calls if call.name in READS and f":{port}->" in call.file and mark in call.text)
    later = [call for call in calls if call.began > came.ended]
    answered = next(
        (call for call in later if call.name in WRITES and call.file == came.file and answer in call.text), None
    )
    journal = [call for call in later if JOURNAL in call.file]
    written = next((call for call in journal if call.name not in SYNCS and mark in call.text), None)
    synced = None
    if written is not None:
        synced = next((call for call in journal if call.name in SYNCS and call.began > written.ended), None)
    return Way(written, synced, answered)


def calls_in(file: Path) -> list[Call]:
    return list(read_calls(file.read_text(errors="replace").splitlines()))


async def talk(crowd: Crowd) -> None:
    """Have everybody write what no two webhooks share."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(channel: str, number: int) -> None:
        person = await crowd.traffic.meet(channel, number)
        for seq in range(EACH):
            async with room:
                await crowd.traffic.say(person, number, seq)

    await asyncio.gather(*(one(channel, number) for channel, count in PEOPLE.items() for number in range(count)))


async def test_the_journal_is_synced_before_every_one_of_fifty_webhooks_is_answered(tmp_path: Path) -> None:
    """F003: seen from outside, in the order in which the kernel was asked."""
    file = tmp_path / "strace.txt"
    async with open_crowd(tmp_path, "one", seed=3) as crowd:
        await crowd.start()
        hub = crowd.hubs.hubs["all-0"]
        assert hub.process is not None
        async with traced([hub.process.pid, process_on(crowd.hubs.database_port)], file):
            await talk(crowd)
        outcome = await crowd.settle()
        spooled = crowd.metric("frontdesk_spooled_total")
    assert outcome.is_right, seen(crowd, outcome)
    assert spooled == 0, "these were made durable by the spool: this run says nothing of the database"
    calls = calls_in(file)
    marks = sorted(crowd.traffic.accepted)
    ways = {mark: way_of(calls, mark, hub.port, "HTTP/1.1 2") for mark in marks}
    assert len(ways) == WEBHOOKS
    assert [mark for mark, way in ways.items() if not way.is_safe] == []
    gaps = [way.answered.at - way.synced.at for way in ways.values() if way.answered and way.synced]
    note(
        "journal synced before the 2xx",
        webhooks=len(ways),
        synced_first=sum(way.is_safe for way in ways.values()),
        writes=len({way.written.ended for way in ways.values() if way.written}),
        answered_after_sync_ms=round(median(gaps) * 1000, 1),
        traced=True,
    )


@pytest.mark.parametrize("is_journaled", [True, False])
async def test_the_trace_tells_a_journaled_write_from_one_that_is_not(is_journaled: bool, tmp_path: Path) -> None:
    """What the test above would see of a hub that does not ask for the journal (mutant M1)."""
    port, file = free_port(), tmp_path / "strace.txt"
    marks = [f"mark-{number:02}-{is_journaled}" for number in range(INSERTS)]
    with running_database(tmp_path / "db", port) as uri:
        client = AsyncIOMotorClient(uri)
        inserted = client["x"].get_collection("inbox", write_concern=WriteConcern(w=1, j=is_journaled))
        await inserted.insert_one({"_id": "first"})
        async with traced([process_on(port)], file):
            for mark in marks:
                await inserted.insert_one({"_id": mark})
        client.close()
    calls = calls_in(file)
    safe = [mark for mark in marks if way_of(calls, mark, port).is_safe]
    assert (len(safe) == INSERTS) if is_journaled else (len(safe) < INSERTS / 2)
