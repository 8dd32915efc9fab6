"""Sending: one api call at a time per conversation, claimed before the socket opens, none twice, none silently lost."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from channels.base import Channel
from core.clock import Clock
from core.errors import (
    AccountRefused,
    DeliveryError,
    PermanentFailure,
    RateLimited,
    RecipientMoved,
    UnknownOutcome,
    WindowClosed,
)
from core.failpoints import is_armed, reach
from core.handoff.ownership import to_queue
from core.ids import OutId, account_of
from core.inbox import InboxMark, InboxState
from core.outbox import TIME_TO_LIVE, LostPolicy, OutboxRow, SendState, after_error, in_doubt
from core.reachability import refused, why_undeliverable
from core.replies import Receipt, ReplyKind
from core.storage import Store, TranscriptRow, trouble_of
from hub.correspondents import Correspondents
from hub.holds import Hold, Holds
from hub.pace import SendPace
from hub.pauses import Pauses
from hub.records import Records
from hub.telemetry import LogNames, Metrics
from hub.window import Windows, words_of

log = structlog.get_logger(__name__)

SEND_BEGINS_WITHIN_S = 10.0
"""A claim is good for this long; a process that slept through it does not send any more (SEMANTICS 6.4)."""
ABSENCE_PROVEN_AFTER_S = 30.0
"""Only then does "the platform has it not" count: longer than any request may last (20 s)."""
PROOF_WITHIN_S = 120.0
"""After so long without proof either way a send in doubt is resent or held, by policy."""
PROOF_RETRY_S = 5.0
LOOK_BACK_SEQ, LOOK_BACK_LINES = 2048, 200
"""How far back in the conversation (64 turns) other sends are looked up: none of them is the one sought."""
UNDER_WAY_S = 0.02
"""Under test: so long after it began, a request to a stand-in has left."""
PACED = "paced"
"""Reason of a row that waits for a time of its own, given by the platform's pace: then it goes without asking again."""
ADDRESS_SUSPENDED = "address_suspended"
"""Reason of a row that is not sent because reports say that its address does not exist (F103)."""
UNDELIVERED = "undelivered"
"""Why people have a conversation whose reply was lost."""
ACCOUNT_OFF_PAUSE_S = 3600.0
"""How often replies of an account that is switched off are looked at."""


async def _keeps_its_credentials(_account: str) -> bool:
    return False


@dataclass
class Outbox:
    """Sends what is committed. One retry layer: the platforms' libraries retry nothing."""

    store: Store
    holds: Holds
    records: Records
    clock: Clock
    metrics: Metrics
    names: LogNames
    channels: Mapping[str, Channel]
    correspondents: Correspondents
    absence_proven_after_s: float = ABSENCE_PROVEN_AFTER_S
    pace_factor: float = 1.0
    """Multiple of what platforms take by default."""
    when_lost: LostPolicy = field(default_factory=LostPolicy)
    renew: Callable[[str], Awaitable[bool]] = _keeps_its_credentials
    """Looks for other credentials of an account whose own were refused; True: it has them."""
    _pace: SendPace = field(init=False)
    _pauses: Pauses = field(init=False)
    windows: Windows = field(init=False)
    _doubtful: set[OutId] = field(default_factory=set)
    _settled: dict[OutId, OutboxRow] = field(default_factory=dict)
    """How sends ended that neither the conversation nor the transcript may know of yet: a write that fails in between
    must not turn a send that we know of into one in doubt."""

    def __post_init__(self) -> None:
        """Begin without a pause and with the whole of every platform's pace."""
        self._pace = SendPace(self.clock, self.metrics, self.pace_factor)
        self._pauses = Pauses(self.clock, self.metrics)
        self.windows = Windows(self.channels, self.clock, self.metrics, self.names, self._show)

    async def recover(self, hold: Hold) -> None:
        """Take over what a dead owner or a failed write left in doubt, and write lines that may be missing."""
        for line in hold.said:
            self.records.line(line, partial(hold.heard, line))
        for row in hold.out:
            if row.state is SendState.WAITING:
                self._show(hold, row)
        doubtful = [row for row in hold.open_rows if row.state in {SendState.SENDING, SendState.UNKNOWN}]
        if not doubtful:
            return
        delivered = await self.store.delivered(hold.id, [row.id for row in doubtful])
        for row in doubtful:
            if row.id in self._settled:
                hold.put(self._settled[row.id])
            elif row.id in delivered:
                hold.put(row.sent(delivered[row.id]))
            else:
                hold.put(row.model_copy(update={"state": SendState.UNKNOWN, "reason": row.reason or "owner_died"}))

    async def drain(self, hold: Hold) -> datetime | None:
        """Send what can be sent now; returns when to come again, or None when nothing is left.

        Raises:
            StoreError: the hold is lost; recovery goes on from what is durable.
        """
        self._end_waiting(hold)
        self.windows.expire(hold)
        while hold.open_rows:
            row = hold.open_rows[0]
            due = await self._advance(hold, row)
            if due is not None:
                if hold.open_rows[0] is not row or hold.is_dirty:
                    await self.holds.save(hold)
                return due
        is_lost = any(_is_lost(row) and row.id not in hold.recorded for row in hold.out)
        if self._finish(hold):
            if is_lost and hold.conversation is not None and hold.conversation.owner != "bot":
                await self.holds.save(hold)  # people have it from now on, whatever becomes of this process
            await reach("send.marked", account_of(hold.id).partition(":")[0])
        return None

    async def _advance(self, hold: Hold, row: OutboxRow) -> datetime | None:
        """Move the first open row one step; returns the time to wait for, if it cannot move now."""
        now = self.clock.now()
        if account_of(hold.id) not in self.channels:
            return now + timedelta(seconds=ACCOUNT_OFF_PAUSE_S)
        match row.state:
            case SendState.UNKNOWN:
                self._doubtful.add(row.id)
                due = await self._prove(hold, row, now)
                if due is None:
                    self._doubtful.discard(row.id)
                self.metrics.unknown_sends.set(len(self._doubtful))
                return due
            case SendState.SENDING:
                await self._send(hold, row)
                return None
        if reason := why_undeliverable(hold.conversation, row):
            self._end_undeliverable(hold, row, reason)
            return None
        if reason := self._obsolete(hold, row, now):
            hold.put(row.ended(SendState.CANCELLED, reason))
            return None
        if row.retry_at is not None and row.retry_at > now:
            return row.retry_at
        if await self.correspondents.is_suspended(account_of(hold.id), row.call.bucket):
            self._refuse(hold, row)
            return None
        claimed = self.claimed(hold, row)
        hold.put(claimed)
        if claimed.state is SendState.QUEUED:
            return claimed.retry_at
        await self.holds.save(hold)
        return None

    def claimed(self, hold: Hold, row: OutboxRow) -> OutboxRow:
        """Return a row that is due as it must be journaled: claimed, or waiting until its platform takes it.

        Outside the service window it may be something else that leaves, or nothing.
        """
        account, row = account_of(hold.id), self.windows.decided(hold, row)
        if row.state is not SendState.QUEUED:
            return row
        if (until := self._pauses.until(account, row.call.bucket)) is not None:
            return row.queued(until, row.reason if row.reason not in {None, PACED} else "waiting")
        if row.reason != PACED and (at := self._pace.book(account, row.call, self.channels[account])) is not None:
            return row.queued(at, PACED)
        return row.sending(self.clock.now())

    def _refuse(self, hold: Hold, row: OutboxRow) -> None:
        """End a row whose address is suspended. The answer to a person's mail never comes here: the mail ended it."""
        hold.put(row.ended(SendState.FAILED, ADDRESS_SUSPENDED))
        self.metrics.sends.labels(self._channel(hold).name, str(SendState.FAILED)).inc()
        log.warning(
            "not_sent", conversation=self.names(hold.id), out_id=row.id, becomes="failed", reason=ADDRESS_SUSPENDED
        )

    def _end_waiting(self, hold: Hold) -> None:
        """End what waits for somebody to write who has blocked us, opted out or is gone."""
        for row in hold.out:
            if row.state is SendState.WAITING and (reason := why_undeliverable(hold.conversation, row)):
                self._end_undeliverable(hold, row, reason)

    def _end_undeliverable(self, hold: Hold, row: OutboxRow, reason: str) -> None:
        hold.put(row.ended(SendState.UNDELIVERABLE, reason))
        self.metrics.sends.labels(self._channel(hold).name, str(SendState.UNDELIVERABLE)).inc()
        log.warning("not_sent", conversation=self.names(hold.id), out_id=row.id, becomes="undeliverable", reason=reason)

    def _redirect(self, hold: Hold, row: OutboxRow, error: RecipientMoved) -> OutboxRow:
        """Send what waits, and what is said from now on, to where the recipient is; returns the row that told it."""
        for other in hold.open_rows:
            if other.state is SendState.QUEUED and other.call.bucket == row.call.bucket:
                hold.put(other.redirected(error.place, error.bucket))
        if hold.conversation is not None:
            address = {**hold.conversation.address, **error.place}
            hold.conversation = hold.conversation.model_copy(update={"address": address})
        log.info("recipient_moved", conversation=self.names(hold.id), out_id=row.id)
        return row.redirected(error.place, error.bucket)

    def note_unreachable(self, hold: Hold, code: str) -> None:
        """Note that a platform cannot reach the person any more; written with what is written next."""
        if hold.conversation is None or hold.conversation.unreachable is not None:
            return
        hold.conversation = refused(hold.conversation, code, self.clock.now())
        hold.is_dirty = True
        self.metrics.unreachable.labels(hold.conversation.channel, "refused").inc()
        log.warning("unreachable", conversation=self.names(hold.id), reason=code)

    @staticmethod
    def _obsolete(hold: Hold, row: OutboxRow, now: datetime) -> str | None:
        """Say why a row must not leave any more."""
        if now - row.created_at > TIME_TO_LIVE:
            return "too_old"
        conversation = hold.conversation
        taken_over = conversation is not None and conversation.owner == "agent" and row.epoch < conversation.epoch
        return "person_took_over" if taken_over and row.call.kind != "agent" else None

    def _channel(self, hold: Hold) -> Channel:
        return self.channels[account_of(hold.id)]

    async def _send(self, hold: Hold, row: OutboxRow) -> None:
        """Make the call that is claimed, and write down what came of it with the claim of the next one."""
        channel = self._channel(hold)
        await reach("send.claimed", channel.name)
        if self._slept(hold, row):  # the last look before the first byte: whoever was stopped until now sends nothing
            hold.put(row.queued(None, "paused_before_sending"))
            return
        started = self.clock.monotonic()
        try:
            receipt = await self._call(channel, hold, row)
            await reach("send.answered", channel.name)
        except DeliveryError as error:
            changed = self._failed(hold, row, error)
            if isinstance(error, AccountRefused) and await self.renew(account_of(hold.id)):
                self._pauses.renewed(account_of(hold.id))
                changed = changed.queued(None, changed.reason or "account_refused")
        except Exception as error:  # noqa: BLE001  an adapter's bug says nothing about what reached the platform
            changed = self._failed(hold, row, UnknownOutcome(f"{type(error).__name__} in the adapter"))
        else:
            changed = row.sent(receipt.provider_id)
            self._pauses.note(account_of(hold.id), row.call.bucket, None)
        self.metrics.send_seconds.labels(channel.name).observe(self.clock.monotonic() - started)
        self.metrics.sends.labels(channel.name, str(changed.state)).inc()
        if changed.is_terminal:
            self._settled[row.id] = changed
        hold.put(changed)
        await self._claim_next(hold)

    @staticmethod
    async def _call(channel: Channel, hold: Hold, row: OutboxRow) -> Receipt:
        """Make the api call; under test, pass the place where the request is out and its answer is not there yet."""
        call = asyncio.ensure_future(channel.send(row.call, row.id, row.seq, hold.id))
        if is_armed():
            await asyncio.sleep(0)  # the call has begun and looks for its connection
            await reach("send.connected", channel.name)
            await asyncio.wait([call], timeout=UNDER_WAY_S)
            if not call.done():
                await reach("send.sent", channel.name)
        return await call

    def _slept(self, hold: Hold, row: OutboxRow) -> bool:
        """Tell whether so much time passed since the claim that it may no longer be ours."""
        claimed_for = (self.clock.now() - row.started_at).total_seconds() if row.started_at else 0.0
        return claimed_for > SEND_BEGINS_WITHIN_S or self.clock.monotonic() >= hold.good_until

    def _failed(self, hold: Hold, row: OutboxRow, error: DeliveryError) -> OutboxRow:
        now = self.clock.now()
        self._pauses.note(account_of(hold.id), row.call.bucket, error)
        if isinstance(error, RecipientMoved):
            row = self._redirect(hold, row, error)
        if isinstance(error, PermanentFailure) and error.unreachable:
            self.note_unreachable(hold, error.code)
        if isinstance(error, WindowClosed):
            changed = self.windows.refused(hold, row, error.code)
        elif row.call.role == "aside" and not isinstance(error, RateLimited | AccountRefused):
            changed = row.ended(SendState.CANCELLED, "aside_failed")
        else:
            changed = self._at_next_try(hold, after_error(row, error, now))
        log.warning(
            "not_sent",
            conversation=self.names(hold.id),
            out_id=row.id,
            error=type(error).__name__,
            code=getattr(error, "code", None),
            becomes=str(changed.state),
            attempt=row.attempt,
        )
        return changed

    def _at_next_try(self, hold: Hold, row: OutboxRow) -> OutboxRow:
        """Return a row that was not sent; where its whole account waits, it goes when that is tried again.

        Else the one tried for all would be put off by its own schedule, for up to an hour after the others went.
        """
        until = self._pauses.until(account_of(hold.id), row.call.bucket) if row.state is SendState.QUEUED else None
        return row if until is None else row.queued(until, row.reason or "waiting")

    async def _claim_next(self, hold: Hold) -> None:
        """Claim the row behind in the same write that records the result of the one before it."""
        if not hold.open_rows:
            if any(row.state is SendState.WAITING and row.id not in hold.recorded for row in hold.out):
                await self.holds.save(hold)  # what waits must not be taken for a send in doubt
            return
        head = hold.open_rows[0]
        now = self.clock.now()
        may_go = not self._obsolete(hold, head, now) and not why_undeliverable(hold.conversation, head)
        if head.state is SendState.QUEUED and head.retry_at is None and may_go:
            hold.put(self.claimed(hold, head))
        await self.holds.save(hold)

    async def _prove(self, hold: Hold, row: OutboxRow, now: datetime) -> datetime | None:
        """Settle a send in doubt: by the platform's word where it can be asked, else by policy."""
        channel = self._channel(hold)
        ability = channel.capabilities.unknown_sends
        started = row.started_at or row.created_at
        if ability == "provable" and row.call.role == "message" and now - started < timedelta(seconds=PROOF_WITHIN_S):
            return await self._prove_by_asking(hold, row, channel, now)
        changed = in_doubt(row, ability, now)
        hold.put(changed)
        log.warning(
            "send_in_doubt",
            conversation=self.names(hold.id),
            out_id=row.id,
            becomes=str(changed.state),
            reason=changed.reason,
        )
        self.metrics.sends.labels(channel.name, f"doubt_{changed.state}").inc()
        return None

    async def _prove_by_asking(self, hold: Hold, row: OutboxRow, channel: Channel, now: datetime) -> datetime | None:
        started = row.started_at or row.created_at
        absence_counts_at = started + timedelta(seconds=self.absence_proven_after_s)
        receipt, answered = await self._ask(hold, row, started)
        if receipt is not None:
            hold.put(row.sent(receipt.provider_id))
            self.metrics.sends.labels(channel.name, "proven_sent").inc()
            return None
        if answered and now >= absence_counts_at:
            hold.put(row.queued(now, "proven_absent"))
            self.metrics.sends.labels(channel.name, "proven_absent").inc()
            return None
        return max(now + timedelta(seconds=PROOF_RETRY_S), absence_counts_at if answered else now)

    async def _ask(self, hold: Hold, row: OutboxRow, since: datetime) -> tuple[Receipt | None, bool]:
        """Return what the platform knows of a call, and whether it answered at all."""
        lines = await self.store.transcript(hold.id, row.seq - LOOK_BACK_SEQ, LOOK_BACK_LINES)
        others = {line.provider_id for line in lines} | {other.provider_id for other in hold.out}
        try:
            known = frozenset(name for name in others if name)
            return await self._channel(hold).find_sent(row.call, row.id, since, known), True
        except Exception as error:  # noqa: BLE001  no answer, however it came about, is no proof
            log.info("proof_not_had", out_id=row.id, error=type(error).__name__)
            return None, False

    def _finish(self, hold: Hold) -> bool:
        """Move finished rows into the transcript and out of the conversation; nobody waits for this. False: none.

        The conversation itself is not written for it: the next commit says it too, or the release of the lease. A crash
        in between finds the rows in SENDING and the transcript knowing that they were sent.
        """
        done = [row for row in hold.out if row.is_terminal and row.id not in hold.recorded]
        waited_for = {row.inbox_id for row in hold.out if not row.is_terminal}
        for row in done:
            if _is_lost(row):
                self.note_lost(hold, row.call.kind)
            hold.recorded.add(row.id)
            if row.call.role == "message":
                self.records.line(self.line_of(hold, row), partial(self._recorded, hold, row))
            else:
                self._recorded(hold, row)
        hold.is_dirty = hold.is_dirty or bool(done)
        for inbox_id, home in dict.fromkeys((row.inbox_id, row.inbox_home) for row in done):
            if inbox_id in waited_for:
                continue
            self.records.mark(InboxMark(id=inbox_id, home=home, state=InboxState.DONE))
        return bool(done)

    def note_lost(self, hold: Hold, kind: ReplyKind) -> bool:
        """Do what the policy says about a reply that its person did not get; True: people have the conversation now."""
        conversation = hold.conversation
        if conversation is None or conversation.owner != "bot" or self.when_lost.of(kind) == "show":
            return False
        hold.conversation = to_queue(conversation)
        self.metrics.handoffs.labels(UNDELIVERED).inc()
        log.warning("handed_over", conversation=self.names(hold.id), reason=UNDELIVERED)
        return True

    def _recorded(self, hold: Hold, row: OutboxRow) -> None:
        self._settled.pop(row.id, None)
        hold.drop(row)

    def _show(self, hold: Hold, row: OutboxRow) -> None:
        """Write the line of a row that is not at its end."""
        self.records.line(self.line_of(hold, row))

    def line_of(self, hold: Hold, row: OutboxRow) -> TranscriptRow:
        """Return the transcript's line of a row.

        Where a platform may say later that the service window was shut, the line keeps what is sent then.
        """
        text = row.words or words_of(row.call)
        may_come_back = self._channel(hold).capabilities.window is not None and row.went != "template"
        kept = row.state in {SendState.HELD, SendState.FAILED, SendState.UNDELIVERABLE} or may_come_back
        assert hold.conversation is not None  # noqa: S101  rows exist only where a turn was committed
        return TranscriptRow(
            id=row.id,
            conversation_id=hold.id,
            desk=hold.conversation.desk,
            direction="out",
            seq=row.seq,
            at=row.started_at or row.created_at,
            text=text,
            body={"from": "bot", "text": text, **_choices(row)},
            event_id=row.event_id,
            state=str(row.state),
            provider_id=row.provider_id,
            reason=row.reason,
            call=row.call if kept else None,
            reply_kind=row.call.kind,
            approved=row.approved if kept else None,
            first=row.first,
            went=row.went,
            replanned=row.replanned or None,
        )


def _is_lost(row: OutboxRow) -> bool:
    return trouble_of(row.state, row.reason) == "undelivered"


def _choices(row: OutboxRow) -> dict[str, object]:
    choices = row.call.params.get("choices")
    return {"choices": choices} if choices else {}
