"""One turn: hear the event, ask the bot, plan the replies, commit all of it in one write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import structlog

from channels.base import Channel
from core.changes import in_order, met, moved
from core.clock import Clock
from core.conversation import RECENT_EVENTS, ActionResult, ActionWanted, Conversation, Handoff, Trace, Turn
from core.errors import StoreError, StoreRefused
from core.events import (
    ChoiceMade,
    CommandGiven,
    ConversationMoved,
    DeliveryStatusChanged,
    Event,
    FormSubmitted,
    MembershipChanged,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
    ReactionChanged,
)
from core.failpoints import reach
from core.handoff.silence import left_to_people
from core.ids import DeskName, EventId, OutId, account_key, replanned_id
from core.inbox import InboxRow, InboxState
from core.media import FileRef, file_refs
from core.model import Json
from core.outbox import MAX_OUTBOX_ROWS, SEQ_STEP, SendState
from core.ports import Action, Responder
from core.reachability import heard_from, why_undeliverable
from core.replies import Reply
from core.storage import LineKind, Store, TranscriptRow, Version
from core.window import WINDOW_CLOSED
from hub.approved import NONE_APPROVED, ApprovedTemplates
from hub.changes import UNKNOWN_MESSAGE, Changes, with_change, withdrawn
from hub.correspondents import Correspondents
from hub.deciding import decided
from hub.holds import Hold, Holds
from hub.outbox import Outbox
from hub.planning import Planner, Speaks
from hub.records import Records
from hub.settings import Desk
from hub.suspects import Handling, unnoted
from hub.telemetry import LogNames, Metrics
from hub.typing_signs import TypingSigns
from hub.window import may_be_replaced

log = structlog.get_logger(__name__)

TROUBLE = Reply(template="trouble", kind="handoff_notice")
"""Said once when a message cannot be handled, while a person takes over."""


BURIAL = "!dead"
GAVE_UP = "gave_up"
REPLACED = "replaced"
"""State of a message that its platform took and refused: another was sent in its place, or waits."""


class OutboxFull(Exception):
    """The plan does not fit into the conversation's outbox yet; take the turn again when the line has moved."""


@dataclass(frozen=True)
class Turns:
    """Takes turns. Everything it needs comes from the wiring."""

    store: Store
    holds: Holds
    records: Records
    clock: Clock
    metrics: Metrics
    names: LogNames
    channels: Mapping[str, Channel]
    desks: Mapping[str, Desk]
    """By `channel:account`."""
    responders: Mapping[DeskName, Responder]
    """By desk."""
    actions: Mapping[str, Action]
    templates: Speaks
    outbox: Outbox
    correspondents: Correspondents
    changes: Changes
    signs: TypingSigns
    approved: ApprovedTemplates = NONE_APPROVED
    handling: Handling = unnoted
    """Notes which row is being answered."""

    @cached_property
    def _planner(self) -> Planner:
        return Planner(self.channels, self.desks, self.templates, self.approved, self.clock)

    async def take(self, hold: Hold, row: InboxRow, event: Event, behind: Sequence[Event] = ()) -> None:
        """Take one event to its commit. When this returns the row is handled, ignored, or done.

        Args:
            hold: the conversation.
            row: where the event came from.
            event: what happened.
            behind: what waits in the same conversation, in order; a message is heard as it reads by now.

        Raises:
            OutboxFull: nothing was done; later.
            StoreError: the commit did not happen, or nobody knows; the hold is dropped.
            Exception: the turn itself failed; nothing was committed.
        """
        if isinstance(event, DeliveryStatusChanged):
            await self._note_delivery(hold, row, event)
            return
        if isinstance(event, ReactionChanged):
            await self._note_reaction(row, event)
            return
        if await self.take_report(row, event):
            return
        if len(hold.open_rows) >= MAX_OUTBOX_ROWS and not isinstance(event, MessageEdited | MessageDeleted):
            raise OutboxFull
        started = self.clock.monotonic()
        conversation = self._current(hold, event)
        if conversation.remembers(event.id):
            self._settle(hold, row, event)
            return
        heard = await self._as_it_stands(hold, row, conversation, event, behind)
        if isinstance(heard, str):
            self._ignore(row, heard, event)
            return
        conversation, event = heard
        turn = await self._answer(row, conversation, event)
        await reach("handle.done", event.channel)
        if turn.ignored is not None:
            self._ignore(row, turn.ignored, event)
            return
        await self._commit(hold, row.id, row.home, event, turn, started)
        await reach("commit.done", event.channel)
        self._settle(hold, row, event)

    async def _as_it_stands(
        self, hold: Hold, row: InboxRow, conversation: Conversation, event: Event, behind: Sequence[Event]
    ) -> tuple[Conversation, Event] | str:
        """Return an event with all that is known about it by now, or why it needs no turn."""
        if row.replayed:
            conversation = _given_back(conversation)
        if isinstance(event, MessageEdited | MessageDeleted):
            found = await self.changes.look_up(hold, conversation, event)
            if isinstance(found, str):
                return found
            event = found
        if isinstance(event, ConversationMoved):
            conversation = await self._move(conversation, event)
        if isinstance(event, MessageReceived):
            event = await self.changes.quoting(hold, event)
        conversation, event = met(conversation, event, behind, self.clock.now())
        return in_order(heard_from(conversation, event), event, row.order)

    async def take_report(self, row: InboxRow, event: Event) -> bool:
        """Take a bounce, for which nobody needs its conversation: thousands may come at once (F103).

        Returns:
            False: it is none.

        Raises:
            StoreError: it is not known to be counted; it may be taken again.
        """
        if not (isinstance(event, MessageReceived) and event.automatic == "bounce"):
            return False
        await self.correspondents.note_bounce(event, self.desks[account_key(event.channel, event.account)].name)
        self._ignore(row, f"automatic:{event.automatic}", event)
        return True

    def _current(self, hold: Hold, event: Event) -> Conversation:
        """Return the conversation as it stands, or a new one; it belongs to the desk that has its account now."""
        desk = self.desks[account_key(event.channel, event.account)]
        if hold.conversation is not None:
            return hold.conversation.model_copy(update={"desk": desk.name})
        return Conversation(
            id=event.conversation_id,
            desk=desk.name,
            channel=event.channel,
            account=event.account,
            address=event.address,
        )

    async def _answer(self, row: InboxRow, conversation: Conversation, event: Event) -> Turn:
        """Have the bot take the turn, unless its sender has had the answers of the day: then people have it.

        The answer is counted before the bot runs, and before anything is sent: a crash in between counts it once.
        """
        is_bots = conversation.owner == "bot"
        may_answer = await self.correspondents.hear(event, answer=is_bots)
        if may_answer:
            turn = await self._decide(row, conversation, event)
            if is_bots or not turn.replies or await self.correspondents.hear(event, answer=True):
                return turn
        return left_to_people(conversation, event, spoken_text(event))

    async def _decide(self, row: InboxRow, conversation: Conversation, event: Event) -> Turn:
        """Ask the bot, run what it asks for, ask again with the results."""
        with self.signs.during(event):
            return await self._decide_soon_or_late(row, conversation, event)

    async def _decide_soon_or_late(self, row: InboxRow, conversation: Conversation, event: Event) -> Turn:
        responder = self.responders[conversation.desk]

        async def ask(results: Mapping[str, ActionResult]) -> Turn | ActionWanted:
            with self.handling(row):
                await reach("handle.mid", event.channel)
                return responder.respond(conversation, event, self.clock.now(), results)

        async def act(wanted: ActionWanted) -> ActionResult:
            await reach("park.done", event.channel)
            result = await self._act(wanted)
            await reach("park.llm_back", event.channel)
            return result

        return await decided(ask, act)

    async def _act(self, wanted: ActionWanted) -> ActionResult:
        started = self.clock.monotonic()
        result = await self.actions[wanted.action](wanted.arguments)
        latency_ms = (self.clock.monotonic() - started) * 1000
        return result.model_copy(update={"latency_ms": latency_ms})

    async def _commit(
        self,
        hold: Hold,
        inbox_id: str,
        inbox_home: str | None,
        event: Event,
        turn: Turn,
        started: float,
        step: int = 0,
    ) -> None:
        version = turn.conversation.version + 1
        conversation = turn.conversation.model_copy(update={"version": version})
        conversation = self.outbox.windows.heard(conversation, event)
        plan = self._planner.plan(conversation, inbox_id, inbox_home, event.id, turn.replies, step)
        if len(plan) > MAX_OUTBOX_ROWS:
            raise ValueError(f"a plan of {len(plan)} api calls; {MAX_OUTBOX_ROWS} is the most")
        out = withdrawn(hold.out, turn.withdraws, event.kind)
        unfinished = [row for row in out if not row.is_terminal and row.state is not SendState.WAITING]
        if len(unfinished) + len(plan) > MAX_OUTBOX_ROWS:
            raise OutboxFull
        trace = turn.trace.model_copy(update={"latency_ms": self._since_ms(started)})
        line = self._line_in(conversation, event, trace)
        before = (hold.conversation, hold.out, hold.said)
        hold.conversation, hold.out, hold.said = conversation, out, with_change(hold.said, line)
        is_idle = not hold.open_rows
        goes_on = self.outbox.windows.release(hold)
        hold.out = (*hold.out, *plan)
        if plan and is_idle and not goes_on and why_undeliverable(conversation, plan[0]) is None:
            hold.put(self.outbox.claimed(hold, plan[0]))
        try:
            await self.holds.save(hold)
        except StoreRefused:  # the hold is still good, only this turn cannot be written
            hold.conversation, hold.out, hold.said = before
            raise
        self._tell(event, conversation, turn, trace)
        self.records.line(line, partial(hold.heard, line))

    def _since_ms(self, started: float) -> float:
        return round((self.clock.monotonic() - started) * 1000, 2)

    def _settle(self, hold: Hold, row: InboxRow, event: Event) -> None:
        """Mark a row whose turn is committed: DONE when its plan is through, HANDLED while some of it is to be sent."""
        unsettled = any(entry.inbox_id == row.id and not entry.is_terminal for entry in hold.out)
        state = InboxState.HANDLED if unsettled else InboxState.DONE
        is_sending = any(entry.state is SendState.SENDING for entry in hold.open_rows[:1])
        if not (unsettled and is_sending):  # the send that follows at once will mark it
            self.records.mark(row.mark(state, forget=_is_taken_back(event)))

    def _ignore(self, row: InboxRow, reason: str, event: Event) -> None:
        self.metrics.ignored.labels(row.channel, reason).inc()
        self.records.mark(row.mark(InboxState.IGNORED, reason=reason, forget=_is_taken_back(event)))

    async def _note_delivery(self, hold: Hold, row: InboxRow, event: DeliveryStatusChanged) -> None:
        """Take a delivery status; for a send in doubt it is the proof that it arrived."""
        for entry in hold.open_rows:
            if entry.id == event.out_id and entry.state is SendState.UNKNOWN:
                hold.put(entry.sent(event.provider_id))  # whatever became of it later, it did reach the platform
                hold.is_dirty = True
        await self.records.drain()  # the line that the status is about may be on its way
        if event.unreachable:
            await self._note_unreachable(hold, event)
        await self.store.note_delivery(hold.id, event.out_id, event.provider_id, event.status, event.error_code)
        if event.status == "failed":
            await self._note_failed(hold, row, event)
        self.records.mark(row.mark(InboxState.DONE))

    async def _move(self, conversation: Conversation, event: ConversationMoved) -> Conversation:
        """Return a conversation after its platform renamed it; a new one begins as the old one stands."""
        old = await self.store.load(event.came_from) if event.came_from is not None else None
        return moved(conversation, event, old.conversation if old is not None else None)

    async def _note_reaction(self, row: InboxRow, event: ReactionChanged) -> None:
        """Take a reaction: it stands with its message, thumbs under an answer count, and nothing is said to it."""
        opinions = await self.changes.react(event)
        if opinions is None:
            self._ignore(row, UNKNOWN_MESSAGE, event)
            return
        for opinion in opinions:
            self.metrics.feedback.labels(event.channel, opinion).inc()
        self.records.mark(row.mark(InboxState.DONE))

    async def _note_unreachable(self, hold: Hold, event: DeliveryStatusChanged) -> None:
        """Note that a message failed for want of its person, unless they have written since it was sent."""
        line = await self.store.find_line(hold.id, event.provider_id)
        heard_at = hold.conversation.heard_at if hold.conversation is not None else None
        if line is None or heard_at is None or line.at >= heard_at:
            self.outbox.note_unreachable(hold, event.error_code or "")

    async def _note_failed(self, hold: Hold, row: InboxRow, event: DeliveryStatusChanged) -> None:
        """Do something about a message that its platform took and did not deliver.

        Raises:
            OutboxFull: nothing was done; later.
            StoreError: the plan is not known to be written; the status is taken again, and plans the same.
        """
        line = await self._line_of(hold, event.out_id, event.provider_id)
        if line is not None and event.window_closed:
            if line.state == REPLACED or await self._is_said_by_template(hold, line):
                return
            if hold.conversation is not None and may_be_replaced(line):
                await self._plan_anew(hold, row, line)
                return
        self.metrics.undelivered.labels(event.channel, event.account).inc()
        if line is not None and self.outbox.note_lost(hold, line.reply_kind or "answer"):
            await self.holds.save(hold)

    async def _plan_anew(self, hold: Hold, row: InboxRow, line: TranscriptRow) -> None:
        """Send another message in the place of one that met a shut window (W20), or have it wait."""
        conversation = hold.conversation
        assert conversation is not None  # noqa: S101  the caller has looked
        if len(hold.open_rows) >= MAX_OUTBOX_ROWS:
            raise OutboxFull
        planned = EventId(f"anew:{line.id}")  # not the event's: one failure may be told as several
        if not conversation.remembers(planned):
            recent = (*conversation.recent, planned)[-RECENT_EVENTS:]
            hold.conversation = conversation.model_copy(update={"version": conversation.version + 1, "recent": recent})
            self.outbox.windows.taken_back(hold, line, row.id, row.home)
            await self.holds.save(hold)
        self.records.line(line.model_copy(update={"state": REPLACED, "reason": WINDOW_CLOSED}))

    async def _line_of(self, hold: Hold, out_id: str | None, provider_id: str) -> TranscriptRow | None:
        """Return what was sent under a name: from the outbox while it is there, else from the transcript."""
        here = (row for row in hold.out if out_id is not None and row.id == out_id)
        if (row := next(here, None)) is not None:
            return self.outbox.line_of(hold, row)
        return await self.store.line(hold.id, out_id, provider_id)

    async def _is_said_by_template(self, hold: Hold, part: TranscriptRow) -> bool:
        """Tell whether a template says the whole reply already of which this is a later part."""
        if part.first is None:
            return False
        first = await self._line_of(hold, replanned_id(OutId(part.first)), "")
        return first is not None and first.went == "template"

    async def bury(self, hold: Hold, row: InboxRow, event: Event) -> None:
        """Give a conversation to people because one of its messages cannot be handled, and say so once.

        The message itself is not remembered as taken, so that a person may replay it.
        """
        conversation = self._current(hold, event)
        burial = EventId(f"{event.id}{BURIAL}")
        if conversation.remembers(burial):
            return
        given = conversation.model_copy(
            update={
                "owner": "queue",
                "epoch": conversation.epoch + 1,
                "session": conversation.session.model_copy(update={"last_action": GAVE_UP}),
                "recent": (*conversation.recent, burial)[-RECENT_EVENTS:],
                "address": event.address or conversation.address,
            }
        )
        trace = Trace(event_id=event.id, rung="handoff", templates=(TROUBLE.template,), handoff="error")
        handoff = Handoff(reason="error", summary=TROUBLE.template)
        notice = (TROUBLE,) if await self.correspondents.hear(event, answer=True) else ()
        turn = Turn(conversation=given, replies=notice, trace=trace, handoff=handoff)
        started = self.clock.monotonic()
        try:
            await self._commit(hold, burial, None, event, turn, started, step=1)
        except (StoreError, OutboxFull):
            raise
        except Exception as error:  # noqa: BLE001  the notice may fail for the reason the turn did; people still take over
            log.error("notice_failed", row=self.names.row(row.id), error=type(error).__name__)
            await self._commit(hold, burial, None, event, turn.model_copy(update={"replies": ()}), started, step=1)

    def _tell(self, event: Event, conversation: Conversation, turn: Turn, trace: Trace) -> None:
        self.metrics.turns.labels(event.channel, trace.rung).inc()
        self.metrics.turn_seconds.observe(trace.latency_ms / 1000)
        if turn.handoff is not None:
            self.metrics.handoffs.labels(turn.handoff.reason).inc()
        if (gone := conversation.unreachable) is not None and gone.event_id == event.id:
            self.metrics.unreachable.labels(event.channel, gone.reason).inc()
        log.info(
            "turn",
            conversation=self.names(conversation.id),
            event_id=self.names.row(event.id),
            version=conversation.version,
            intent=trace.intent,
            confidence=trace.confidence,
            rung=trace.rung,
            templates=trace.templates,
            handoff=trace.handoff,
            latency_ms=trace.latency_ms,
        )

    @staticmethod
    def _line_in(conversation: Conversation, event: Event, trace: Trace) -> TranscriptRow:
        text, files = spoken_text(event), _files_of(event)
        said: dict[str, Json] = {"from": "you", "id": event.id.rsplit(":", 1)[-1], "text": text}
        if files:
            said["files"] = [file.name or file.kind for file in files]
        return TranscriptRow(
            id=event.id,
            conversation_id=conversation.id,
            desk=conversation.desk,
            direction="in",
            seq=conversation.version * SEQ_STEP,
            at=event.received_at,
            text=text,
            body={**said, "at": _iso(event.received_at)},
            event_id=event.id,
            files=files,
            trace=trace,
            raw_ref=event.raw_ref,
            **_of_message(event),
        )


def _files_of(event: Event) -> tuple[FileRef, ...]:
    """Return what an event carries, as agents may ask for it."""
    if not isinstance(event, MessageReceived) or event.is_deleted:
        return ()
    others = sum(companion.attachments for companion in event.companions)
    parts = [(event.raw_ref, len(event.attachments) - others)]
    parts += [(companion.raw_ref, companion.attachments) for companion in event.companions]
    files: list[FileRef] = []
    start = 0
    for row, count in parts:
        files += file_refs(row or "", event.attachments[start : start + count])
        start += count
    return tuple(files)


def _of_message(event: Event) -> dict[str, Any]:
    """Return what the line of an event says about a message of the platform's."""
    match event:
        case MessageReceived():
            versions = tuple(Version(text=text, until=event.received_at) for text in event.versions)
            edited_at = event.received_at if versions else None
            deleted_at = event.received_at if event.is_deleted else None
            told = {"versions": versions, "edited_at": edited_at, "deleted_at": deleted_at, "late": event.is_late}
            quote = {"in_reply_to": event.in_reply_to, "quoted": event.quoted}
            return {"provider_id": event.message_id, **told, **quote}
        case MessageEdited() | MessageDeleted():
            kind: LineKind = event.kind
            return {"kind": kind, "about": event.message_id, "before": event.was if kind == "edited" else None}
        case ReachabilityChanged() | MembershipChanged():
            return {"kind": event.kind, "reason": event.change}
        case ConversationMoved():
            return {"kind": event.kind, "reason": event.came_from or event.goes_to}
        case _:
            return {}


def _is_taken_back(event: Event) -> bool:
    """Tell whether the raw bytes hold words that somebody took back."""
    return isinstance(event, MessageDeleted) or (isinstance(event, MessageReceived) and event.is_deleted)


def _given_back(conversation: Conversation) -> Conversation:
    """Return a conversation to the bot if people have it only because the message that is replayed had failed."""
    if conversation.owner != "queue" or conversation.session.last_action != GAVE_UP:
        return conversation
    session = conversation.session.model_copy(update={"last_action": None})
    return conversation.model_copy(update={"owner": "bot", "epoch": conversation.epoch + 1, "session": session})


def spoken_text(event: Event) -> str:
    """Return what a person said by an event, as a transcript shows it."""
    match event:
        case MessageReceived():
            return event.full_text or event.text
        case ChoiceMade():
            return event.label or ""
        case CommandGiven():
            return f"/{event.name} {event.arguments}".strip()
        case MessageEdited() | ReachabilityChanged():
            return event.text
        case FormSubmitted():
            return "\n".join((f"/{event.form}", *(f"{name}: {value}" for name, value in event.fields.items())))
        case _:
            return ""


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
