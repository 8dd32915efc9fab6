"""One conversation's work in this process, and one piece of it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from core.events import Event, MessageDeleted, MessageEdited
from core.inbox import InboxRow


@dataclass(order=True)
class Task:
    """One event of one row, in the order of its conversation."""

    sort_key: tuple[str, datetime, str, int, int]
    row: InboxRow = field(compare=False)
    event: Event = field(compare=False)
    is_let_in: bool = field(compare=False, default=False)
    """Its sender may have a turn, and this one is counted."""
    last_error: str | None = field(compare=False, default=None)


@dataclass
class Lane:
    """What one conversation has to do."""

    tasks: list[Task] = field(default_factory=list)
    runner: asyncio.Task[None] | None = None
    look: bool = False
    """The database may have open rows that are not here."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def changes(self) -> list[Event]:
        """Return the edits and deletions that wait, in order."""
        found = [task for task in self.tasks if isinstance(task.event, MessageEdited | MessageDeleted)]
        return [task.event for task in sorted(found)]
