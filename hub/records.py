"""What is written after the fact and waited for by nobody: inbox marks and transcript lines, in groups."""

from collections.abc import Callable, Sequence

import structlog

from core.errors import StoreUnavailable
from core.failpoints import is_armed, reach
from core.inbox import InboxMark
from core.storage import Store, TranscriptRow
from hub.groups import GroupCommit

log = structlog.get_logger(__name__)


LINGER_S = 0.02
"""Nobody waits for these writes, so they wait for each other: fewer commands, and the awaited ones get through."""


class Records:
    """Lazy writes. What fails is written again by who finds it missing: the sweep, or a conversation's next owner."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._marks: GroupCommit[InboxMark, None] = GroupCommit(self._write_marks, linger_s=LINGER_S)
        self._lines: GroupCommit[TranscriptRow, None] = GroupCommit(self._write_lines, linger_s=LINGER_S)

    def mark(self, mark: InboxMark) -> None:
        """Move an inbox row on, soon."""
        self._marks.add(mark, _note)

    async def mark_now(self, mark: InboxMark) -> None:
        """Move an inbox row on and wait until that is durable."""
        await self._store.mark_inbox([mark])

    def line(self, row: TranscriptRow, then: Callable[[], None] = lambda: None) -> None:
        """Write a transcript line, soon; `then` is called once it is durable."""

        def done(error: BaseException | None) -> None:
            _note(error)
            if error is None:
                then()

        self._lines.add(row, done)

    async def _write_marks(self, marks: Sequence[InboxMark]) -> list[None]:
        await self._store.mark_inbox(marks)
        return [None] * len(marks)

    async def _write_lines(self, rows: Sequence[TranscriptRow]) -> list[None]:
        await self._store.record(rows)
        if is_armed():
            for channel in {row.conversation_id.partition(":")[0] for row in rows if row.direction == "out"}:
                await reach("relay.inserted", channel)
        return [None] * len(rows)

    async def drain(self) -> None:
        """Wait until nothing is left to write."""
        await self._marks.drain()
        await self._lines.drain()


def _note(error: BaseException | None) -> None:
    if error is None:
        return
    if not isinstance(error, StoreUnavailable):
        raise error
    log.warning("record_delayed", error=str(error))
