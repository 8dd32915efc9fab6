"""Who is suspected of having ended a process: only what was being handled at that moment (F023, F024)."""

import os
from pathlib import Path

import pytest

from core.inbox import InboxRow
from core.store.memory import MemoryStore
from hub.clock import SystemClock
from hub.suspects import NOTES, Suspects
from tests.factories import Bench, build_bench


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(SystemClock())


def opened(folder: Path, name: str) -> Suspects:
    suspects = Suspects(folder, name)
    suspects.open()
    return suspects


def die(suspects: Suspects) -> None:
    """Let the system close what a dead process had open."""
    assert suspects._file is not None
    assert suspects._folder is not None
    os.close(suspects._file)
    suspects._folder.release()
    suspects._file = suspects._folder = None


async def two_rows(store: MemoryStore) -> list[InboxRow]:
    bench: Bench = build_bench(store=store)
    bench.inbox._offer = lambda *_: None
    for name in ("1", "2"):
        await bench.receive(name)
    return await store.load_inbox(["fake:1", "fake:2"])


async def crashes(store: MemoryStore) -> list[int]:
    return [row.crashes for row in await store.load_inbox(["fake:1", "fake:2"])]


async def test_what_was_being_handled_when_the_process_ended_is_counted_and_nothing_else(
    store: MemoryStore, tmp_path: Path
) -> None:
    first, second = await two_rows(store)
    dead = opened(tmp_path, "dead")
    with dead.handling(first):
        pass
    with dead.handling(second):
        die(dead)
    await opened(tmp_path, "next").count(store)
    assert await crashes(store) == [0, 1]
    await opened(tmp_path, "another").count(store)
    assert await crashes(store) == [0, 1], "counted once"


async def test_what_a_living_process_handles_is_not_counted_by_another(store: MemoryStore, tmp_path: Path) -> None:
    (row, _) = await two_rows(store)
    with opened(tmp_path, "living").handling(row):
        await opened(tmp_path, "next").count(store)
    assert await crashes(store) == [0, 0]


async def test_a_turn_that_raises_is_no_suspect_and_a_clean_stop_leaves_nothing(
    store: MemoryStore, tmp_path: Path
) -> None:
    (row, _) = await two_rows(store)
    suspects = opened(tmp_path, "p1")
    with pytest.raises(ValueError, match="a bug"), suspects.handling(row):
        raise ValueError("a bug")
    suspects.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("note", [b"", b"[", b'["fake:1"', b"{}\n", b"[1]\n", b"\xff\n"])
async def test_a_note_that_was_never_whole_suspects_nobody(note: bytes, store: MemoryStore, tmp_path: Path) -> None:
    await two_rows(store)
    dead = opened(tmp_path, "dead")
    assert dead._folder is not None
    (dead._folder.path / NOTES).write_bytes(note)
    die(dead)
    await opened(tmp_path, "next").count(store)
    assert await crashes(store) == [0, 0]


async def test_a_disk_that_takes_no_note_does_not_stop_the_hub(store: MemoryStore, tmp_path: Path) -> None:
    (row, _) = await two_rows(store)
    (tmp_path / "a file").write_text("")
    suspects = opened(tmp_path / "a file" / "handling", "p1")
    with suspects.handling(row):
        pass
    suspects.close()
