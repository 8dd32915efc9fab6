"""The segments of the spool in order: written at the end, drained from the front. For one thread.

A record counts once its segment was synced behind it, and only such records are read. After an error of the disk the
segment is closed for good: what a failed sync left behind is unknown, and a second sync of the same file would call it
durable (FAULTS F037).
"""

import itertools
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.inbox import InboxRow
from hub.groups import MAX_GROUP
from hub.spool.disk import Disk
from hub.spool.folders import BAD, SEGMENT_SUFFIX, Folder
from hub.spool.records import MARK_BYTES, Entry, count, encode, entries, frame, record_size

log = structlog.get_logger(__name__)

SEGMENT_NAME = re.compile(rf"\d{{12}}-(?P<mark>[0-9a-f]{{{2 * MARK_BYTES}}}){re.escape(SEGMENT_SUFFIX)}")
SEGMENT_BYTES = 8 * 1024 * 1024
"""A segment that has reached this size is followed by the next."""
BATCH_BYTES = 8 * 1024 * 1024
"""Drained at a time; one record more than fits may be larger."""


@dataclass(eq=False)
class Segment:
    """One file. `drained <= durable <= written`, offsets in bytes."""

    path: Path
    mark: bytes
    folder: Folder
    handle: int | None = None
    """None: nothing more is written to it."""
    written: int = 0
    durable: int = 0
    drained: int = 0
    records: int = 0
    """Durable and not drained."""
    pending: int = 0
    """Records that are written and not yet durable."""

    @property
    def is_drained(self) -> bool:
        """Tell whether nothing in it is wanted any more."""
        return self.drained >= self.written


@dataclass(frozen=True, slots=True)
class Batch:
    """The next records of one segment."""

    segment: Segment
    entries: tuple[Entry, ...]
    is_last: bool
    """Nothing durable was behind it when it was read."""

    @property
    def rows(self) -> list[InboxRow]:
        """Return what could be read, in order."""
        return [entry.row for entry in self.entries if entry.row is not None]


class Journal:
    """All segments of this process, those it has adopted first.

    Args:
        root: of the spool; damaged records go to `spool.bad` in it.
        max_bytes: of all segments together.
    """

    def __init__(self, disk: Disk, root: Path, max_bytes: int) -> None:
        self._disk = disk
        self._bad = root / BAD
        self._max_bytes = max_bytes
        self._numbers = itertools.count()
        self.segments: list[Segment] = []

    @property
    def size(self) -> int:
        """Return how many bytes all segments have."""
        return sum(segment.written for segment in self.segments)

    @property
    def records(self) -> int:
        """Return how many durable records wait."""
        return sum(segment.records for segment in self.segments)

    def has_room(self, size: int) -> bool:
        """Tell whether so many bytes more are within the limit."""
        return self.size + size <= self._max_bytes

    # what a dead process left

    def take_over(self, folder: Folder) -> None:
        """Drain the segments of a folder before our own.

        Raises:
            OSError: they cannot be read now; nothing is taken over.
        """
        names = [match for name in self._disk.names(folder.path) if (match := SEGMENT_NAME.fullmatch(name))]
        found = [self._left_behind(folder, name[0], bytes.fromhex(name["mark"])) for name in names]
        self.segments[:0] = found
        self._retire()

    def _left_behind(self, folder: Folder, name: str, mark: bytes) -> Segment:
        path = folder.path / name
        size = self._disk.size(path)
        with self._disk.open(path) as file:
            records = count(file, mark, size)
        return Segment(path, mark, folder, written=size, durable=size, records=records)

    def holds(self, folder: Folder) -> bool:
        """Tell whether something of a folder is still to be drained."""
        return any(segment.folder is folder for segment in self.segments)

    # writing

    def write(self, rows: Sequence[InboxRow], folder: Folder) -> list[bool]:
        """Append rows; True for each that fits. They count after the next `sync`.

        Raises:
            OSError: none of them is taken.
        """
        contents = [encode(row) for row in rows]
        fits = self._which_fit([record_size(content) for content in contents])
        if any(fits):
            self._append([content for content, does in zip(contents, fits, strict=True) if does], folder)
        return fits

    def _which_fit(self, sizes: Sequence[int]) -> list[bool]:
        room = self._max_bytes - self.size
        fits: list[bool] = []
        for size in sizes:
            fits.append(size <= room)
            room -= size if fits[-1] else 0
        return fits

    def _append(self, contents: Sequence[bytes], folder: Folder) -> None:
        segment = self._current(folder)
        assert segment.handle is not None  # noqa: S101  `_current` returns what can be written to
        data = b"".join(frame(content, segment.mark) for content in contents)
        try:
            self._disk.write(segment.handle, data)
        except OSError:
            self._abandon(segment)
            raise
        segment.written += len(data)
        segment.pending += len(contents)

    def sync(self) -> None:
        """Make everything durable that was written.

        Raises:
            OSError: nothing written since the last `sync` is taken, and none of it may be acknowledged.
        """
        segment = self.segments[-1] if self.segments else None
        if segment is None or segment.handle is None:
            return  # nothing of the last write fitted
        try:
            self._disk.sync(segment.handle)
        except OSError:
            self._abandon(segment)
            raise
        segment.durable = segment.written
        segment.records, segment.pending = segment.records + segment.pending, 0

    def _current(self, folder: Folder) -> Segment:
        last = self.segments[-1] if self.segments else None
        if last is not None and last.handle is not None:
            if last.written < SEGMENT_BYTES:
                return last
            self._abandon(last)
        self.segments.append(self._create(folder))
        return self.segments[-1]

    def _create(self, folder: Folder) -> Segment:
        mark = secrets.token_bytes(MARK_BYTES)
        path = folder.path / f"{next(self._numbers):012d}-{mark.hex()}{SEGMENT_SUFFIX}"
        segment = Segment(path, mark, folder, self._disk.create(path))
        try:
            self._disk.sync_folder(folder.path)
        except OSError:
            self._close(segment)
            self._remove(segment)
            raise
        return segment

    def _close(self, segment: Segment) -> None:
        if segment.handle is not None:
            with suppress(OSError):  # it says again what a write or a sync has said
                self._disk.close(segment.handle)
            segment.handle = None

    def _abandon(self, segment: Segment) -> None:
        """Write nothing more to a segment, and cut off what nobody was told is durable, if there is any."""
        self._close(segment)
        with suppress(OSError):
            self._disk.cut(segment.path, segment.durable)
        segment.written, segment.pending = segment.durable, 0
        self._retire()

    # draining

    def take(self) -> Batch | None:
        """Return the next durable records; None when there are none.

        Raises:
            OSError: the segment cannot be read now.
        """
        self._retire()
        segment = next((segment for segment in self.segments if segment.drained < segment.durable), None)
        if segment is None:
            return None
        found = self._read(segment)
        behind = self.segments[self.segments.index(segment) + 1 :]
        is_last = found[-1].end >= segment.durable and not any(later.drained < later.durable for later in behind)
        return Batch(segment, tuple(found), is_last)

    def _read(self, segment: Segment) -> list[Entry]:
        found: list[Entry] = []
        with self._disk.open(segment.path) as file:
            for entry in entries(file, segment.mark, segment.drained, segment.durable):
                found.append(entry)
                if len(found) == MAX_GROUP or entry.end - segment.drained >= BATCH_BYTES:
                    break
        return found

    def forget(self, batch: Batch) -> int:
        """Move past a batch that is in the database now; returns how many damaged records were set aside first.

        Raises:
            OSError: a damaged record could not be set aside; the batch stays.
        """
        kept = sum(self._set_aside(batch.segment, entry) for entry in batch.entries if entry.row is None)
        segment = batch.segment
        segment.drained = batch.entries[-1].end
        segment.records = max(segment.records - len(batch.entries), 0)
        self._retire()
        return kept

    def _set_aside(self, segment: Segment, entry: Entry) -> bool:
        """Copy a damaged record to where people find it; a tail that was never written (zeros) is nothing."""
        with self._disk.open(segment.path) as file:
            file.seek(entry.start)
            data = file.read(entry.end - entry.start)
        if not data.strip(b"\0"):
            return False
        name = f"{segment.folder.path.name}-{segment.path.stem}-{entry.start}.{entry.damage}"
        self._keep(name, data)
        log.error("spool_record_damaged", kept_as=name, damage=entry.damage, size=len(data))
        return True

    def keep(self, row: InboxRow) -> None:
        """Set a row aside that the database can never hold."""
        mark = secrets.token_bytes(MARK_BYTES)
        self._keep(f"{mark.hex()}.unstorable", frame(encode(row), mark))
        log.error("spool_record_unstorable", kept_as=f"{mark.hex()}.unstorable")

    def _keep(self, name: str, data: bytes) -> None:
        self._disk.make_folder(self._bad)
        path = self._bad / name
        with suppress(FileNotFoundError):  # an earlier try that a crash ended
            self._disk.remove(path)
        handle = self._disk.create(path)
        try:
            self._disk.write(handle, data)
            self._disk.sync(handle)
        finally:
            self._disk.close(handle)
        self._disk.sync_folder(self._bad)

    def _retire(self) -> None:
        """Remove the segments in which nothing is wanted any more."""
        for segment in [segment for segment in self.segments if segment.is_drained]:
            self._close(segment)
            self._remove(segment)
            self.segments.remove(segment)

    def _remove(self, segment: Segment) -> None:
        try:
            self._disk.remove(segment.path)
        except OSError as error:  # it is drained again after a restart, and its rows are known by then
            log.error("spool_segment_not_removed", segment=segment.path.name, error=error.strerror)

    def close(self) -> None:
        """Close what is open and leave everything where it is."""
        for segment in self.segments:
            self._close(segment)
