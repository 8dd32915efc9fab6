"""The store on MongoDB through motor: the one file with a database driver.

Indexes and expiry are declared here and created at start. No `find_one_and_*`: the embedded server scans for it
(TESTBEDS section 1), and a compare-and-set needs none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, PyMongoError

from core.clock import Clock
from core.errors import StoreUnavailable
from core.ids import ConversationId
from core.inbox import OPEN_STATES, InboxMark, InboxRow, InboxState, sources_of
from core.storage import DeadLetter, Held, Leased, Save, TranscriptRow, delivery_rank
from core.store import documents

DUPLICATE_KEY = 11000
INBOX_KEPT = timedelta(days=90)
"""How long a key is remembered: the longest redelivery seen is 7 days (SEMANTICS section 2)."""
DEAD_LETTERS_KEPT = timedelta(days=30)
CLOCK_ASKED_EVERY_S = 5.0

Index = tuple[list[tuple[str, int]], dict[str, Any]]

INDEXES: Mapping[str, Sequence[Index]] = {
    "inbox": (
        ([("second", ASCENDING)], {"unique": True, "sparse": True}),
        ([("state", ASCENDING), ("received_at", ASCENDING)], {}),
        ([("received_at", ASCENDING)], {"expireAfterSeconds": int(INBOX_KEPT.total_seconds())}),
    ),
    "conversations": (([("wake_at", ASCENDING)], {"sparse": True}),),
    "messages": (
        ([("conversation_id", ASCENDING), ("seq", ASCENDING)], {}),
        ([("provider_id", ASCENDING)], {"sparse": True}),
        ([("held", ASCENDING)], {"sparse": True}),
    ),
    "dead_letters": (([("died_at", DESCENDING)], {"expireAfterSeconds": int(DEAD_LETTERS_KEPT.total_seconds())}),),
}

P = ParamSpec("P")
R = TypeVar("R")


def _translated(method: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Turn every driver error into `StoreUnavailable`: a caller can do nothing else with one."""

    @wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await method(*args, **kwargs)
        except PyMongoError as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    return call


class MongoStore:
    """Satisfies `core.storage.Store`.

    Args:
        uri: a MongoDB connection string.
        database: name of the database.
        clock: for monotonic time; lease times come from the database's own clock.
        timeout_s: how long one operation may take before it counts as unavailable.
    """

    def __init__(self, uri: str, database: str, clock: Clock, timeout_s: float = 5.0) -> None:
        milliseconds = int(timeout_s * 1000)
        self._client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            uri,
            tz_aware=True,
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=milliseconds,
            appname="frontdesk",
        )
        self._database = self._client.get_database(
            database,
            codec_options=CodecOptions(tz_aware=True),
            write_concern=WriteConcern("majority", j=True),
        )
        self._clock = clock
        self._database_time: tuple[datetime, float] | None = None

    def _collection(self, name: str) -> AsyncIOMotorCollection[dict[str, Any]]:
        return self._database[name]

    @_translated
    async def prepare(self) -> None:
        """Create the indexes; those that exist stay."""
        for name, indexes in INDEXES.items():
            for keys, options in indexes:
                await self._collection(name).create_index(keys, **options)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @_translated
    async def ping(self) -> None:
        """Raise `StoreUnavailable` unless the database answers."""
        await self._client.admin.command("ping")

    @_translated
    async def describe(self) -> dict[str, Any]:
        """Return what the server says of itself (`hello`), for `frontdesk doctor`."""
        return dict(await self._client.admin.command("hello"))

    # inbox

    @_translated
    async def insert_inbox(self, rows: Sequence[InboxRow]) -> list[bool]:
        """Insert rows in one group; True for a new one, False where one of its keys is known."""
        try:
            await self._collection("inbox").insert_many([documents.inbox_document(row) for row in rows], ordered=False)
        except BulkWriteError as error:
            refused = _duplicates(error)
            return [index not in refused for index in range(len(rows))]
        return [True] * len(rows)

    @_translated
    async def mark_inbox(self, marks: Sequence[InboxMark]) -> None:
        """Move rows on; a row that is not in a state it may come from is left alone."""
        await self._collection("inbox").bulk_write(
            [
                UpdateOne(
                    {"_id": mark.id, "state": {"$in": sources_of(mark.state)}}, {"$set": documents.mark_fields(mark)}
                )
                for mark in marks
            ],
            ordered=False,
        )

    @_translated
    async def open_inbox(self, now: datetime, limit: int) -> list[InboxRow]:
        """Return rows that are RECEIVED or READY and due, oldest first."""
        found = self._collection("inbox").find({"state": {"$in": [str(state) for state in OPEN_STATES]}})
        rows = [documents.inbox_row(document) async for document in found.sort("received_at", ASCENDING).limit(limit)]
        return [row for row in rows if row.not_before is None or row.not_before <= now]

    @_translated
    async def find_inbox(self, row_id: str) -> InboxRow | None:
        """Return one row with its raw bytes."""
        document = await self._collection("inbox").find_one({"_id": row_id})
        return None if document is None else documents.inbox_row(document)

    @_translated
    async def quarantined(self, limit: int) -> list[InboxRow]:
        """Return payloads that could not be read, newest first."""
        found = self._collection("inbox").find({"state": str(InboxState.QUARANTINED)})
        return [documents.inbox_row(document) async for document in found.sort("received_at", DESCENDING).limit(limit)]

    @_translated
    async def revive(self, row_id: str, state: InboxState) -> bool:
        """Replay (READY, RECEIVED) or discard (IGNORED) a dead or quarantined row; False when it is neither."""
        sources = [source for source in sources_of(state) if source in {InboxState.DEAD, InboxState.QUARANTINED}]
        result = await self._collection("inbox").update_one(
            {"_id": row_id, "state": {"$in": sources}},
            {
                "$set": {"state": str(state), "attempts": 0, "crashes": 0, "replayed": True},
                "$unset": {"not_before": "", "reason": ""},
            },
        )
        if result.matched_count:
            await self._collection("dead_letters").delete_one({"_id": row_id})
        return bool(result.matched_count)

    # conversations

    @_translated
    async def acquire(self, ids: Sequence[ConversationId], worker: str, lease_s: float) -> list[Leased]:
        """Lease conversations that nobody holds, and load them; those that somebody holds are left out."""
        now = await self._earliest_database_time()
        taken = [{"$set": _lease(lease_s) | {"worker": worker, "fence": {"$add": [{"$ifNull": ["$fence", 0]}, 1]}}}]
        try:
            await self._collection("conversations").bulk_write(
                [UpdateOne({"_id": name, "lease_until": {"$lt": now}}, taken, upsert=True) for name in ids],
                ordered=False,
            )
        except BulkWriteError as error:
            _duplicates(error)  # held by somebody else: the upsert met the existing document
        found = self._collection("conversations").find({"_id": {"$in": list(ids)}})
        return [documents.leased(document) async for document in found if document.get("worker") == worker]

    @_translated
    async def renew(self, held: Sequence[Held], worker: str, lease_s: float) -> set[ConversationId]:
        """Prolong leases; returns the conversations that are still ours."""
        collection = self._collection("conversations")
        result = await collection.bulk_write(
            [
                UpdateOne({"_id": lease.id, "fence": lease.fence, "worker": worker}, [{"$set": _lease(lease_s)}])
                for lease in held
            ],
            ordered=False,
        )
        if result.matched_count == len(held):
            return {lease.id for lease in held}
        fences = await self._fences([lease.id for lease in held])
        return {lease.id for lease in held if fences.get(lease.id, (0, 0))[0] == lease.fence}

    @_translated
    async def release(self, held: Sequence[Held], worker: str) -> None:
        """Give leases back before their time."""
        free = {"$set": {"lease_until": datetime(1970, 1, 1, tzinfo=UTC), "worker": None}}
        await self._collection("conversations").bulk_write(
            [UpdateOne({"_id": lease.id, "fence": lease.fence, "worker": worker}, free) for lease in held],
            ordered=False,
        )

    @_translated
    async def save(self, saves: Sequence[Save]) -> list[bool]:
        """Write conversation documents in one group; False where the fence or the revision has moved on."""
        result = await self._collection("conversations").bulk_write([_save(save) for save in saves], ordered=False)
        if result.matched_count == len(saves):
            return [True] * len(saves)
        fences = await self._fences([save.conversation.id for save in saves])
        return [fences.get(save.conversation.id) == (save.fence, save.rev + 1) for save in saves]

    async def _fences(self, ids: Sequence[ConversationId]) -> dict[ConversationId, tuple[int, int]]:
        """Return fence and revision as they stand: how a group finds out which of its writes applied."""
        found = self._collection("conversations").find({"_id": {"$in": list(ids)}}, {"fence": 1, "rev": 1})
        return {ConversationId(row["_id"]): (row.get("fence", 0), row.get("rev", 0)) async for row in found}

    @_translated
    async def waking(self, now: datetime, limit: int) -> list[ConversationId]:
        """Return conversations whose outbox wants attention now."""
        found = self._collection("conversations").find({"wake_at": {"$lte": now}}, {"_id": 1}).limit(limit)
        return [ConversationId(document["_id"]) async for document in found]

    @_translated
    async def load(self, conversation_id: ConversationId) -> Leased | None:
        """Read a conversation without leasing it."""
        document = await self._collection("conversations").find_one({"_id": conversation_id})
        return None if document is None else documents.leased(document)

    async def _earliest_database_time(self) -> datetime:
        """Return a time that the database's clock has certainly reached.

        A filter on `$$NOW` would say it more directly, and makes the embedded server scan the collection (measured: 15
        instead of 1,350 updates a second at 10,000 documents). The server's time was read before its answer arrived, so
        adding what has passed since then can only be early: a lease is never taken before it has run out.
        """
        if self._database_time is None or self._clock.monotonic() - self._database_time[1] > CLOCK_ASKED_EVERY_S:
            answer = await self._client.admin.command("hello")
            self._database_time = (answer["localTime"].replace(tzinfo=UTC), self._clock.monotonic())
        then, asked = self._database_time
        return then + timedelta(seconds=self._clock.monotonic() - asked)

    @_translated
    async def clock_skew_s(self) -> float:
        """Return by how many seconds our wall clock is ahead of the database's, give or take a round trip."""
        answer = await self._client.admin.command("hello")
        return float((self._clock.now() - answer["localTime"].replace(tzinfo=UTC)).total_seconds())

    # transcript

    @_translated
    async def record(self, rows: Sequence[TranscriptRow]) -> None:
        """Write transcript lines; writing one again changes nothing but its delivery state, which only rises."""
        operations: list[UpdateOne] = []
        for row in rows:
            delivery = documents.delivery_fields(row)
            operations.append(
                UpdateOne(
                    {"_id": row.id},
                    {"$set": documents.transcript_document(row), "$setOnInsert": delivery | {"body": row.body}},
                    upsert=True,
                )
            )
            if row.direction == "out":
                operations.append(UpdateOne({"_id": row.id, "rank": {"$lte": delivery["rank"]}}, _delivery(delivery)))
        await self._collection("messages").bulk_write(operations, ordered=True)

    @_translated
    async def deliver(self, conversation_id: str, out_id: str, seq: int, body: Mapping[str, Any], at: datetime) -> None:
        """Keep one message for a web client; the same `out_id` again changes nothing."""
        row = {"conversation_id": conversation_id, "seq": seq, "body": dict(body), "direction": "out", "at": at}
        await self._collection("messages").update_one(
            {"_id": out_id}, {"$setOnInsert": row | {"state": "sent", "rank": delivery_rank("sent")}}, upsert=True
        )

    @_translated
    async def bodies(self, conversation_id: str, after: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Return what a web client is shown: sequence numbers and bodies in order."""
        found = self._collection("messages").find(
            {"conversation_id": conversation_id, "seq": {"$gt": after}}, {"seq": 1, "body": 1}
        )
        return [(row["seq"], row["body"]) async for row in found.sort("seq", ASCENDING).limit(limit)]

    @_translated
    async def note_delivery(self, line_id: str | None, provider_id: str, state: str, reason: str | None) -> None:
        """Raise the delivery state of one line, found by our id or by the platform's."""
        rank = delivery_rank(state)
        name = {"_id": line_id} if line_id else {"provider_id": provider_id}
        change: dict[str, Any] = {"state": state, "rank": rank, "provider_id": provider_id}
        if reason is not None:
            change["reason"] = reason
        await self._collection("messages").update_one(name | {"rank": {"$lt": rank}}, {"$set": change})

    @_translated
    async def transcript(self, conversation_id: ConversationId, after: int, limit: int) -> list[TranscriptRow]:
        """Return lines of a conversation with a greater `seq`, in order."""
        found = self._collection("messages").find({"conversation_id": conversation_id, "seq": {"$gt": after}})
        found = found.sort("seq", ASCENDING).limit(limit)
        return [documents.transcript_row(row) async for row in found if "event_id" in row]

    @_translated
    async def held_lines(self, limit: int) -> list[TranscriptRow]:
        """Return sends in doubt that wait for a person, oldest first."""
        found = self._collection("messages").find({"held": True}).sort("at", ASCENDING).limit(limit)
        return [documents.transcript_row(row) async for row in found]

    # dead letters

    @_translated
    async def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter; doing so again changes nothing."""
        await self._collection("dead_letters").update_one(
            {"_id": letter.id}, {"$setOnInsert": documents.dead_letter_document(letter)}, upsert=True
        )

    @_translated
    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Return dead letters, newest first."""
        found = self._collection("dead_letters").find({}).sort("died_at", DESCENDING).limit(limit)
        return [documents.dead_letter(document) async for document in found]

    @_translated
    async def find_dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one dead letter."""
        document = await self._collection("dead_letters").find_one({"_id": letter_id})
        return None if document is None else documents.dead_letter(document)

    @_translated
    async def counts(self) -> dict[str, int]:
        """Return how many inbox rows are in each state that people look at, and how many sends are held."""
        watched = (*OPEN_STATES, InboxState.QUARANTINED, InboxState.DEAD)
        inbox = self._collection("inbox")
        numbers = await asyncio.gather(*(inbox.count_documents({"state": str(state)}) for state in watched))
        held = await self._collection("messages").count_documents({"held": True})
        return {str(state): number for state, number in zip(watched, numbers, strict=True)} | {"held": held}


def _lease(lease_s: float) -> dict[str, Any]:
    """Return the pipeline stage fields that set a lease on the database's own clock."""
    return {"lease_until": {"$add": ["$$NOW", int(lease_s * 1000)]}}


def _delivery(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the update that sets a delivery state and keeps the list of held lines right."""
    if fields["state"] == "held":
        return {"$set": fields | {"held": True}}
    return {"$set": fields, "$unset": {"held": ""}}


def _save(save: Save) -> UpdateOne:
    fields = documents.conversation_fields(save)
    change: dict[str, Any] = {"$set": fields}
    if fields["wake_at"] is None:
        fields.pop("wake_at")
        change["$unset"] = {"wake_at": ""}
    guard: dict[str, Any] = {"_id": save.conversation.id, "fence": save.fence}
    if save.rev:
        guard["rev"] = save.rev
    else:
        guard["rev"] = None  # matches the absent field of a document that was only just leased
    return UpdateOne(guard, change)


def _duplicates(error: BulkWriteError) -> set[int]:
    """Return the positions that met a known key; any other write error is the database's failure.

    Raises:
        StoreUnavailable: something else than a known key went wrong; nothing may be taken for written.
    """
    details = error.details or {}
    errors = details.get("writeErrors", [])
    if details.get("writeConcernErrors") or any(entry["code"] != DUPLICATE_KEY for entry in errors):
        raise StoreUnavailable(f"write refused: {[entry.get('code') for entry in errors]}") from error
    return {entry["index"] for entry in errors}
