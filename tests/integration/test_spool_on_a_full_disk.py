"""The spool on a disk that is really full (F035)."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.inbox import InboxRow
from hub.spool.spool import Spool
from hub.telemetry import Metrics

pytestmark = pytest.mark.integration

DISK_BYTES = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount one mebibyte."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def row(number: int) -> InboxRow:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    body = bytes([number % 256]) * 50_000
    return InboxRow(id=f"r{number}", channel="c", account="a", body=body, received_at=at, node="n", n=number)


async def test_a_full_disk_refuses_keeps_what_it_has_and_takes_more_once_there_is_room(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool", "p1", 100 * DISK_BYTES, Metrics())
    await spool.open()
    answers = [(await spool.append([row(number)]))[0] for number in range(40)]
    accepted = [f"r{number}" for number, answer in enumerate(answers) if answer]
    assert 5 < len(accepted) < 40
    assert spool.problem == "No space left on device"
    recovered: list[str] = []
    async with asyncio.timeout(20):
        while (batch := await spool.take()) is not None:
            recovered += [one.id for one in batch.rows]
            await spool.forget(batch)
    assert recovered == accepted
    await spool.probe()
    assert spool.problem is None
    assert await spool.append([row(99)]) == [True]
    await spool.close()


async def test_what_a_full_disk_kept_is_there_for_the_next_process(small_disk: Path) -> None:
    dead = Spool(small_disk / "spool", "dead", 100 * DISK_BYTES, Metrics())
    answers = [(await dead.append([row(number)]))[0] for number in range(40)]
    await dead.close()
    living = Spool(small_disk / "spool", "living", 100 * DISK_BYTES, Metrics())
    await living.open()
    batch = await living.take()
    assert batch is not None
    assert [one.id for one in batch.rows] == [f"r{number}" for number, answer in enumerate(answers) if answer]
    assert not (small_disk / "spool" / "spool.bad").exists()
    await living.forget(batch)
    await living.close()
