"""What is written after the fact and waited for by nobody: inbox marks and transcript lines, in groups."""

from collections.abc import Sequence

import structlog

from core.errors import StoreUnavailable
from core.inbox import InboxMark
from core.storage import Store, TranscriptRow
from hub.groups import GroupCommit

log = structlog.get_logger(__name__)


class Records:
    """Lazy writes. One that fails is recovery's ordinary case: the sweep finds what it should have said."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._marks: GroupCommit[InboxMark, None] = GroupCommit(self._write_marks)
        self._lines: GroupCommit[TranscriptRow, None] = GroupCommit(self._write_lines)

    def mark(self, mark: InboxMark) -> None:
        """Move an inbox row on, soon."""
        self._marks.add(mark, self._note)

    async def mark_now(self, mark: InboxMark) -> None:
        """Move an inbox row on and wait until that is durable."""
        await self._marks.put(mark)

    def line(self, row: TranscriptRow) -> None:
        """Write a transcript line, soon."""
        self._lines.add(row, self._note)

    async def line_now(self, row: TranscriptRow) -> None:
        """Write a transcript line and wait until it is durable."""
        await self._lines.put(row)

    async def _write_marks(self, marks: Sequence[InboxMark]) -> list[None]:
        await self._store.mark_inbox(marks)
        return [None] * len(marks)

    async def _write_lines(self, rows: Sequence[TranscriptRow]) -> list[None]:
        await self._store.record(rows)
        return [None] * len(rows)

    @staticmethod
    def _note(error: BaseException) -> None:
        if not isinstance(error, StoreUnavailable):
            raise error
        log.warning("record_delayed", error=str(error))

    async def drain(self) -> None:
        """Wait until nothing is left to write."""
        await self._marks.drain()
        await self._lines.drain()
