"""The spool of this process: the journal on a thread of its own, with numbers and a reason when it cannot write."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from core.failpoints import Point, reach
from core.inbox import InboxRow
from hub.spool.disk import Disk
from hub.spool.folders import PROBE, Folder, adopt, claim
from hub.spool.journal import Batch, Journal
from hub.telemetry import Metrics

log = structlog.get_logger(__name__)

PROBE_BYTES = 64 * 1024
"""There is room again when so much can be written: more than almost every payload has."""

P = ParamSpec("P")
R = TypeVar("R")


class Spool:
    """Payloads that are durable here and not yet in the database.

    Args:
        root: of all processes that share it; made when missing.
        name: of this process, never used twice.
        max_bytes: of all segments together.
    """

    def __init__(self, root: Path, name: str, max_bytes: int, metrics: Metrics, disk: Disk | None = None) -> None:
        self._root = root
        self._name = name
        self._metrics = metrics
        self._disk = disk or Disk()
        self._journal = Journal(self._disk, root, max_bytes)
        self._own: Folder | None = None
        self._adopted: list[Folder] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        """One thread: a disk that hangs holds nobody up but the spool, and the journal needs no lock."""
        self.filled = asyncio.Event()
        """Something came in since somebody last looked."""
        self.problem: str | None = None
        """Why nothing can be written; None while the spool works."""

    @property
    def is_empty(self) -> bool:
        """Tell whether the database has everything."""
        return not self._journal.segments

    async def open(self) -> None:
        """Take over what dead processes left, and see whether the disk takes anything."""
        await self.adopt()
        await self.probe()

    # writing

    async def append(self, rows: Sequence[InboxRow]) -> list[bool]:
        """Make rows durable; False for each that could not be taken, and `problem` says why."""
        try:
            fits = await self._run(self._write, rows)
            await reach_all("spool.written", rows)
            await self._run(self._journal.sync)
        except OSError as error:
            self._say(error.strerror or type(error).__name__)
            return [False] * len(rows)
        await reach_all("spool.synced", rows)
        self._say(None if all(fits) else "full")
        self.filled.set()
        return fits

    def _write(self, rows: Sequence[InboxRow]) -> list[bool]:
        return self._journal.write(rows, self._own_folder())

    def _own_folder(self) -> Folder:
        if self._own is None:
            self._own = claim(self._disk, self._root, self._name)
        return self._own

    async def probe(self) -> None:
        """Write something and remove it again: `problem` is what the disk says to that."""
        try:
            has_room = await self._run(self._try_to_write)
        except OSError as error:
            self._say(error.strerror or type(error).__name__)
        else:
            self._say(None if has_room else "full")

    def _try_to_write(self) -> bool:
        path = self._own_folder().path / PROBE
        with suppress(FileNotFoundError):
            self._disk.remove(path)
        handle = self._disk.create(path)
        try:
            self._disk.write(handle, bytes(PROBE_BYTES))
            self._disk.sync(handle)
        finally:
            self._disk.close(handle)
            self._disk.remove(path)
        return self._journal.has_room(PROBE_BYTES)

    def _say(self, problem: str | None) -> None:
        if problem != self.problem:
            if problem is None:
                log.warning("spool_works_again", was=self.problem)
            else:
                log.error("spool_broken", reason=problem)
        self.problem = problem
        self._count()

    def _count(self) -> None:
        self._metrics.spool_broken.set(self.problem is not None)
        self._metrics.spool_bytes.set(self._journal.size)
        self._metrics.spool_records.set(self._journal.records)

    # draining

    async def take(self) -> Batch | None:
        """Return the next durable records, oldest first; None when there are none.

        Raises:
            OSError: they cannot be read now.
        """
        return await self._run(self._journal.take)

    async def forget(self, batch: Batch) -> None:
        """Remove a batch that is in the database now; damaged records are set aside first.

        Raises:
            OSError: a damaged record could not be set aside; the batch stays.
        """
        damaged = await self._run(self._journal.forget, batch)
        self._metrics.spool_drained.inc(len(batch.rows))
        self._metrics.spool_bad.inc(damaged)
        await self._run(self._leave_empty)
        self._count()

    async def keep(self, row: InboxRow) -> None:
        """Set a row aside that the database can never hold.

        Raises:
            OSError: it could not be written.
        """
        await self._run(self._journal.keep, row)
        self._metrics.spool_bad.inc()

    async def adopt(self) -> None:
        """Take over the folders of processes that are dead."""
        try:
            found = await self._run(self._adopt)
        except OSError as error:
            log.error("spool_not_adopted", error=error.strerror)
            return
        if found:
            log.warning("spool_adopted", folders=found, records=self._journal.records, bytes=self._journal.size)
            self.filled.set()
        self._count()

    def _adopt(self) -> int:
        found = 0
        for folder in adopt(self._root):
            try:
                self._journal.take_over(folder)
            except OSError:
                folder.release()
                raise
            found += self._journal.holds(folder)
            self._adopted.append(folder)
        self._leave_empty()
        return found

    def _leave_empty(self) -> None:
        """Remove the folders of others that are drained."""
        drained = [folder for folder in self._adopted if not self._journal.holds(folder)]
        for folder in drained:
            self._adopted.remove(folder)
            folder.remove()

    async def close(self) -> None:
        """Finish what is being written; what is not drained stays for the next process."""
        await self._run(self._close)
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        self._journal.close()
        for folder in self._adopted:
            folder.release()
        if self._own is not None:
            self._own.remove()

    async def _run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(*args, **kwargs))


async def reach_all(point: Point, rows: Sequence[InboxRow]) -> None:
    """Pass a place once for each channel of a group."""
    for channel in dict.fromkeys(row.channel for row in rows):
        await reach(point, channel)
