"""WhatsApp's customer service window: what is known of it before a send, and what is done when it is shut (W20).

Everything here changes a hold in memory; it becomes durable with the write that is due anyway.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from channels.base import Channel
from core.clock import Clock
from core.conversation import Conversation
from core.events import ChoiceMade, CommandGiven, Event, FormSubmitted, MessageReceived, ReachabilityChanged
from core.ids import EventId, OutId, account_key, account_of, replanned_id
from core.model import Json
from core.outbox import SEQ_STEP, OutboxRow, SendState, outside_window
from core.replies import ApiCall
from core.storage import TranscriptRow
from core.window import MAX_WAITING, WINDOW_CLOSED, ServiceWindow, is_open
from hub.holds import Hold
from hub.telemetry import LogNames, Metrics

log = structlog.get_logger(__name__)

SAID_BY_TEMPLATE = "said_by_template"
"""Reason of a part of a reply that is not sent because a template says the whole reply."""


@dataclass(frozen=True)
class Windows:
    """Decides what becomes of messages outside the window.

    Args:
        waits: is told of a row that begins to wait, so that the transcript shows it.
    """

    channels: Mapping[str, Channel]
    clock: Clock
    metrics: Metrics
    names: LogNames
    waits: Callable[[Hold, OutboxRow], None]

    # what is known

    def heard(self, conversation: Conversation, event: Event) -> Conversation:
        """Note that a person wrote: their message opens the window for 24 hours, by the platform's clock or ours.

        The earlier of the two counts: a platform may bring a message days later.
        """
        channel = self.channels.get(account_key(conversation.channel, conversation.account))
        window = channel.capabilities.window if channel is not None else None
        if window is None or not _opens(event):
            return conversation
        end = window.end(min(event.sent_at, event.received_at))
        known = conversation.window_until
        return conversation.model_copy(update={"window_until": end if known is None else max(known, end)})

    def _of(self, hold: Hold, call: ApiCall) -> ServiceWindow | None:
        """Return the window that a call needs; None: it may leave at any time."""
        channel = self.channels.get(account_of(hold.id))
        window = channel.capabilities.window if channel is not None else None
        return window if window is not None and window.holds_for(call.bucket) else None

    def release(self, hold: Hold) -> bool:
        """Let what waits go on, in order, if the window is open again; False: nothing waits, or it has to go on."""
        conversation, now = hold.conversation, self.clock.now()
        waiting = [row for row in hold.out if row.state is SendState.WAITING]
        if conversation is None or not waiting or not is_open(conversation.window_until, now):
            return False
        for row in waiting:
            hold.put(row.released(now))
        return True

    def expire(self, hold: Hold) -> None:
        """Give up what has waited for too long."""
        now = self.clock.now()
        for row in hold.out:
            if row.state is SendState.WAITING and row.retry_at is not None and row.retry_at <= now:
                hold.put(self._told(hold, row.ended(SendState.FAILED, WINDOW_CLOSED)))

    # what is decided

    def decided(self, hold: Hold, row: OutboxRow) -> OutboxRow:
        """Return a row that is due as it may leave now: as it is, as a template, waiting, or given up."""
        window, conversation = self._of(hold, row.call), hold.conversation
        if window is None or conversation is None or row.went == "template":
            return row
        now = self.clock.now()
        if is_open(conversation.window_until, now):
            return row
        changed = outside_window(row, window.policy, words_of(row.call), now)
        if changed.state is SendState.WAITING and self._waiting(hold, row) >= MAX_WAITING:
            changed = row.ended(SendState.FAILED, WINDOW_CLOSED)
        if changed.went == "template":
            self._leave_out_parts(hold, row)
        return self._told(hold, changed)

    @staticmethod
    def _waiting(hold: Hold, row: OutboxRow) -> int:
        return sum(other.state is SendState.WAITING and other.id != row.id for other in hold.out)

    @staticmethod
    def _leave_out_parts(hold: Hold, row: OutboxRow) -> None:
        """A template says the whole reply: its other parts are not sent."""
        for other in hold.out:
            if other.first == row.id and other.state in {SendState.QUEUED, SendState.WAITING}:
                hold.put(other.ended(SendState.CANCELLED, SAID_BY_TEMPLATE))

    def _told(self, hold: Hold, row: OutboxRow) -> OutboxRow:
        """Show what was decided: the row itself, a line of the log, a number, the transcript."""
        decision = "failed" if row.state is SendState.FAILED else str(row.went)
        channel = account_of(hold.id).partition(":")[0]
        self.metrics.outside_window.labels(channel, decision).inc()
        log.info("outside_window", conversation=self.names(hold.id), out_id=row.id, decision=decision)
        if row.state is SendState.WAITING:
            self.waits(hold, row)
        return row

    # what a platform says about it

    def refused(self, hold: Hold, row: OutboxRow, code: str) -> OutboxRow:
        """Return a row that its platform refused at once because the window is shut: planned anew, once."""
        self._note_shut(hold, row.started_at or self.clock.now())
        if row.replanned or row.went == "template":
            return row.ended(SendState.FAILED, code)
        again = row.queued(None, WINDOW_CLOSED).model_copy(update={"replanned": True})
        return self.decided(hold, again)

    def _note_shut(self, hold: Hold, sent_at: datetime) -> None:
        """Believe the platform: when this was sent the window was shut, unless the person has written since."""
        conversation = hold.conversation
        window = self.channels[account_of(hold.id)].capabilities.window
        if conversation is None or window is None:
            return
        known = conversation.window_until
        if known is None or known <= window.end(sent_at):
            hold.conversation = conversation.model_copy(update={"window_until": sent_at})

    def taken_back(self, hold: Hold, line: TranscriptRow, inbox_id: str, inbox_home: str | None) -> None:
        """Plan anew what a platform took and refused later: the same decision, once for each message.

        Args:
            hold: the conversation.
            line: the message that failed, of which `may_be_replaced` is true.
            inbox_id: the inbox row of the status that tells.
            inbox_home: that row's `home`.
        """
        self._note_shut(hold, line.at)
        assert line.call is not None  # noqa: S101  may_be_replaced() looks
        assert hold.conversation is not None  # noqa: S101  a line exists only where a turn was committed
        row = OutboxRow(
            id=replanned_id(OutId(line.id)),
            event_id=EventId(line.event_id),
            inbox_id=inbox_id,
            inbox_home=inbox_home,
            call=line.call,
            epoch=hold.conversation.epoch,
            seq=hold.conversation.version * SEQ_STEP + 1,
            created_at=self.clock.now(),
            first=replanned_id(OutId(line.first)) if line.first else None,
            approved=line.approved,
            replanned=True,
        )
        hold.out = (*hold.out, row)


def _opens(event: Event) -> bool:
    if isinstance(event, MessageReceived):
        return event.automatic is None
    if isinstance(event, ReachabilityChanged):
        return bool(event.text)  # "stop" is a message like any other
    return isinstance(event, ChoiceMade | CommandGiven | FormSubmitted)


def may_be_replaced(line: TranscriptRow) -> bool:
    """Tell whether another message may go in the place of one; a template's or a second one's failure is final."""
    return line.call is not None and not line.replanned and line.went != "template"


def _first_variable(variables: Json) -> str:
    """Return the text above the choices of a content at Twilio, which is its first variable."""
    told = json.loads(variables) if isinstance(variables, str) else None
    return str(told.get("1", "")) if isinstance(told, dict) else ""


def words_of(call: ApiCall) -> str:
    """Return what a person reads of a call, on whichever channel."""
    params = call.params
    if "content_variables" in params:
        return _first_variable(params["content_variables"])
    for name in ("text", "body"):
        value = params.get(name)
        if isinstance(value, str) and value:
            return value
    inner = params.get("interactive", params.get("text"))
    body = inner.get("body") if isinstance(inner, dict) else None
    told = body.get("text") if isinstance(body, dict) else body
    return told if isinstance(told, str) else ""
