"""What becomes of a message that was edited or deleted, at its platform, after it came to us.

Nothing here is on the way of an ordinary message: a change is looked up in the transcript before its turn is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.changes import as_message, kept_early
from core.clock import Clock
from core.conversation import Conversation
from core.events import MessageDeleted, MessageEdited, MessageReceived, ReactionChanged
from core.feedback import Opinion, opinions, reacted
from core.ids import EventId
from core.inbox import InboxMark, InboxState
from core.outbox import OutboxRow, SendState
from core.storage import Store, TranscriptRow
from hub.holds import Hold, Holds
from hub.records import Records

Change = MessageEdited | MessageDeleted

UNCHANGED = "unchanged"
NOT_OURS = "not_ours"
UNKNOWN_MESSAGE = "unknown_message"
TOO_EARLY = "kept_for_its_message"


@dataclass(frozen=True)
class Changes:
    """Looks up what a change is about."""

    store: Store
    holds: Holds
    records: Records
    clock: Clock

    async def look_up(self, hold: Hold, conversation: Conversation, event: Change) -> Change | MessageReceived | str:
        """Return the change with what we have of its message, or why it needs no turn.

        An edit that turns to us is the message itself: what it was before was not for us, and was not kept.

        Raises:
            StoreError: it may be asked again.
        """
        if isinstance(event, MessageEdited) and event.automatic is not None:
            return f"automatic:{event.automatic}"
        line = await self._line(hold, event.message_id)
        if line is None and isinstance(event, MessageEdited) and _turns_to_us(event, conversation):
            return as_message(event)
        if line is None:
            return await self._without_message(hold, conversation, event)
        if isinstance(event, MessageDeleted):
            await self._forget(line)
        if line.direction == "out" or line.deleted_at is not None:
            return UNCHANGED
        if isinstance(event, MessageEdited):
            return UNCHANGED if event.text == line.text else event.model_copy(update={"was": line.text})
        unanswered = _is_unanswered(hold.out, _answered_event(conversation, event, line))
        return event.model_copy(update={"was": line.text, "is_unanswered": unanswered})

    async def react(self, event: ReactionChanged) -> list[Opinion] | None:
        """Write a reaction to its message.

        Returns:
            The opinions of one of our answers that are new by it; None where nobody knows the message.

        Raises:
            StoreError: it may be done again.
        """
        await self.records.drain()
        line = await self.store.find_line(event.conversation_id, event.message_id)
        if line is None and event.within is not None:
            line = await self.store.find_line_within(event.within, event.message_id)
        if line is None:
            return None
        after = reacted(line.reactions, event)
        if after != line.reactions:
            await self.store.react(line.model_copy(update={"reactions": after}))
        new = opinions(after) - opinions(line.reactions)
        return list(new.elements()) if line.direction == "out" else []

    async def quoting(self, hold: Hold, event: MessageReceived) -> MessageReceived:
        """Return a message with the words that it quotes; platforms may give nothing but the id of them."""
        if not event.is_quote or event.quoted is not None or event.in_reply_to is None:
            return event
        line = await self._line(hold, event.in_reply_to)
        return event.model_copy(update={"quoted": line.text}) if line is not None and line.text else event

    async def _line(self, hold: Hold, message_id: str) -> TranscriptRow | None:
        """Return the line of a message, also where the transcript does not have it yet."""
        await self.records.drain()
        waiting = (line for line in hold.said if line.kind == "message" and line.provider_id == message_id)
        return next(waiting, None) or await self.store.find_line(hold.id, message_id)

    async def _without_message(self, hold: Hold, conversation: Conversation, event: Change) -> str:
        """Keep a change that is faster than its message (F066); people's talk among themselves is not kept at all."""
        if event.addressed == "ambient" or (event.addressed == "thread" and conversation.version == 0):
            return NOT_OURS
        hold.conversation = kept_early(conversation, event, self.clock.now())
        await self.holds.save(hold)
        return TOO_EARLY

    async def _forget(self, line: TranscriptRow) -> None:
        """Empty the bytes in which a message came; its turn is over, whether the inbox knows that yet or not."""
        if line.raw_ref is not None:
            await self.store.mark_inbox([InboxMark(id=line.raw_ref, state=InboxState.HANDLED)])
            await self.store.forget_raw(line.raw_ref)


def _turns_to_us(event: MessageEdited, conversation: Conversation) -> bool:
    was_ours = event.was_addressed == "thread" and conversation.version > 0
    return event.addressed == "direct" and event.was_addressed in {"ambient", "thread"} and not was_ours


def _answered_event(conversation: Conversation, event: Change, line: TranscriptRow) -> EventId:
    last = conversation.last_said
    return last.event_id if last is not None and last.message_id == event.message_id else EventId(line.event_id)


def _is_unanswered(out: Sequence[OutboxRow], event_id: EventId) -> bool:
    """Tell whether all of an answer still waits, its first call included."""
    rows = [row for row in out if row.event_id == event_id]
    return bool(rows) and rows[0].is_first and all(row.state is SendState.QUEUED for row in rows)


def withdrawn(out: Sequence[OutboxRow], event_id: EventId | None, reason: str) -> tuple[OutboxRow, ...]:
    """Return an outbox in which what waits of the answer to an event is cancelled; what is under way stays (F066)."""
    return tuple(
        row.ended(SendState.CANCELLED, reason) if row.event_id == event_id and row.state is SendState.QUEUED else row
        for row in out
    )


def with_change(said: Sequence[TranscriptRow], change: TranscriptRow) -> tuple[TranscriptRow, ...]:
    """Return lines that the transcript may not have yet, as a change leaves them, and the line of the change."""
    return (*(line.after(change) for line in said), change)
