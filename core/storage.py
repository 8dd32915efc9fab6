"""What the hub asks of a store. Two implementations keep the same promises: MongoDB, and memory for tests and trials.

Every write is durable when it returns (MongoDB: majority, journaled), idempotent, and guarded: the inbox by its unique
keys, a row's state by the states it may come from, a conversation by its lease's fence and its document's revision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from core.conversation import Conversation, Trace
from core.correspondents import Correspondent
from core.feedback import Reaction
from core.ids import ConversationId
from core.inbox import InboxMark, InboxRow, InboxState, OpenRow
from core.installations import Installation
from core.media import FileRef, MediaFile, MediaNote
from core.model import AwareDatetime, Json, Model
from core.outbox import OutboxRow
from core.replies import ApiCall, ReplyKind
from core.window import Went

DELIVERY_RANK = {"queued": 0, "waiting": 0, "sending": 1, "unknown": 1, "held": 1, "sent": 2, "delivered": 3, "read": 4}
"""A delivery state only rises; anything else (failed, cancelled) is an end and ranks above all."""
END_RANK = 9
SETTLED = frozenset({"delivered", "read"})
"""What nobody sends again: its call is not kept any longer."""
EARLY_STATUS_KEPT = timedelta(minutes=10)
"""How long a delivery status waits for its line: it may be faster than what writes down the send (FAULTS F056)."""


def delivery_rank(state: str) -> int:
    """Return how far a delivery state is along.

    >>> delivery_rank("delivered") > delivery_rank("sent")
    True
    """
    return DELIVERY_RANK.get(state, END_RANK)


LineKind = Literal["message", "edited", "deleted", "reachability", "membership", "moved"]
"""What a line of the transcript is: something said, or something that was done to it."""


class Version(Model):
    """What a message said before it was edited."""

    text: str
    until: AwareDatetime


Trouble = Literal["waiting", "undelivered"]


def trouble_of(state: str, reason: str | None) -> Trouble | None:
    """Say what people must see of a message: it waits for its person, or its person never got it.

    >>> trouble_of("waiting", None), trouble_of("failed", "63016"), trouble_of("cancelled", "too_old")
    ('waiting', 'undelivered', 'undelivered')
    """
    if state == "waiting":
        return "waiting"
    is_lost = state in {"failed", "undeliverable"} or (state, reason) == ("cancelled", "too_old")
    return "undelivered" if is_lost else None


class TranscriptRow(Model):
    """One line of the transcript, either direction."""

    id: str
    """The event id, or the out id."""
    conversation_id: ConversationId
    desk: str
    direction: Literal["in", "out"]
    seq: int
    at: AwareDatetime
    text: str
    body: dict[str, Json]
    """What a web client is given."""
    event_id: str
    files: tuple[FileRef, ...] = ()
    """What was attached."""
    trace: Trace | None = None
    state: str | None = None
    provider_id: str | None = None
    """The platform's id of the message, whoever wrote it."""
    reason: str | None = None
    call: ApiCall | None = None
    """Kept while it may be sent again: by a person, or because its platform may say later that the window was shut."""
    reply_kind: ReplyKind | None = None
    approved: ApiCall | None = None
    first: str | None = None
    went: Went | None = None
    replanned: bool | None = None
    """As in its row of the outbox."""
    kind: LineKind = "message"
    about: str | None = None
    """The platform's id of the message that was changed."""
    before: str | None = None
    """What that said until then."""
    raw_ref: str | None = None
    """The inbox row that a line of a person came from."""
    in_reply_to: str | None = None
    """The platform's id of what a message replies to."""
    quoted: str | None = None
    """What that says, where the person picked it out."""
    late: bool = False
    """What was written after it had its turn before it."""
    versions: tuple[Version, ...] = ()
    """Of an edited message; oldest first."""
    edited_at: AwareDatetime | None = None
    deleted_at: AwareDatetime | None = None
    reactions: tuple[Reaction, ...] = ()
    changed_seq: int = 0
    """`seq` of the last change that is in here; an earlier one has nothing more to say."""

    def after(self, change: "TranscriptRow") -> "TranscriptRow":
        """Return the line as a change leaves it. Of a deleted message the fact stays; words go, those of edits too."""
        if (
            change.kind not in {"edited", "deleted"}
            or self.direction == "out"
            or change.conversation_id != self.conversation_id
        ):
            return self
        if self.kind == "edited":
            is_gone = change.kind == "deleted" and change.about == self.about
            return self._without_words(change.seq) if is_gone else self
        if change.kind == "deleted" and change.about == self.in_reply_to:
            return self.model_copy(update={"quoted": None})
        if self.kind != "message" or change.about != self.provider_id or change.seq <= self.changed_seq:
            return self
        if change.kind == "deleted":
            return self._without_words(change.seq).model_copy(update={"deleted_at": change.at})
        version = Version(text=self.text, until=change.at)
        edited = {"text": change.text, "edited_at": change.at, "changed_seq": change.seq}
        return self.model_copy(update={**edited, "versions": (*self.versions, version)})

    def _without_words(self, seq: int) -> "TranscriptRow":
        trace = self.trace and self.trace.model_copy(update={"entities": {}})
        none: dict[str, object] = {"text": "", "quoted": None, "before": None, "body": {}, "versions": (), "files": ()}
        return self.model_copy(update={**none, "trace": trace, "changed_seq": seq})


@dataclass(frozen=True, slots=True)
class Leased:
    """A conversation as its new owner finds it. `conversation` is None when nothing was ever committed."""

    id: ConversationId
    fence: int
    rev: int
    conversation: Conversation | None
    out: tuple[OutboxRow, ...]
    said: tuple[TranscriptRow, ...] = ()
    """Lines of people that may not stand in the transcript yet."""


@dataclass(frozen=True, slots=True)
class Save:
    """A compare-and-set of one conversation document: applies only under this fence and on this revision."""

    conversation: Conversation
    out: tuple[OutboxRow, ...]
    fence: int
    rev: int
    wake_at: datetime | None
    """When the outbox wants attention next; None when it is empty of open rows."""
    said: tuple[TranscriptRow, ...] = ()
    release: bool = False
    """Give the lease back with the same write."""
    at: datetime | None = None
    """When somebody last did something in it."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lease by its name: who may renew or release what."""

    id: ConversationId
    fence: int | None
    """None: whichever it is; its holder did not hear the answer."""
    is_empty: bool = False
    """Nothing was committed under this lease or before it."""


@dataclass(frozen=True, slots=True)
class Member:
    """A living process of the hub."""

    name: str
    role: str
    node: str | None = None
    """Kept over restarts: another process of the same node was this one's life before."""


class DeadLetter(Model):
    """An accepted payload that no run could finish. Its raw bytes stay in the inbox row of the same id."""

    id: str
    channel: str
    account: str
    conversation_id: ConversationId | None = None
    error: str
    """Class of the error."""
    detail: str
    """Where it was raised: file, line and function names, without values."""
    attempts: int
    died_at: AwareDatetime


class Store(Protocol):
    """Everything that must survive a crash. Every method raises `StoreUnavailable` when nobody answers."""

    async def prepare(self) -> None:
        """Create what the store needs (indexes); doing so again changes nothing."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...

    async def insert_inbox(self, rows: Sequence[InboxRow]) -> list[bool]:
        """Insert rows in one group; True for a new one, False where one of its keys is known."""
        ...

    async def mark_inbox(self, marks: Sequence[InboxMark]) -> None:
        """Move rows on; a row that is not in a state it may come from is left alone."""
        ...

    async def open_inbox(self, before: datetime, skip: int, limit: int) -> list[OpenRow]:
        """Return rows that are RECEIVED or READY and came before a time, oldest first, without their bytes."""
        ...

    async def load_inbox(self, ids: Sequence[str]) -> list[InboxRow]:
        """Return rows with their bytes, oldest first."""
        ...

    async def find_inbox(self, row_id: str) -> InboxRow | None:
        """Return one row with its raw bytes."""
        ...

    async def quarantined(self, limit: int) -> list[InboxRow]:
        """Return payloads that could not be read, newest first."""
        ...

    async def unread_of(self, channel: str, account: str, limit: int) -> list[str]:
        """Return the names of rows of an account of which nobody knows the conversation yet, oldest first."""
        ...

    async def open_of(self, ids: Sequence[ConversationId]) -> list[InboxRow]:
        """Return the open rows of conversations, with their bytes."""
        ...

    async def acquire(
        self, ids: Sequence[ConversationId], worker: str, lease_s: float, node: str | None = None
    ) -> list[Leased]:
        """Lease conversations that nobody holds, and load them; what is held already, even by us, is left out.

        What another process of the same `node` holds counts as free: it was our own life before a restart.
        """
        ...

    async def renew(self, held: Sequence[Held], worker: str, lease_s: float) -> set[ConversationId]:
        """Prolong leases; returns the conversations that are still ours."""
        ...

    async def release(self, held: Sequence[Held], worker: str) -> None:
        """Give leases back before their time; an empty conversation goes with its lease."""
        ...

    async def release_all(self) -> None:
        """End every lease and every membership; only where no other process can be using this store."""
        ...

    async def save(self, saves: Sequence[Save]) -> list[bool]:
        """Write conversation documents in one group; False where the fence or the revision has moved on."""
        ...

    async def waking(self, now: datetime, limit: int) -> list[ConversationId]:
        """Return conversations whose outbox wants attention now."""
        ...

    async def active(self, account: str, since: datetime, limit: int) -> list[tuple[ConversationId, datetime]]:
        """Return conversations of an account (`channel:account`) with something done since then, latest first."""
        ...

    async def beat(self, member: Member, alive_s: float, *, spools: bool = False) -> list[Member]:
        """Say that a process lives; returns all that said so within `alive_s`, by the database's clock.

        It also says whether it `spools`: has accepted payloads that are not in the database yet.
        """
        ...

    async def note_spool(self, name: str, *, spools: bool) -> None:
        """Say at once, between two beats, whether a process has accepted payloads that are not in the database yet."""
        ...

    async def spooling(self, alive_s: float, late_s: float | None = None) -> list[str]:
        """Return the living processes that have said they have such payloads.

        With `late_s` also those that accept payloads and have said nothing for so long.
        """
        ...

    async def leave(self, name: str) -> None:
        """Say that a process ends."""
        ...

    async def first_due(self) -> datetime | None:
        """Return since when the longest waiting outbox wants attention; None when none does."""
        ...

    async def load(self, conversation_id: ConversationId) -> Leased | None:
        """Read a conversation without leasing it."""
        ...

    async def record(self, rows: Sequence[TranscriptRow]) -> None:
        """Write transcript lines; writing one again changes nothing but its delivery state, which only rises.

        A line that tells of an edit or a deletion also changes what it is about, as `TranscriptRow.after` says.
        A delivery state that came before its line is the line's from the start.
        """
        ...

    async def deliver(
        self, conversation_id: str, out_id: str, seq: int, body: Mapping[str, Json], at: datetime
    ) -> None:
        """Keep one message for a web client; the same `out_id` again changes nothing."""
        ...

    async def bodies(self, conversation_id: str, after: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Return what a web client is shown: sequence numbers greater than `after` and bodies, in order."""
        ...

    async def note_delivery(
        self, conversation_id: str, line_id: str | None, provider_id: str, state: str, reason: str | None
    ) -> None:
        """Raise the delivery state of one line, found by our id or by the platform's.

        That of a line which is not there is kept for `EARLY_STATUS_KEPT`, in case that it comes.
        """
        ...

    async def find_line(self, conversation_id: ConversationId, provider_id: str) -> TranscriptRow | None:
        """Return the line of a message by the platform's id of it."""
        ...

    async def find_line_within(self, beginning: str, provider_id: str) -> TranscriptRow | None:
        """Return the line of a message in some conversation whose name begins so; `beginning` ends with a colon."""
        ...

    async def react(self, line: TranscriptRow) -> None:
        """Write the reactions of a line that was found."""
        ...

    async def forget_raw(self, row_id: str) -> None:
        """Empty the raw bytes that an inbox row came in, in every row they were split into, once their turn is over."""
        ...

    async def transcript(self, conversation_id: ConversationId, after: int, limit: int) -> list[TranscriptRow]:
        """Return lines of a conversation with a greater `seq`, in order."""
        ...

    async def delivered(self, conversation_id: str, line_ids: Sequence[str]) -> dict[str, str]:
        """Return which of these sends the transcript has as sent, with the platform's id."""
        ...

    async def line(self, conversation_id: str, line_id: str | None, provider_id: str) -> TranscriptRow | None:
        """Return one line, by our id or by the platform's."""
        ...

    async def troubled_lines(self, trouble: Trouble, limit: int) -> list[TranscriptRow]:
        """Return messages that wait, or that nobody got (`trouble_of`), newest first."""
        ...

    async def held_lines(self, limit: int) -> list[TranscriptRow]:
        """Return sends in doubt that wait for a person, oldest first."""
        ...

    async def find_correspondent(self, name: str) -> Correspondent | None:
        """Return what is known of an address."""
        ...

    async def save_correspondent(self, changed: Correspondent, at: datetime) -> bool:
        """Write a record that was read or begun; False where somebody else has written it since.

        What is not written again is forgotten after `CORRESPONDENTS_KEPT`.
        """
        ...

    async def find_installation(self, name: str) -> Installation | None:
        """Return one installation, dead or alive."""
        ...

    async def save_installation(self, changed: Installation) -> bool:
        """Write a record that was read or begun; False where somebody else has written it since."""
        ...

    async def installations_of(self, account: str) -> list[Installation]:
        """Return all installations of an account (`channel:account`), by id."""
        ...

    async def use_once(self, name: str, until: datetime) -> bool:
        """Use something up; False where it was used before. What is past `until` may be forgotten."""
        ...

    async def keep_media(self, file: MediaFile) -> None:
        """Keep a file; one that is kept already is kept for as long as either wants."""
        ...

    async def find_media(self, sha256: str) -> MediaFile | None:
        """Return a file that is kept."""
        ...

    async def note_media(self, note: MediaNote) -> None:
        """Write what became of an attachment, over what was written before."""
        ...

    async def media_notes(self, names: Sequence[str]) -> list[MediaNote]:
        """Return what is known of attachments, in no order."""
        ...

    async def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter; doing so again changes nothing."""
        ...

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Return dead letters, newest first."""
        ...

    async def find_dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one dead letter."""
        ...

    async def revive(self, row_id: str, state: InboxState) -> bool:
        """Replay (READY, RECEIVED) or discard (IGNORED) a dead or quarantined row; False when it is neither."""
        ...

    async def counts(self) -> dict[str, int]:
        """Return how many inbox rows are in each state that people look at, how many sends are held, how many wait."""
        ...

    async def ping(self) -> None:
        """Raise `StoreUnavailable` unless the database answers."""
        ...
