"""Which row was being handled when a process ended: noted on the local disk before, taken back after.

A message may end its process: by a crash in a library, by the kernel when memory runs out. The database cannot tell it
from one that merely waited when a process was ended for another reason. A note in a file costs microseconds and
outlives the process (not a power cut, which no message brings about). The next process that finds it counts.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

import structlog

from core.inbox import InboxRow, InboxState
from core.storage import Store
from hub.spool.disk import Disk
from hub.spool.folders import Folder, adopt, claim

log = structlog.get_logger(__name__)

NOTES = "rows.json"


Handling = Callable[[InboxRow], AbstractContextManager[None]]
"""Notes that a row is being handled, while a block lasts."""


def unnoted(_row: InboxRow) -> AbstractContextManager[None]:
    """Note nothing."""
    return nullcontext()


class Suspects:
    """The notes of this process, and what to do about those of dead ones.

    Args:
        root: of all processes that share it; made when missing.
        name: of this process, never used twice.
    """

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._name = name
        self._folder: Folder | None = None
        self._file: int | None = None
        self._now: list[str] = []

    def open(self) -> None:
        """Begin to note; where the disk does not take that, say so and go without."""
        disk = Disk()
        try:
            self._folder = claim(disk, self._root, self._name)
            self._file = os.open(self._folder.path / NOTES, os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError as error:
            log.error(
                "handling_not_noted", error=error.strerror, effect="messages that end the process are not counted"
            )

    @contextmanager
    def handling(self, row: InboxRow) -> Iterator[None]:
        """Have a row noted while the block lasts: what reads it or answers it, and waits for nothing."""
        self._now.append(row.id)
        self._write()
        try:
            yield
        finally:
            self._now.remove(row.id)
            self._write()

    def _write(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # a full disk: the note is an aid, the message is not to suffer
                os.pwrite(self._file, json.dumps(self._now).encode() + b"\n", 0)

    async def count(self, store: Store) -> None:
        """Count against each row that a dead process was handling; before anybody here takes rows.

        Raises:
            StoreError: the database does not answer; the notes stay.
        """
        for folder in adopt(self._root):
            try:
                await _count(store, _read(folder.path / NOTES))
                (folder.path / NOTES).unlink(missing_ok=True)
            except BaseException:
                folder.release()
                raise
            folder.remove()

    def close(self) -> None:
        """End noting: this process stops in order."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._folder is not None:
            with suppress(OSError):
                (self._folder.path / NOTES).unlink(missing_ok=True)
            self._folder.remove()
            self._folder = None


def _read(path: Path) -> list[str]:
    """Return the rows of a note; none where there is none, or where it was never whole."""
    try:
        rows = json.loads(path.read_bytes().partition(b"\n")[0])
    except (OSError, ValueError):
        return []
    return [row for row in rows if isinstance(row, str)] if isinstance(rows, list) else []


async def _count(store: Store, row_ids: list[str]) -> None:
    rows = await store.load_inbox(row_ids) if row_ids else []
    marks = [row.mark(InboxState.READY, crashes=row.crashes + 1) for row in rows]
    if marks:
        log.error("process_ended_while_handling", rows=len(marks), crashes=[mark.crashes for mark in marks])
        await store.mark_inbox(marks)
