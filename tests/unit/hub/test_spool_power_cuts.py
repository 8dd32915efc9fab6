"""A disk that forgets what was not synced, and a thousand power cuts (F022)."""

import io
import itertools
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from core.inbox import InboxRow
from hub.spool.disk import Disk
from hub.spool.folders import BAD, Folder
from hub.spool.journal import Journal

ROOT = Path("/spool")
HOME = ROOT / "p1"
SECTOR = 32
"""Small, so that records lie across many of them."""
CUTS = 1000


class PowerCut(BaseException):
    """The machine is off."""


@dataclass
class File:
    """What the disk has for certain, and what the system believes that it has."""

    stable: bytes = b""
    cache: bytes = b""


@dataclass
class ForgetfulDisk(Disk):
    """Keeps what was synced; of the rest, whatever the dice say, in any order."""

    dice: random.Random
    cut_at: int
    """The power goes at this operation."""
    failing: float = 0.0
    """How often a write or a sync fails."""
    files: dict[Path, File] = field(default_factory=dict)
    stable_names: set[Path] = field(default_factory=set)
    handles: dict[int, Path] = field(default_factory=dict)
    operations: int = 0
    failures: int = 0
    _forgotten: dict[Path, File] = field(default_factory=dict)

    def _operate(self) -> None:
        self.operations += 1
        if self.operations == self.cut_at:
            raise PowerCut

    def _fail(self) -> None:
        if self.dice.random() < self.failing:
            self.failures += 1
            raise OSError(5, "Input/output error")

    def make_folder(self, path: Path) -> None:
        self._operate()

    def sync_folder(self, path: Path) -> None:
        self._operate()
        there = {name for name in self.files if name.parent == path}
        self.stable_names = {name for name in self.stable_names if name.parent != path} | there
        self._forgotten = {name: file for name, file in self._forgotten.items() if name.parent != path}

    def names(self, folder: Path) -> list[str]:
        return sorted(path.name for path in self.files if path.parent == folder)

    def create(self, path: Path) -> int:
        self._operate()
        assert path not in self.files
        self.files[path] = File()
        handle = len(self.handles) + 1
        self.handles[handle] = path
        return handle

    def write(self, handle: int, data: bytes) -> None:
        file = self.files[self.handles[handle]]
        stopped = self.dice.randrange(len(data)) if self.operations + 1 == self.cut_at else len(data)
        file.cache += data[:stopped]
        self._operate()
        self._fail()

    def sync(self, handle: int) -> None:
        self._operate()
        self._fail()  # what it was about to write stays in doubt
        file = self.files[self.handles[handle]]
        file.stable = file.cache

    def close(self, handle: int) -> None:
        self._operate()

    def open(self, path: Path) -> BinaryIO:
        return io.BytesIO(self.files[path].cache)

    def size(self, path: Path) -> int:
        return len(self.files[path].cache)

    def cut(self, path: Path, size: int) -> None:
        self._operate()
        file = self.files[path]
        assert size >= len(file.stable), "cuts into what was acknowledged"
        file.cache = file.cache[:size]

    def remove(self, path: Path) -> None:
        self._operate()
        if path not in self.files:
            raise FileNotFoundError(path)
        file = self.files.pop(path)
        if path in self.stable_names:
            self._forgotten[path] = file

    def go_dark(self) -> None:
        """Keep what was synced, and of everything else some."""
        kept = {path: file for path, file in self.files.items() if self._survives(path)}
        kept |= {path: file for path, file in self._forgotten.items() if self.dice.random() < 0.5}
        self.files = {path: File(content, content) for path, file in kept.items() for content in [self._left_of(file)]}
        self.stable_names, self._forgotten, self.cut_at = set(self.files), {}, 0

    def _survives(self, path: Path) -> bool:
        return path in self.stable_names or self.dice.random() < 0.5

    def _left_of(self, file: File) -> bytes:
        content = bytearray(file.cache[: self.dice.randint(len(file.stable), max(len(file.cache), len(file.stable)))])
        for start in range(len(file.stable), len(content), SECTOR):
            if self.dice.random() < 0.4:  # the size got there and this sector did not
                content[start : start + SECTOR] = bytes(len(content[start : start + SECTOR]))
        return bytes(content)


@dataclass
class Life:
    """Everything that happens until the power goes, and what the platforms and the database know of it."""

    disk: ForgetfulDisk
    dice: random.Random
    accepted: list[str] = field(default_factory=list)
    database: list[str] = field(default_factory=list)
    names: "itertools.count[int]" = field(default_factory=itertools.count)

    def live(self) -> None:
        """Take payloads and drain some, for ever."""
        journal = self.journal()
        while True:
            if self.dice.random() < 0.7:
                self.take_some(journal)
            else:
                self.drain_some(journal)

    def journal(self) -> Journal:
        journal = Journal(self.disk, ROOT, max_bytes=1_000_000)
        journal.take_over(Folder(HOME, -1))
        return journal

    def take_some(self, journal: Journal) -> None:
        rows = [self.row() for _ in range(self.dice.randint(1, 4))]
        try:
            journal.write(rows, Folder(HOME, -1))
            journal.sync()
        except OSError:
            return  # 503 for each of them
        self.accepted += [row.id for row in rows]

    def row(self) -> InboxRow:
        body = self.dice.randbytes(self.dice.randint(0, 120))
        at = datetime(2026, 11, 22, tzinfo=UTC)
        number = next(self.names)
        return InboxRow(id=f"{number}", channel="c", account="a", body=body, received_at=at, node="n", n=number)

    def drain_some(self, journal: Journal) -> None:
        batch = journal.take()
        if batch is not None:
            self.database += [row.id for row in batch.rows if row.id not in self.database]
            with suppress(OSError):  # it stays, and is drained again
                journal.forget(batch)

    def recover(self) -> Journal:
        """Drain to the end after the power is back."""
        journal = self.journal()
        while journal.segments:
            self.drain_some(journal)
        return journal


def run(seed: int, failing: float) -> Life:
    dice = random.Random(seed)
    life = Life(ForgetfulDisk(dice, cut_at=dice.randint(1, 60), failing=failing), dice)
    with pytest.raises(PowerCut):
        life.live()
    life.disk.go_dark()
    life.disk.failing = 0.0
    life.recover()
    return life


@pytest.mark.parametrize(("cuts", "failing"), [(CUTS, 0.0), (200, 0.1)], ids=["sound disk", "failing disk"])
def test_after_a_power_cut_everything_accepted_is_recovered_in_order(
    cuts: int, failing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F022, F005, F037: accepted is a subset of recovered, after 1,000 random cuts."""
    monkeypatch.setattr("hub.spool.journal.SEGMENT_BYTES", 1500)
    monkeypatch.setattr("hub.spool.journal.MAX_GROUP", 5)
    lives = [run(seed, failing) for seed in range(cuts)]
    for life in lives:
        assert set(life.accepted) <= set(life.database)
        in_order = [name for name in life.database if name in set(life.accepted)]
        assert in_order == life.accepted
        assert not [path for path in life.disk.files if path.parent == HOME], "a segment is left"
    assert sum(len(life.accepted) for life in lives) > 10 * cuts, "too little was accepted to show anything"
    assert any(len(life.database) > len(life.accepted) for life in lives), "no cut came between write and answer"
    assert any(path.parent.name == BAD for life in lives for path in life.disk.files), "no record was ever torn"
    assert (sum(life.disk.failures for life in lives) > cuts / 2) is (failing > 0)


def test_a_disk_that_answers_without_syncing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: a spool that trusts the system's cache loses what it acknowledged."""
    monkeypatch.setattr(ForgetfulDisk, "sync", lambda self, handle: self._operate())
    lives = [run(seed, 0.0) for seed in range(50)]
    assert any(not set(life.accepted) <= set(life.database) for life in lives)


def test_a_second_sync_after_a_failed_one_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test, F037: whoever goes on in the same file after a failed sync loses what he acknowledges."""

    def forgetting_sync(self: ForgetfulDisk, handle: int) -> None:
        self._operate()
        file = self.files[self.handles[handle]]
        if self.dice.random() < self.failing:  # the pages are marked clean: no later sync writes them
            file.stable = file.stable.ljust(len(file.cache), b"\0")
            raise OSError(5, "Input/output error")
        file.stable = file.stable + file.cache[len(file.stable) :]

    monkeypatch.setattr(ForgetfulDisk, "sync", forgetting_sync)
    monkeypatch.setattr(ForgetfulDisk, "cut", lambda self, path, size: None)
    assert all(set(life.accepted) <= set(life.database) for life in (run(seed, 0.3) for seed in range(100)))
    monkeypatch.setattr(Journal, "_abandon", lambda self, segment: None)
    lives = [run(seed, 0.3) for seed in range(100)]
    assert any(not set(life.accepted) <= set(life.database) for life in lives)
