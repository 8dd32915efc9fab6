"""The store in memory, for tests and for `frontdesk chat` and `replay`: every promise except surviving the process."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.clock import Clock
from core.conversation import Conversation
from core.correspondents import CORRESPONDENTS_KEPT, Correspondent
from core.ids import ConversationId
from core.inbox import ENDED_STATES, OPEN_STATES, InboxMark, InboxRow, InboxState, OpenRow, sources_of
from core.installations import Installation
from core.media import MediaFile, MediaNote
from core.outbox import OutboxRow
from core.storage import (
    EARLY_STATUS_KEPT,
    END_RANK,
    SETTLED,
    DeadLetter,
    Held,
    Leased,
    Member,
    Save,
    TranscriptRow,
    Trouble,
    delivery_rank,
    trouble_of,
)
from core.store.documents import CHANGED_LATER, mark_fields


@dataclass
class _Conversation:
    worker: str | None = None
    lease_until: float = float("-inf")
    fence: int = 0
    rev: int = 0
    conversation: Conversation | None = None
    out: tuple[OutboxRow, ...] = ()
    wake_at: datetime | None = None
    said: tuple[TranscriptRow, ...] = ()
    node: str | None = None
    touched_at: datetime | None = None


@dataclass
class _Line:
    conversation_id: str
    seq: int
    body: dict[str, Any]
    row: TranscriptRow | None = None


@dataclass(frozen=True)
class _Status:
    """A delivery status whose line is not there yet."""

    at: float
    state: str
    provider_id: str
    reason: str | None


@dataclass
class MemoryStore:
    """Satisfies `core.storage.Store`."""

    clock: Clock
    _inbox: dict[str, InboxRow] = field(default_factory=dict)
    _conversations: dict[ConversationId, _Conversation] = field(default_factory=dict)
    _lines: dict[str, _Line] = field(default_factory=dict)
    _early: dict[tuple[str, str], _Status] = field(default_factory=dict)
    """By conversation, and id of the line or of the platform."""
    _letters: dict[str, DeadLetter] = field(default_factory=dict)
    _correspondents: dict[str, tuple[Correspondent, datetime]] = field(default_factory=dict)
    _installations: dict[str, Installation] = field(default_factory=dict)
    _used: dict[str, datetime] = field(default_factory=dict)
    _media: dict[str, MediaFile] = field(default_factory=dict)
    _media_notes: dict[str, MediaNote] = field(default_factory=dict)
    _members: dict[str, tuple[Member, float]] = field(default_factory=dict)
    _spooling: set[str] = field(default_factory=set)
    _fences: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def prepare(self) -> None:
        """Have nothing to prepare."""

    def close(self) -> None:
        """Have nothing to close."""

    async def ping(self) -> None:
        """Answer."""

    async def insert_inbox(self, rows: Sequence[InboxRow]) -> list[bool]:
        """Insert rows in one group; True for a new one, False where one of its keys is known."""
        return [self._insert(row) for row in rows]

    def _insert(self, row: InboxRow) -> bool:
        if row.id in self._inbox:
            return False
        self._inbox[row.id] = row
        return True

    async def mark_inbox(self, marks: Sequence[InboxMark]) -> None:
        """Move rows on; a row that is not in a state it may come from is left alone."""
        for mark in marks:
            row = self._inbox.get(mark.id)
            if row is not None and str(row.state) in sources_of(mark.state):
                self._inbox[mark.id] = row.model_copy(update=mark_fields(mark) | {"state": mark.state})

    async def open_inbox(self, before: datetime, skip: int, limit: int) -> list[OpenRow]:
        """Return rows that are RECEIVED or READY and came before a time, oldest first, without their bytes."""
        found = [row for row in self._inbox.values() if row.state in OPEN_STATES and row.received_at <= before]
        found.sort(key=lambda row: row.received_at)
        fields = set(OpenRow.model_fields)
        return [OpenRow.model_validate(row.model_dump(include=fields)) for row in found[skip : skip + limit]]

    async def load_inbox(self, ids: Sequence[str]) -> list[InboxRow]:
        """Return rows with their bytes, oldest first."""
        return sorted((self._inbox[name] for name in ids if name in self._inbox), key=lambda row: row.received_at)

    async def find_inbox(self, row_id: str) -> InboxRow | None:
        """Return one row with its raw bytes."""
        return self._inbox.get(row_id)

    async def quarantined(self, limit: int) -> list[InboxRow]:
        """Return payloads that could not be read, newest first."""
        rows = [row for row in self._inbox.values() if row.state is InboxState.QUARANTINED]
        return sorted(rows, key=lambda row: row.received_at, reverse=True)[:limit]

    async def revive(self, row_id: str, state: InboxState) -> bool:
        """Replay (READY, RECEIVED) or discard (IGNORED) a dead or quarantined row; False when it is neither."""
        row = self._inbox.get(row_id)
        if row is None or row.state not in {InboxState.DEAD, InboxState.QUARANTINED}:
            return False
        if str(row.state) not in sources_of(state):
            return False
        fresh = {"state": state, "attempts": 0, "crashes": 0, "not_before": None, "reason": None, "replayed": True}
        self._inbox[row_id] = row.model_copy(update=fresh)
        self._letters.pop(row_id, None)
        return True

    async def unread_of(self, channel: str, account: str, limit: int) -> list[str]:
        """Return the names of rows of an account of which nobody knows the conversation yet, oldest first."""
        rows = [
            row
            for row in self._inbox.values()
            if row.state in OPEN_STATES and row.conversation_id is None
            if (row.channel, row.account) == (channel, account)
        ]
        return [row.id for row in sorted(rows, key=lambda row: row.sort_key)[:limit]]

    async def open_of(self, ids: Sequence[ConversationId]) -> list[InboxRow]:
        """Return the open rows of conversations, with their bytes."""
        return [row for row in self._inbox.values() if row.conversation_id in ids and row.state in OPEN_STATES]

    async def acquire(
        self, ids: Sequence[ConversationId], worker: str, lease_s: float, node: str | None = None
    ) -> list[Leased]:
        """Lease conversations that nobody holds, and load them; what is held already, even by us, is left out."""
        now = self.clock.monotonic()
        leased: list[Leased] = []
        for name in ids:
            entry = self._conversations.setdefault(name, _Conversation())
            is_ours = node is not None and entry.node == node and entry.worker not in {None, worker}
            if entry.lease_until < now or is_ours:
                entry.worker, entry.lease_until, entry.fence = worker, now + lease_s, next(self._fences)
                entry.node = node
                found = (entry.fence, entry.rev, entry.conversation, entry.out, entry.said)
                leased.append(Leased(name, *found))
        return leased

    async def renew(self, held: Sequence[Held], worker: str, lease_s: float) -> set[ConversationId]:
        """Prolong leases; returns the conversations that are still ours."""
        until = self.clock.monotonic() + lease_s
        ours = {lease.id for lease in held if self._is_held(lease, worker)}
        for name in ours:
            self._conversations[name].lease_until = until
        return ours

    async def release(self, held: Sequence[Held], worker: str) -> None:
        """Give leases back before their time; an empty conversation goes with its lease."""
        for lease in held:
            if not self._is_held(lease, worker):
                continue
            entry = self._conversations[lease.id]
            entry.worker, entry.lease_until = None, float("-inf")
            if lease.is_empty and not entry.rev:
                del self._conversations[lease.id]

    async def release_all(self) -> None:
        """End every lease and every membership."""
        self._members.clear()
        for entry in self._conversations.values():
            entry.lease_until = float("-inf")

    def _is_held(self, lease: Held, worker: str) -> bool:
        entry = self._conversations.get(lease.id)
        return entry is not None and entry.worker == worker and lease.fence in {None, entry.fence}

    async def save(self, saves: Sequence[Save]) -> list[bool]:
        """Write conversation documents in one group; False where the fence or the revision has moved on."""
        return [self._save(save) for save in saves]

    def _save(self, save: Save) -> bool:
        entry = self._conversations.get(save.conversation.id)
        if entry is None or entry.fence != save.fence:
            return False
        if entry.rev != save.rev:
            return entry.rev == save.rev + 1  # one holder writes under a fence: this is a write that had applied
        entry.conversation, entry.out, entry.wake_at = save.conversation, save.out, save.wake_at
        entry.said, entry.touched_at = save.said, save.at
        entry.rev += 1
        if save.release:
            entry.worker, entry.lease_until = None, float("-inf")
        return True

    async def waking(self, now: datetime, limit: int) -> list[ConversationId]:
        """Return conversations whose outbox wants attention now."""
        due = [name for name, entry in self._conversations.items() if entry.wake_at and entry.wake_at <= now]
        return due[:limit]

    async def active(self, account: str, since: datetime, limit: int) -> list[tuple[ConversationId, datetime]]:
        """Return conversations of an account (`channel:account`) with something done since then, latest first."""
        found = [
            (name, entry.touched_at)
            for name, entry in self._conversations.items()
            if name.startswith(f"{account}:") and entry.touched_at is not None and entry.touched_at >= since
        ]
        return sorted(found, key=lambda one: one[1], reverse=True)[:limit]

    async def beat(self, member: Member, alive_s: float, *, spools: bool = False) -> list[Member]:
        """Say that a process lives; returns all that said so within `alive_s`."""
        now = self.clock.monotonic()
        before = [name for name, (other, _) in self._members.items() if member.node and other.node == member.node]
        for name in before:
            del self._members[name]
        self._members[member.name] = (member, now)
        await self.note_spool(member.name, spools=spools)
        return [other for other, at in self._members.values() if at > now - alive_s]

    async def leave(self, name: str) -> None:
        """Say that a process ends."""
        self._members.pop(name, None)
        self._spooling.discard(name)

    async def note_spool(self, name: str, *, spools: bool) -> None:
        """Say whether a process has accepted payloads that are not in the database yet."""
        if spools:
            self._spooling.add(name)
        else:
            self._spooling.discard(name)

    async def spooling(self, alive_s: float, late_s: float | None = None) -> list[str]:
        """Return the living processes that have said they have such payloads, or are late to say anything."""
        now = self.clock.monotonic()
        late = now - late_s if late_s is not None else float("-inf")
        living = {name: (member, at) for name, (member, at) in self._members.items() if at > now - alive_s}
        return sorted(
            name
            for name, (member, at) in living.items()
            if name in self._spooling or (member.role != "worker" and at <= late)
        )

    async def first_due(self) -> datetime | None:
        """Return since when the longest waiting outbox wants attention; None when none does."""
        return min((entry.wake_at for entry in self._conversations.values() if entry.wake_at), default=None)

    async def load(self, conversation_id: ConversationId) -> Leased | None:
        """Read a conversation without leasing it."""
        entry = self._conversations.get(conversation_id)
        if entry is None:
            return None
        return Leased(conversation_id, entry.fence, entry.rev, entry.conversation, entry.out, entry.said)

    async def record(self, rows: Sequence[TranscriptRow]) -> None:
        """Write transcript lines; writing one again changes nothing but its delivery state, which only rises."""
        for row in rows:
            known = self._lines.get(row.id)
            if known is None or known.row is None or _rank(known.row) <= _rank(row):
                body = dict(row.body) if known is None else known.body
                self._lines[row.id] = _Line(row.conversation_id, row.seq, body, _again(row, known))
            self._catch_up(row)
            for line in self._lines.values() if row.about is not None else ():
                if line.row is not None and (changed := line.row.after(row)) is not line.row:
                    line.row, line.body = changed, dict(changed.body)

    def _catch_up(self, row: TranscriptRow) -> None:
        """Raise a line to what came before it."""
        self._forget_early()
        for name in (row.id, row.provider_id):
            status = self._early.get((row.conversation_id, name or ""))
            if status is not None:
                self._raise(self._lines[row.id], status)

    def _forget_early(self) -> None:
        oldest = self.clock.monotonic() - EARLY_STATUS_KEPT.total_seconds()
        self._early = {key: status for key, status in self._early.items() if status.at > oldest}

    @staticmethod
    def _raise(line: _Line, status: _Status) -> None:
        if line.row is not None and _rank(line.row) < delivery_rank(status.state):
            change = {"state": status.state, "provider_id": status.provider_id, "reason": status.reason}
            if status.state in SETTLED:
                change |= {"call": None, "approved": None}
            line.row = line.row.model_copy(update=change)

    async def deliver(self, conversation_id: str, out_id: str, seq: int, body: Mapping[str, Any], at: datetime) -> None:
        """Keep one message for a web client; the same `out_id` again changes nothing."""
        del at  # the transcript row that follows carries it
        self._lines.setdefault(out_id, _Line(conversation_id, seq, dict(body)))

    async def bodies(self, conversation_id: str, after: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Return what a web client is shown: sequence numbers and bodies in order."""
        found = [(line.seq, line.body) for line in self._of(conversation_id, after)]
        return found[:limit]

    def _of(self, conversation_id: str, after: int) -> list[_Line]:
        lines = [line for line in self._lines.values() if line.conversation_id == conversation_id and line.seq > after]
        return sorted(lines, key=lambda line: line.seq)

    async def note_delivery(
        self, conversation_id: str, line_id: str | None, provider_id: str, state: str, reason: str | None
    ) -> None:
        """Raise the delivery state of one line, found by our id or by the platform's."""
        status = _Status(self.clock.monotonic(), state, provider_id, reason)
        lines = [line for line in self._lines.values() if line.row and line.conversation_id == conversation_id]
        named = [line for line in lines if line.row and _is_named(line.row, line_id, provider_id)]
        for line in named:
            self._raise(line, status)
        if named:
            return
        self._forget_early()
        key = (conversation_id, line_id or provider_id)
        kept = self._early.get(key)
        if kept is None or delivery_rank(kept.state) < delivery_rank(state):
            self._early[key] = status

    async def find_line(self, conversation_id: ConversationId, provider_id: str) -> TranscriptRow | None:
        """Return the line of a message by the platform's id of it."""
        lines = (line.row for line in self._lines.values() if line.conversation_id == conversation_id)
        return next((row for row in lines if row and row.kind == "message" and row.provider_id == provider_id), None)

    async def find_line_within(self, beginning: str, provider_id: str) -> TranscriptRow | None:
        """Return the line of a message in some conversation whose name begins so."""
        lines = (line.row for line in self._lines.values() if line.conversation_id.startswith(beginning))
        return next((row for row in lines if row and row.kind == "message" and row.provider_id == provider_id), None)

    async def react(self, line: TranscriptRow) -> None:
        """Write the reactions of a line that was found."""
        known = self._lines[line.id].row
        if known is not None:
            self._lines[line.id].row = known.model_copy(update={"reactions": line.reactions})

    async def forget_raw(self, row_id: str) -> None:
        """Empty the raw bytes that an inbox row came in, in every row they were split into, once their turn is over."""
        whole = row_id.partition("#")[0]
        for name, row in self._inbox.items():
            if name.partition("#")[0] == whole and row.state in ENDED_STATES:
                self._inbox[name] = row.model_copy(update={"body": b"", "headers": {}})

    async def transcript(self, conversation_id: ConversationId, after: int, limit: int) -> list[TranscriptRow]:
        """Return lines of a conversation with a greater `seq`, in order."""
        return [line.row for line in self._of(conversation_id, after) if line.row is not None][:limit]

    async def delivered(self, conversation_id: str, line_ids: Sequence[str]) -> dict[str, str]:
        """Return which of these sends the transcript has as sent, with the platform's id."""
        del conversation_id  # the ids are enough where nothing is spread over shards
        sent = delivery_rank("sent")
        found = {name: line.row for name in line_ids if (line := self._lines.get(name)) is not None}
        return {
            name: (row.provider_id or "") if row is not None else ""
            for name, row in found.items()
            if row is None or sent <= _rank(row) < END_RANK
        }

    async def line(self, conversation_id: str, line_id: str | None, provider_id: str) -> TranscriptRow | None:
        """Return one line, by our id or by the platform's."""
        rows = [line.row for line in self._of(conversation_id, -1) if line.row is not None]
        return next((row for row in rows if _is_named(row, line_id, provider_id)), None)

    async def troubled_lines(self, trouble: Trouble, limit: int) -> list[TranscriptRow]:
        """Return messages that wait, or that nobody got, newest first."""
        rows = [line.row for line in self._lines.values() if line.row is not None and line.row.direction == "out"]
        found = [row for row in rows if trouble_of(row.state or "sent", row.reason) == trouble]
        return sorted(found, key=lambda row: row.at, reverse=True)[:limit]

    async def held_lines(self, limit: int) -> list[TranscriptRow]:
        """Return sends in doubt that wait for a person, oldest first."""
        rows = [line.row for line in self._lines.values() if line.row is not None and line.row.state == "held"]
        return sorted(rows, key=lambda row: row.at)[:limit]

    async def find_correspondent(self, name: str) -> Correspondent | None:
        """Return what is known of an address."""
        found = self._correspondents.get(name)
        return None if found is None else found[0]

    async def save_correspondent(self, changed: Correspondent, at: datetime) -> bool:
        """Write a record that was read or begun; False where somebody else has written it since."""
        kept = self._correspondents
        self._correspondents = {name: entry for name, entry in kept.items() if at - entry[1] < CORRESPONDENTS_KEPT}
        known = self._correspondents.get(changed.id)
        if changed.rev != (known[0].rev if known is not None else 0):
            return False
        self._correspondents[changed.id] = (changed.model_copy(update={"rev": changed.rev + 1}), at)
        return True

    async def find_installation(self, name: str) -> Installation | None:
        """Return one installation, dead or alive."""
        return self._installations.get(name)

    async def save_installation(self, changed: Installation) -> bool:
        """Write a record that was read or begun; False where somebody else has written it since."""
        known = self._installations.get(changed.id)
        if changed.rev != (known.rev if known is not None else 0):
            return False
        self._installations[changed.id] = changed.model_copy(update={"rev": changed.rev + 1})
        return True

    async def installations_of(self, account: str) -> list[Installation]:
        """Return all installations of an account (`channel:account`), by id."""
        found = (one for one in self._installations.values() if one.account == account)
        return sorted(found, key=lambda one: one.id)

    async def use_once(self, name: str, until: datetime) -> bool:
        """Use something up; False where it was used before. What is past `until` may be forgotten."""
        now = self.clock.now()
        self._used = {other: end for other, end in self._used.items() if end > now}
        if name in self._used:
            return False
        self._used[name] = until
        return True

    async def keep_media(self, file: MediaFile) -> None:
        """Keep a file; one that is kept already is kept for as long as either wants."""
        known = self._media.get(file.sha256, file)
        self._media[file.sha256] = file.model_copy(update={"until": max(known.until, file.until)})

    async def find_media(self, sha256: str) -> MediaFile | None:
        """Return a file that is kept."""
        return self._media.get(sha256)

    async def note_media(self, note: MediaNote) -> None:
        """Write what became of an attachment, over what was written before."""
        self._media_notes[note.id] = note

    async def media_notes(self, names: Sequence[str]) -> list[MediaNote]:
        """Return what is known of attachments, in no order."""
        return [self._media_notes[name] for name in names if name in self._media_notes]

    async def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter; doing so again changes nothing."""
        self._letters.setdefault(letter.id, letter)

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Return dead letters, newest first."""
        return sorted(self._letters.values(), key=lambda letter: letter.died_at, reverse=True)[:limit]

    async def find_dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one dead letter."""
        return self._letters.get(letter_id)

    async def counts(self) -> dict[str, int]:
        """Return how many inbox rows are in each state that people look at, how many sends are held, how many wait."""
        watched = (*OPEN_STATES, InboxState.QUARANTINED, InboxState.DEAD)
        numbers = {str(state): sum(row.state is state for row in self._inbox.values()) for state in watched}
        most = len(self._lines)
        waiting = await self.troubled_lines("waiting", most)
        return numbers | {"held": len(await self.held_lines(most)), "waiting": len(waiting)}


def _again(row: TranscriptRow, known: _Line | None) -> TranscriptRow:
    """Return a line that is written again: its changes since then stay."""
    if known is None or known.row is None:
        return row
    if not known.row.changed_seq:
        return row.model_copy(update={"reactions": known.row.reactions})
    kept = ("text", "quoted", "body", "trace", "before", *CHANGED_LATER)
    return row.model_copy(update={name: getattr(known.row, name) for name in kept})


def _is_named(row: TranscriptRow, line_id: str | None, provider_id: str) -> bool:
    return row.id == line_id if line_id else row.provider_id == provider_id


def _rank(row: TranscriptRow) -> int:
    return delivery_rank(row.state or "sent")
