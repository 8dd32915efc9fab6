"""`frontdesk spool return` on a real database."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.inbox import InboxRow, InboxState
from core.store.mongo import MongoStore
from hub.cli.main import app
from hub.clock import SystemClock
from hub.spool.folders import BAD, SEGMENT_SUFFIX
from hub.spool.spool import Spool
from hub.telemetry import Metrics
from tests.fakes import START
from tests.servers.database import running_database

pytestmark = pytest.mark.integration


async def set_one_aside(root: Path) -> None:
    """Leave one payload whose text has one wrong bit."""
    row = InboxRow(id="Ev1", channel="slack", account="acme", body=b"hello", received_at=START, node="n1", n=0)
    dead = Spool(root, "dead", 1_000_000, Metrics())
    await dead.append([row])
    await dead.close()
    (segment,) = root.glob(f"*/*{SEGMENT_SUFFIX}")
    data = bytearray(segment.read_bytes())
    data[-1] ^= 0x01
    segment.write_bytes(bytes(data))
    living = Spool(root, "living", 1_000_000, Metrics())
    await living.open()
    while (batch := await living.take()) is not None:
        await living.forget(batch)
    await living.close()


async def stored(uri: str) -> InboxRow | None:
    store = MongoStore(uri, "frontdesk", SystemClock())
    try:
        return await store.find_inbox("Ev1")
    finally:
        store.close()


def test_a_damaged_record_goes_back_to_the_inbox_when_a_person_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F040."""
    monkeypatch.setenv("FRONTDESK_DATA", str(tmp_path))
    root = tmp_path / "spool"
    asyncio.run(set_one_aside(root))
    (bad,) = (root / BAD).iterdir()
    with running_database(tmp_path / "db") as uri:
        monkeypatch.setenv("FRONTDESK_MONGO_URI", uri)
        result = CliRunner().invoke(app, ["spool", "return", bad.name])
        assert "Ev1 is in the inbox" in result.output, result.output
        row = asyncio.run(stored(uri))
    assert row is not None
    assert (row.state, row.body) == (InboxState.RECEIVED, b"helln")
    assert not bad.exists()
