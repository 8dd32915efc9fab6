"""Models to MongoDB documents and back. Pure; the shapes of the collections stand here and nowhere else."""

from datetime import datetime, timedelta
from typing import Any

from core.conversation import Conversation
from core.correspondents import Correspondent
from core.ids import ConversationId
from core.inbox import InboxMark, InboxRow
from core.installations import Installation
from core.media import MediaFile, MediaNote
from core.outbox import OutboxRow, SendState
from core.storage import DeadLetter, Leased, Save, TranscriptRow, delivery_rank, trouble_of

Document = dict[str, Any]

CONVERSATION_FIELDS = frozenset(Conversation.model_fields) - {"id"}


def _without_none(document: Document) -> Document:
    return {key: value for key, value in document.items() if value is not None}


def inbox_document(row: InboxRow) -> Document:
    """Write an inbox row; absent fields are left out so that sparse indexes stay sparse."""
    document = _without_none(row.model_dump())
    document["_id"] = document.pop("id")
    document["state"] = str(row.state)
    return document


def inbox_row(document: Document) -> InboxRow:
    """Read an inbox row."""
    fields = {key: value for key, value in document.items() if key in InboxRow.model_fields}
    return InboxRow.model_validate(fields | {"id": document["_id"], "body": bytes(document["body"])})


def mark_fields(mark: InboxMark) -> Document:
    """Return what a mark sets on its row."""
    forgotten: Document = {"body": b"", "headers": {}} if mark.forget else {}
    return _without_none(mark.model_dump(exclude={"id", "home", "forget"})) | {"state": str(mark.state)} | forgotten


def conversation_fields(save: Save) -> Document:
    """Return what a save sets on its conversation document."""
    return save.conversation.model_dump(mode="python", exclude={"id"}) | {
        "out": [row.model_dump(mode="python") | {"state": str(row.state)} for row in save.out],
        "said": [line.model_dump(mode="python") for line in save.said],
        "rev": save.rev + 1,
        "wake_at": save.wake_at,
        "touched_at": save.at,
    }


def leased(document: Document) -> Leased:
    """Read a conversation document, committed or only just leased."""
    name = ConversationId(document["_id"])
    conversation = None
    if "desk" in document:
        fields = {key: document[key] for key in CONVERSATION_FIELDS if key in document}
        conversation = Conversation.model_validate(fields | {"id": name})
    return Leased(
        id=name,
        fence=document["fence"],
        rev=document.get("rev", 0),
        conversation=conversation,
        out=tuple(OutboxRow.model_validate(row) for row in document.get("out", ())),
        said=tuple(TranscriptRow.model_validate(line) for line in document.get("said", ())),
    )


def transcript_document(row: TranscriptRow) -> Document:
    """Write a transcript line, without its delivery state, its changes, and what a web client may have been given."""
    apart = {"id", "body", "state", "provider_id", "reason", *CHANGED_LATER}
    document = _without_none(row.model_dump(mode="python", exclude=apart))
    usual: Document = {"kind": "message", "late": False, "files": ()}
    return {key: value for key, value in document.items() if key not in usual or value != usual[key]}


CHANGED_LATER = frozenset({"versions", "edited_at", "deleted_at", "reactions", "changed_seq"})
"""What a line does not have when it is written: a line without them was never changed."""


def changes_of(row: TranscriptRow) -> Document:
    """Return what was changed of a line since it was said."""
    return row.model_dump(mode="python", include=set(CHANGED_LATER), exclude_defaults=True)


def new_line(row: TranscriptRow) -> Document:
    """Write a whole transcript line."""
    marks = list_marks(row.state or "sent", row.reason) if row.direction == "out" else {}
    return {
        "_id": row.id,
        "body": row.body,
        **transcript_document(row),
        **changes_of(row),
        **delivery_fields(row),
        **marks,
    }


def list_marks(state: str, reason: str | None) -> Document:
    """Return what puts a line on the list of held sends, or on one of those that people must see."""
    held = {"held": True} if state == "held" else {}
    trouble = trouble_of(state, reason)
    return held if trouble is None else held | {"trouble": trouble}


def delivery_fields(row: TranscriptRow) -> Document:
    """Return what tells how far a line has come."""
    state = row.state or "sent"
    return _without_none(
        {"state": state, "rank": delivery_rank(state), "provider_id": row.provider_id, "reason": row.reason}
    )


def early_name(conversation_id: str, name: str) -> str:
    """Return under which name a delivery status waits for its line: `name` is our id of it, or the platform's.

    >>> early_name("whatsapp:main:+49151", "SM1")
    'whatsapp:main:+49151 SM1'
    """
    return f"{conversation_id} {name}"


def transcript_row(document: Document) -> TranscriptRow:
    """Read a transcript line."""
    fields = {key: value for key, value in document.items() if key in TranscriptRow.model_fields}
    return TranscriptRow.model_validate(fields | {"id": document["_id"]})


def correspondent_fields(changed: Correspondent) -> Document:
    """Return what a save sets on the document of an address."""
    return changed.model_dump(mode="python", exclude={"id"}) | {"rev": changed.rev + 1}


def correspondent(document: Document) -> Correspondent:
    """Read the document of an address."""
    fields = {key: value for key, value in document.items() if key in Correspondent.model_fields}
    return Correspondent.model_validate(fields | {"id": document["_id"]})


def installation_fields(changed: Installation) -> Document:
    """Return what a save sets on the document of an installation; the one place where its tokens are written out."""
    tokens = {"token": changed.token, "refresh_token": changed.refresh_token}
    plain = {name: token.get_secret_value() if token is not None else None for name, token in tokens.items()}
    return changed.model_dump(mode="python", exclude={"id"}) | plain | {"rev": changed.rev + 1}


def installation(document: Document) -> Installation:
    """Read the document of an installation."""
    fields = {key: value for key, value in document.items() if key in Installation.model_fields}
    return Installation.model_validate(fields | {"id": document["_id"]})


def dead_letter_document(letter: DeadLetter) -> Document:
    """Write a dead letter."""
    return _without_none(letter.model_dump(exclude={"id"}))


def dead_letter(document: Document) -> DeadLetter:
    """Read a dead letter."""
    fields = {key: value for key, value in document.items() if key != "_id"}
    return DeadLetter.model_validate(fields | {"id": document["_id"]})


OWNER_HAS_S = 20.0
"""Attention for a claimed send is wanted only when its owner's lease (15 s) has run out."""


def earliest_wake(out: tuple[OutboxRow, ...], now: datetime) -> datetime | None:
    """Return when an outbox wants somebody's attention, None when it holds no open row."""
    waits_until = min((row.retry_at for row in out if row.state is SendState.WAITING and row.retry_at), default=None)
    head = next((row for row in out if not row.is_terminal and row.state is not SendState.WAITING), None)
    if head is None:
        return waits_until
    due = head.retry_at or now
    if head.state is SendState.SENDING and head.started_at is not None:
        due = head.started_at + timedelta(seconds=OWNER_HAS_S)
    return due if waits_until is None else min(due, waits_until)


def media_file(document: Document) -> MediaFile:
    """Read the document of a file."""
    fields = {key: value for key, value in document.items() if key in MediaFile.model_fields}
    return MediaFile.model_validate(fields | {"sha256": document["_id"], "data": bytes(document["data"])})


def media_note(document: Document) -> MediaNote:
    """Read what became of an attachment."""
    fields = {key: value for key, value in document.items() if key in MediaNote.model_fields}
    return MediaNote.model_validate(fields | {"id": document["_id"]})
