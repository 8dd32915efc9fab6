from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.inbox import InboxRow
from hub.cli.main import app
from hub.spool.folders import BAD, SEGMENT_SUFFIX
from hub.spool.spool import Spool
from hub.telemetry import Metrics
from tests.fakes import START

CLI = CliRunner()
MAX_BYTES = 1_000_000


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRONTDESK_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    return tmp_path / "spool"


def row(name: str, body: bytes = b'{"text": "where is my order"}') -> InboxRow:
    return InboxRow(id=name, channel="slack", account="acme", body=body, received_at=START, node="n1", n=0)


def run(*arguments: str) -> str:
    result = CLI.invoke(app, ["spool", *arguments])
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.output


async def leave_behind(root: Path, damage: int | None = None) -> None:
    """Leave two payloads in the spool; the first one damaged at an offset before its end, and set aside."""
    dead = Spool(root, "dead", MAX_BYTES, Metrics())
    await dead.append([row("Ev1"), row("Ev2")])
    await dead.close()
    if damage is None:
        return
    (segment,) = root.glob(f"*/*{SEGMENT_SUFFIX}")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2 - damage] ^= 0x01
    segment.write_bytes(bytes(data))
    living = Spool(root, "living", MAX_BYTES, Metrics())
    await living.open()
    while (batch := await living.take()) is not None:
        await living.forget(batch)
    await living.close()


async def test_status_shows_what_waits_for_the_database(root: Path) -> None:
    output = run("status")
    assert "Nothing waits" in output
    assert "can be written" in output
    await leave_behind(root)
    output = run("status")
    assert "dead" in output
    assert "no" in output.split()
    living = Spool(root, "living", MAX_BYTES, Metrics())
    await living.append([row("Ev3")])
    assert "yes" in run("status").split()
    await living.close()


def test_status_says_why_the_disk_takes_nothing(root: Path) -> None:
    root.write_text("in the way")
    assert "cannot be written: Not a directory" in run("status")


async def test_a_record_damaged_in_its_text_is_listed_shown_and_removed(root: Path) -> None:
    assert "No damaged records" in run("list")
    await leave_behind(root, damage=5)
    (bad,) = (root / BAD).iterdir()
    assert "1 damaged records" in run("status")
    assert "Ev1" in run("list")
    assert "slack:acme" in run("show", bad.name)
    run("discard", bad.name)
    assert not bad.exists()


async def test_a_record_damaged_in_its_fields_shows_its_bytes_and_cannot_go_back(root: Path) -> None:
    await leave_behind(root, damage=200)
    (bad,) = (root / BAD).iterdir()
    assert "cannot be read" in run("show", bad.name)
    result = CLI.invoke(app, ["spool", "return", bad.name])
    assert result.exit_code != 0
    assert "names no message any more" in str(result.exception)
    assert bad.exists()


def test_a_name_that_is_not_there_is_said_so(root: Path) -> None:
    result = CLI.invoke(app, ["spool", "show", "nothing"])
    assert "no damaged record" in str(result.exception)
