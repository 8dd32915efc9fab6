"""Albums: what somebody sent as one comes as several messages without an end mark, and gets one turn (T19).

The messages are durable rows like any others. They are only taken together: after a quiet moment the first one's turn
is taken with all files, and the turn remembers every message by its name. So a crash before it loses nothing, and one
after it repeats nothing.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from core.events import Companion, MessageReceived
from core.ids import EventId
from hub.lanes.lane import Task

QUIET = timedelta(seconds=1)
"""T19: "buffer about 1 s"; counted from the arrival of the latest message."""
LONGEST = timedelta(seconds=5)
"""From the arrival of the first; whoever goes on sending is answered all the same. Ours."""
MOST = 10
"""T19: an album has 2 to 10."""


def album_of(tasks: Iterable[Task], is_taken: Callable[[EventId], bool]) -> list[Task]:
    """Return the tasks of one conversation that belong together, the smallest first.

    Args:
        tasks: in any order; one at least.
        is_taken: tells whether an event had its turn.
    """
    first, *rest = sorted(tasks)
    album = [first]
    if _name(first) is None or first.row.replayed or is_taken(first.event.id):
        return album
    for task in rest:
        if len(album) == MOST or _name(task) != _name(first) or task.event.sender.id != first.event.sender.id:
            break
        if not is_taken(task.event.id):
            album.append(task)
    return album


def _name(task: Task) -> str | None:
    return task.event.album if isinstance(task.event, MessageReceived) else None


def due(album: list[Task], now: datetime) -> datetime | None:
    """Return until when more may come; None when the turn may be taken."""
    first = album[0]
    if _name(first) is None or first.row.replayed or len(album) == MOST:
        return None
    arrived = [task.row.received_at for task in album]
    until = min(max(arrived) + QUIET, min(arrived) + LONGEST)
    return until if now < until <= now + LONGEST else None  # a clock that was set back holds nothing up


def gathered(album: list[Task]) -> MessageReceived:
    """Return one message with all files and words of an album; the others are its companions."""
    messages = [task.event for task in album if isinstance(task.event, MessageReceived)]
    first, others = messages[0], messages[1:]
    companions = tuple(
        Companion(id=other.id, raw_ref=other.raw_ref, attachments=len(other.attachments)) for other in others
    )
    words = (text for message in messages if (text := message.text.strip()))
    return first.model_copy(
        update={
            "text": "\n".join(words),
            "attachments": tuple(file for message in messages for file in message.attachments),
            "companions": companions,
        }
    )
