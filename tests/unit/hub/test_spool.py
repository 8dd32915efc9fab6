"""The spool on a real folder: errors of the disk, damage, and whose folder is whose."""

import errno
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.inbox import InboxRow
from hub.spool.disk import Disk
from hub.spool.folders import BAD, LOCK, SEGMENT_SUFFIX
from hub.spool.spool import PROBE_BYTES, Spool
from hub.telemetry import Metrics

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MANY_BYTES = 10_000_000

HOLD = """
import fcntl, sys, time
held = open(sys.argv[1], "r+")
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""

Open = Callable[..., Spool]


def row(number: int, body: bytes = b"hello") -> InboxRow:
    return InboxRow(id=f"r{number}", channel="slack", account="acme", body=body, received_at=AT, node="n1", n=number)


class BrokenDisk(Disk):
    """Fails as the test says."""

    write_error: int | None = None
    sync_error: int | None = None
    synced: int = 0

    def write(self, handle: int, data: bytes) -> None:
        if self.write_error is not None:
            os.write(handle, data[: len(data) // 2])
            raise OSError(self.write_error, os.strerror(self.write_error))
        super().write(handle, data)

    def sync(self, handle: int) -> None:
        self.synced += 1
        if self.sync_error is not None:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        super().sync(handle)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    spools: list[Spool] = []

    def make(name: str = "p1", max_bytes: int = MANY_BYTES, disk: Disk | None = None) -> Spool:
        spools.append(Spool(tmp_path / "spool", name, max_bytes, Metrics(), disk))
        return spools[-1]

    yield make
    for spool in spools:
        if not spool._thread._shutdown:
            await spool.close()


async def drained(spool: Spool) -> list[str]:
    """Empty the spool; returns the ids in order."""
    names: list[str] = []
    while (batch := await spool.take()) is not None:
        names += [one.id for one in batch.rows]
        await spool.forget(batch)
    assert spool.is_empty
    return names


def segments(root: Path) -> list[Path]:
    return sorted(root.glob(f"spool/*/*{SEGMENT_SUFFIX}"))


def value(spool: Spool, name: str) -> float:
    return spool._metrics.registry.get_sample_value(name) or 0.0


async def test_what_is_appended_comes_back_in_order_and_leaves_nothing(opened: Open, tmp_path: Path) -> None:
    spool = opened()
    await spool.open()
    assert spool.is_empty
    assert await spool.append([row(0), row(1)]) == [True, True]
    assert await spool.append([row(2, b"\x00\xff" * 500_000)]) == [True]
    assert not spool.is_empty
    assert value(spool, "frontdesk_spool_records") == 3
    assert value(spool, "frontdesk_spool_bytes") > 1_000_000
    assert await drained(spool) == ["r0", "r1", "r2"]
    assert segments(tmp_path) == []
    assert value(spool, "frontdesk_spool_records") == value(spool, "frontdesk_spool_bytes") == 0
    assert value(spool, "frontdesk_spool_drained_total") == 3


async def test_a_full_segment_is_followed_by_the_next(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.spool.journal.SEGMENT_BYTES", 1000)
    spool = opened()
    for number in range(20):
        assert await spool.append([row(number)]) == [True]
    assert len(segments(tmp_path)) > 3
    assert await drained(spool) == [f"r{number}" for number in range(20)]


async def test_what_is_taken_and_not_forgotten_is_taken_again(opened: Open) -> None:
    spool = opened()
    await spool.append([row(0)])
    assert (first := await spool.take()) is not None
    assert (again := await spool.take()) is not None
    assert first.rows == again.rows == [row(0)]


async def test_the_files_are_for_nobody_else(opened: Open, tmp_path: Path) -> None:
    spool = opened()
    await spool.append([row(0)])
    for path in (tmp_path / "spool").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


# errors of the disk


async def test_after_a_failed_sync_the_segment_is_left_for_a_new_one_and_nothing_of_it_is_acknowledged(
    opened: Open, tmp_path: Path
) -> None:
    """F037: never "sync again and believe it"."""
    disk = BrokenDisk()
    spool = opened(disk=disk)
    assert await spool.append([row(0)]) == [True]
    (first,) = segments(tmp_path)
    size = first.stat().st_size
    disk.sync_error, disk.synced = errno.EIO, 0
    assert await spool.append([row(1), row(2)]) == [False, False]
    assert disk.synced == 1
    assert spool.problem == "Input/output error"
    assert value(spool, "frontdesk_spool_broken") == 1
    assert first.stat().st_size == size, "what was not acknowledged is cut off"
    disk.sync_error = None
    assert await spool.append([row(3)]) == [True]
    assert spool.problem is None
    assert value(spool, "frontdesk_spool_broken") == 0
    assert len(segments(tmp_path)) == 2
    assert await drained(spool) == ["r0", "r3"]


async def test_a_full_disk_refuses_keeps_what_it_has_and_recovers_by_itself(opened: Open, tmp_path: Path) -> None:
    """F035."""
    disk = BrokenDisk()
    spool = opened(disk=disk)
    assert await spool.append([row(0)]) == [True]
    disk.write_error = errno.ENOSPC
    assert await spool.append([row(1)]) == [False]
    assert spool.problem == "No space left on device"
    await spool.probe()
    assert spool.problem == "No space left on device"
    disk.write_error = None
    await spool.probe()
    assert spool.problem is None
    assert await spool.append([row(2)]) == [True]
    assert await drained(spool) == ["r0", "r2"]
    assert segments(tmp_path) == []


async def test_a_disk_that_is_full_from_the_first_byte_leaves_the_spool_empty(opened: Open, tmp_path: Path) -> None:
    disk = BrokenDisk()
    spool = opened(disk=disk)
    disk.write_error = errno.ENOSPC
    assert await spool.append([row(0)]) == [False]
    assert spool.is_empty, "nothing is in it: payloads may go to the database"
    assert segments(tmp_path) == []


async def test_beyond_its_limit_the_spool_refuses_what_does_not_fit_and_takes_what_does(opened: Open) -> None:
    """F017, F035: the limit is the operator's, and refusing is not forgetting."""
    spool = opened(max_bytes=2 * PROBE_BYTES)
    large = b"x" * PROBE_BYTES
    assert await spool.append([row(0), row(1, large), row(2, large), row(3)]) == [True, True, False, True]
    assert spool.problem == "full"
    await spool.probe()
    assert spool.problem == "full"
    assert await drained(spool) == ["r0", "r1", "r3"]
    await spool.probe()
    assert spool.problem is None
    assert await spool.append([row(2, large)]) == [True]


async def test_a_folder_that_cannot_be_made_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    spool = Spool(tmp_path / "file" / "spool", "p1", MANY_BYTES, Metrics())
    await spool.open()
    assert spool.problem == "Not a directory"
    assert await spool.append([row(0)]) == [False]
    assert spool.is_empty
    await spool.close()


# damage


async def damage(opened: Open, tmp_path: Path, change: Callable[[bytearray], bytes]) -> Spool:
    """Leave three records behind, change the file, and open them again."""
    dead = opened("dead")
    for number in range(3):
        await dead.append([row(number)])
    await dead.close()
    (path,) = segments(tmp_path)
    path.write_bytes(change(bytearray(path.read_bytes())))
    spool = opened("living")
    await spool.open()
    return spool


async def test_a_flipped_bit_sets_one_record_aside_and_raises_the_alarm(opened: Open, tmp_path: Path) -> None:
    """F040."""

    def flip(data: bytearray) -> bytes:
        data[len(data) // 2] ^= 0x01
        return bytes(data)

    spool = await damage(opened, tmp_path, flip)
    assert await drained(spool) == ["r0", "r2"]
    (bad,) = (tmp_path / "spool" / BAD).iterdir()
    assert bad.suffix == ".damaged"
    assert value(spool, "frontdesk_spool_bad_total") == 1
    assert segments(tmp_path) == []


async def test_a_cut_segment_sets_what_is_left_of_its_last_record_aside(opened: Open, tmp_path: Path) -> None:
    """F040, F005."""
    spool = await damage(opened, tmp_path, lambda data: bytes(data[:-7]))
    assert value(spool, "frontdesk_spool_records") == 3
    assert await drained(spool) == ["r0", "r1"]
    (bad,) = (tmp_path / "spool" / BAD).iterdir()
    assert bad.suffix == ".torn"
    assert value(spool, "frontdesk_spool_bad_total") == 1


async def test_a_tail_of_zeros_was_never_written_and_is_no_alarm(opened: Open, tmp_path: Path) -> None:
    """F005: the size of the file got to the disk before its content."""
    spool = await damage(opened, tmp_path, lambda data: bytes(data) + bytes(500))
    assert await drained(spool) == ["r0", "r1", "r2"]
    assert value(spool, "frontdesk_spool_bad_total") == 0
    assert not (tmp_path / "spool" / BAD).exists()


# whose folder is whose


async def test_the_folder_of_a_dead_process_is_drained_before_our_own_payloads(opened: Open, tmp_path: Path) -> None:
    dead = opened("dead")
    await dead.append([row(0), row(1)])
    await dead.close()
    living = opened("living")
    await living.append([row(2)])
    await living.open()
    assert await drained(living) == ["r0", "r1", "r2"]
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["living"]


async def test_the_folder_of_a_living_process_is_left_alone(opened: Open) -> None:
    """Two web processes share a data folder."""
    one, other = opened("one"), opened("other")
    await one.append([row(0)])
    await other.open()
    assert other.is_empty
    assert await drained(one) == ["r0"]


async def test_what_another_process_locks_is_left_alone_until_it_dies(opened: Open, tmp_path: Path) -> None:
    """F006: the lock is the system's, so that a killed process cannot keep it."""
    dead = opened("dead")
    await dead.append([row(0)])
    await dead.close()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "spool" / "dead" / LOCK)], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    living = opened("living")
    await living.adopt()
    assert living.is_empty
    holder.kill()
    holder.communicate()
    await living.adopt()
    assert await drained(living) == ["r0"]


async def test_an_empty_folder_of_a_dead_process_is_removed(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "spool" / "dead").mkdir(parents=True)
    living = opened("living")
    await living.adopt()
    assert not (tmp_path / "spool" / "dead").exists()


async def test_a_process_that_ends_with_an_empty_spool_leaves_no_folder(opened: Open, tmp_path: Path) -> None:
    spool = opened()
    await spool.open()
    await spool.append([row(0)])
    await drained(spool)
    await spool.close()
    assert list((tmp_path / "spool").iterdir()) == []
    await opened("next").open()


async def test_a_file_that_is_no_segment_is_left_alone(opened: Open, tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "dead"
    folder.mkdir(parents=True)
    (folder / "note.txt").write_text("of an operator")
    (folder / f"strange{SEGMENT_SUFFIX}").write_text("?")
    living = opened("living")
    await living.open()
    assert living.is_empty
    assert (folder / "note.txt").exists()
