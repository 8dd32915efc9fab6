"""The store on MongoDB through motor: the one file with a database driver.

Indexes and expiry are declared here and created at start. No `find_one_and_*`: the embedded server scans for it
(TESTBEDS section 1), and a compare-and-set needs none.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from bson.codec_options import CodecOptions
from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pydantic import ValidationError
from pymongo import ASCENDING, DESCENDING, DeleteOne, UpdateMany, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError
from pymongo.monitoring import CommandListener

from core.clock import Clock
from core.correspondents import CORRESPONDENTS_KEPT, Correspondent
from core.errors import StoreRefused, StoreUnavailable
from core.ids import ConversationId
from core.inbox import ENDED_STATES, OPEN_STATES, READ_LATER, InboxMark, InboxRow, InboxState, OpenRow, sources_of
from core.installations import Installation
from core.media import MediaFile, MediaNote
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
)
from core.store import documents

log = logging.getLogger(__name__)

DUPLICATE_KEY = 11000
INBOX_KEPT = timedelta(days=90)
"""How long a key is remembered: the longest redelivery seen is 7 days (SEMANTICS section 2)."""
DEAD_LETTERS_KEPT = timedelta(days=30)
MEMBERS_KEPT = timedelta(hours=1)
CLOCK_ASKED_EVERY_S = 5.0
FREE: Mapping[str, Any] = {"lease_until": datetime(1970, 1, 1, tzinfo=UTC), "worker": None}
"""What a conversation that nobody holds looks like."""

Index = tuple[list[tuple[str, int]], dict[str, Any]]

INDEXES: Mapping[str, Sequence[Index]] = {
    "inbox": (
        ([("state", ASCENDING), ("received_at", ASCENDING)], {}),
        ([("received_at", ASCENDING)], {"expireAfterSeconds": int(INBOX_KEPT.total_seconds())}),
        ([("conversation_id", ASCENDING), ("state", ASCENDING), ("received_at", ASCENDING)], {}),
    ),
    "conversations": (([("wake_at", ASCENDING)], {"sparse": True}),),
    "messages": (
        ([("conversation_id", ASCENDING), ("seq", ASCENDING)], {}),
        ([("provider_id", ASCENDING)], {"sparse": True}),
        ([("held", ASCENDING)], {"sparse": True}),
        ([("trouble", ASCENDING)], {"sparse": True}),
    ),
    "early_statuses": (([("at", ASCENDING)], {"expireAfterSeconds": int(EARLY_STATUS_KEPT.total_seconds())}),),
    "members": (([("seen_at", ASCENDING)], {"expireAfterSeconds": int(MEMBERS_KEPT.total_seconds())}),),
    "correspondents": (([("at", ASCENDING)], {"expireAfterSeconds": int(CORRESPONDENTS_KEPT.total_seconds())}),),
    "installations": (([("account", ASCENDING)], {}),),
    "used_once": (([("until", ASCENDING)], {"expireAfterSeconds": 0}),),
    "media": (([("until", ASCENDING)], {"expireAfterSeconds": 0}),),
    "media_notes": (([("until", ASCENDING)], {"expireAfterSeconds": 0}),),
    "dead_letters": (([("died_at", DESCENDING)], {"expireAfterSeconds": int(DEAD_LETTERS_KEPT.total_seconds())}),),
}

SHARD_KEYS: Mapping[str, str] = {
    "conversations": "_id",
    "inbox": "home",
    "messages": "conversation_id",
    "correspondents": "_id",
    "media": "_id",
}
"""What each large collection is sharded by, hashed: the conversation, or the address. The others stay on one shard.

A payload's `home` follows from the payload alone, so its copy meets it on the same shard and its `_id` stays unique."""

P = ParamSpec("P")
R = TypeVar("R")


def _translated(method: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Turn every driver error into one of ours. What the driver says may quote a document, so only its kind is kept."""

    @wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await method(*args, **kwargs)
        except (BSONError, UnicodeError, OverflowError) as error:
            raise StoreRefused(f"cannot be stored: {type(error).__name__}") from error
        except PyMongoError as error:
            raise StoreUnavailable(f"{type(error).__name__} {getattr(error, 'code', None) or ''}".strip()) from error

    return call


class MongoStore:
    """Satisfies `core.storage.Store`.

    Args:
        uri: a MongoDB connection string.
        database: name of the database.
        clock: for monotonic time; lease times come from the database's own clock.
        timeout_s: how long one operation may take before it counts as unavailable.
        listeners: are told of every command.
    """

    def __init__(
        self,
        uri: str,
        database: str,
        clock: Clock,
        timeout_s: float = 5.0,
        listeners: Sequence[CommandListener] = (),
    ) -> None:
        milliseconds = int(timeout_s * 1000)
        self._client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            uri,
            tz_aware=True,
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=milliseconds,
            appname="frontdesk",
            event_listeners=list(listeners),
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
        """Move rows on; a row that is not in a state it may come from is left alone.

        Marks that say the same go out as one command: a group of DONE costs hardly more than one.
        """
        alike: dict[str, list[InboxMark]] = {}
        for mark in marks:
            alike.setdefault(mark.model_dump_json(exclude={"id", "home"}), []).append(mark)
        operations = [UpdateMany(_named(group), {"$set": documents.mark_fields(group[0])}) for group in alike.values()]
        await self._collection("inbox").bulk_write(operations, ordered=True)

    @_translated
    async def open_inbox(self, before: datetime, skip: int, limit: int) -> list[OpenRow]:
        """Return rows that are RECEIVED or READY and came before a time, oldest first, without their bytes."""
        fields = dict.fromkeys(OpenRow.model_fields, 1)
        rows: list[OpenRow] = []
        for state in OPEN_STATES:  # one at a time: a list of states and a range together would scan the collection
            found = self._collection("inbox").find({"state": str(state), "received_at": {"$lte": before}}, fields)
            found = found.sort("received_at", ASCENDING).limit(skip + limit)
            rows += [OpenRow.model_validate({"id": row.pop("_id"), **row}) async for row in found]
        return sorted(rows, key=lambda row: row.received_at)[skip : skip + limit]

    @_translated
    async def load_inbox(self, ids: Sequence[str]) -> list[InboxRow]:
        """Return rows with their bytes, oldest first."""
        found = self._collection("inbox").find({"_id": {"$in": list(ids)}})
        return sorted([documents.inbox_row(row) async for row in found], key=lambda row: row.received_at)

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
    async def unread_of(self, channel: str, account: str, limit: int) -> list[str]:
        """Return the names of rows of an account of which nobody knows the conversation yet, oldest first."""
        rows: list[InboxRow] = []
        for state in OPEN_STATES:
            unread = {"conversation_id": None, "state": str(state), "channel": channel, "account": account}
            found = self._collection("inbox").find(unread, {"body": 0, "headers": 0})
            async for row in found.sort("received_at", ASCENDING).limit(limit):
                rows.append(documents.inbox_row(row | {"body": b""}))
        return [row.id for row in sorted(rows, key=lambda row: row.sort_key)[:limit]]

    @_translated
    async def open_of(self, ids: Sequence[ConversationId]) -> list[InboxRow]:
        """Return the open rows of conversations, with their bytes. Of mail alone a sharded database asks everywhere."""
        found: list[InboxRow] = []
        mails = [name for name in ids if name.partition(":")[0] in READ_LATER]
        chats = [name for name in ids if name.partition(":")[0] not in READ_LATER]
        for names, homes in ((chats, {"home": {"$in": [*chats, None]}}), (mails, {})):  # None: older than that field
            for state in OPEN_STATES if names else ():
                rows = self._collection("inbox").find({"conversation_id": {"$in": names}, "state": str(state)} | homes)
                found += [documents.inbox_row(row) async for row in rows]
        return found

    @_translated
    async def acquire(
        self, ids: Sequence[ConversationId], worker: str, lease_s: float, node: str | None = None
    ) -> list[Leased]:
        """Lease conversations that nobody holds, and load them; what is held already, even by us, is left out.

        What another process of the same `node` holds counts as free: it was our own life before a restart.
        """
        claim = secrets.token_hex(8)  # tells what this call leased from what it found leased
        until = await self._lease_until(lease_s)
        lease = {"worker": worker, "lease_until": until, "claim": claim, "node": node}
        new, known = await self._begin(ids, lease)
        if known:
            await self._collection("conversations").bulk_write(
                _takeovers(known, lease, await self._earliest_database_time()), ordered=True
            )
            found = self._collection("conversations").find({"_id": {"$in": known}})
            new += _readable([document async for document in found if document.get("claim") == claim])
        return new

    async def _begin(
        self, ids: Sequence[ConversationId], lease: dict[str, Any]
    ) -> tuple[list[Leased], list[ConversationId]]:
        """Insert the conversations that are new, already leased; returns them, and the names of those that exist.

        The first fence is a time: an empty conversation that went with its lease comes back with a greater one.
        """
        fence = int(lease["lease_until"].timestamp() * 1000)
        try:
            await self._collection("conversations").insert_many(
                [{"_id": name, "fence": fence, **lease} for name in ids], ordered=False
            )
            exist: set[int] = set()
        except BulkWriteError as error:
            exist = _duplicates(error)
        new = [Leased(name, fence, 0, None, ()) for index, name in enumerate(ids) if index not in exist]
        return new, [name for index, name in enumerate(ids) if index in exist]

    @_translated
    async def renew(self, held: Sequence[Held], worker: str, lease_s: float) -> set[ConversationId]:
        """Prolong leases; returns the conversations that are still ours."""
        names = [lease.id for lease in held]
        result = await self._collection("conversations").update_many(
            {"_id": {"$in": names}, "worker": worker}, {"$set": {"lease_until": await self._lease_until(lease_s)}}
        )
        if result.matched_count == len(names):
            return set(names)
        fences = await self._fences(names, {"worker": worker})
        return {lease.id for lease in held if fences.get(lease.id, (0, 0))[0] == lease.fence}

    @_translated
    async def release(self, held: Sequence[Held], worker: str) -> None:
        """Give leases back before their time; an empty conversation goes with its lease."""
        operations: list[DeleteOne | UpdateOne] = []
        for lease in held:
            ours: dict[str, Any] = {"_id": lease.id, "worker": worker}
            if lease.fence is not None:
                ours["fence"] = lease.fence
            operations.append(DeleteOne(ours | {"rev": None}) if lease.is_empty else UpdateOne(ours, {"$set": FREE}))
        await self._collection("conversations").bulk_write(operations, ordered=False)

    @_translated
    async def release_all(self) -> None:
        """End every lease and every membership; only where no other process can be using this database."""
        await self._collection("members").delete_many({})
        now = await self._earliest_database_time()
        ended = {"lease_until": FREE["lease_until"]}
        await self._collection("conversations").update_many({"lease_until": {"$gte": now}}, {"$set": ended})

    @_translated
    async def save(self, saves: Sequence[Save]) -> list[bool]:
        """Write conversation documents in one group; False where the fence or the revision has moved on."""
        result = await self._collection("conversations").bulk_write([_save(save) for save in saves], ordered=False)
        if result.matched_count == len(saves):
            return [True] * len(saves)
        fences = await self._fences([save.conversation.id for save in saves])
        return [fences.get(save.conversation.id) == (save.fence, save.rev + 1) for save in saves]

    async def _fences(
        self, ids: Sequence[ConversationId], more: Mapping[str, Any] | None = None
    ) -> dict[ConversationId, tuple[int, int]]:
        """Return fence and revision as they stand: how a group finds out which of its writes applied."""
        named = {"_id": {"$in": list(ids)}, **(more or {})}
        found = self._collection("conversations").find(named, {"fence": 1, "rev": 1})
        return {ConversationId(row["_id"]): (row.get("fence", 0), row.get("rev", 0)) async for row in found}

    @_translated
    async def waking(self, now: datetime, limit: int) -> list[ConversationId]:
        """Return conversations whose outbox wants attention now."""
        found = self._collection("conversations").find({"wake_at": {"$lte": now}}, {"_id": 1}).limit(limit)
        return [ConversationId(document["_id"]) async for document in found]

    @_translated
    async def active(self, account: str, since: datetime, limit: int) -> list[tuple[ConversationId, datetime]]:
        """Return conversations of an account (`channel:account`) with something done since then, latest first."""
        names = {"$gt": f"{account}:", "$lt": f"{account};"}
        found = self._collection("conversations").find(
            {"_id": names, "touched_at": {"$gte": since}}, {"_id": 1, "touched_at": 1}
        )
        rows = found.sort("touched_at", DESCENDING).limit(limit)
        return [(ConversationId(row["_id"]), row["touched_at"]) async for row in rows]

    @_translated
    async def beat(self, member: Member, alive_s: float, *, spools: bool = False) -> list[Member]:
        """Say that a process lives; returns all that said so within `alive_s`, by the database's clock."""
        now = await self._earliest_database_time()
        members = self._collection("members")
        if member.node is not None:
            await members.delete_many({"node": member.node, "_id": {"$ne": member.name}})
        seen = {"role": member.role, "node": member.node, "spools": spools, "seen_at": now}
        await members.update_one({"_id": member.name}, {"$set": seen}, upsert=True)
        found = members.find({"seen_at": {"$gt": now - timedelta(seconds=alive_s)}})
        return [Member(row["_id"], row["role"], row.get("node")) async for row in found]

    @_translated
    async def note_spool(self, name: str, *, spools: bool) -> None:
        """Say whether a process has accepted payloads that are not in the database yet."""
        said = {"spools": spools, "seen_at": await self._earliest_database_time()}
        await self._collection("members").update_one({"_id": name}, {"$set": said})

    @_translated
    async def spooling(self, alive_s: float, late_s: float | None = None) -> list[str]:
        """Return the living processes that have said they have such payloads, or are late to say anything."""
        now = await self._earliest_database_time()
        known: list[dict[str, Any]] = [{"spools": True}]
        if late_s is not None:
            known.append({"seen_at": {"$lte": now - timedelta(seconds=late_s)}, "role": {"$ne": "worker"}})
        living = {"seen_at": {"$gt": now - timedelta(seconds=alive_s)}, "$or": known}
        return sorted([row["_id"] async for row in self._collection("members").find(living, {"_id": 1})])

    @_translated
    async def leave(self, name: str) -> None:
        """Say that a process ends."""
        await self._collection("members").delete_one({"_id": name})

    @_translated
    async def first_due(self) -> datetime | None:
        """Return since when the longest waiting outbox wants attention; None when none does."""
        found = self._collection("conversations").find({"wake_at": {"$gt": FREE["lease_until"]}}, {"wake_at": 1})
        return next((row["wake_at"] for row in await found.sort("wake_at", ASCENDING).limit(1).to_list(1)), None)

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

    async def _lease_until(self, lease_s: float) -> datetime:
        """Return the end of a lease that begins now: early by a round trip at most, and a holder stops well before."""
        return await self._earliest_database_time() + timedelta(seconds=lease_s)

    @_translated
    async def clock_skew_s(self) -> float:
        """Return by how many seconds our wall clock is ahead of the database's, give or take a round trip."""
        answer = await self._client.admin.command("hello")
        return float((self._clock.now() - answer["localTime"].replace(tzinfo=UTC)).total_seconds())

    # transcript

    @_translated
    async def record(self, rows: Sequence[TranscriptRow]) -> None:
        """Write transcript lines; writing one again changes nothing but its delivery state, which only rises."""
        try:
            await self._collection("messages").insert_many([documents.new_line(row) for row in rows], ordered=False)
        except BulkWriteError as error:
            known = [rows[index] for index in sorted(_duplicates(error))]
            operations = [operation for row in known for operation in _line_again(row)]
            await self._collection("messages").bulk_write(operations, ordered=True)
        await self._catch_up([row for row in rows if row.direction == "out"])
        for row in rows:
            if row.about is not None:
                await self._collection("messages").bulk_write(_changed(row), ordered=True)

    async def _catch_up(self, rows: Sequence[TranscriptRow]) -> None:
        """Raise lines to the delivery states that came before them."""
        names = {documents.early_name(row.conversation_id, name): row for row in rows for name in _names(row)}
        if not names:
            return
        found = self._collection("early_statuses").find({"_id": {"$in": list(names)}})
        operations = [_raised(names[early["_id"]], early["change"]) async for early in found]
        if operations:
            await self._collection("messages").bulk_write(operations, ordered=False)

    @_translated
    async def deliver(self, conversation_id: str, out_id: str, seq: int, body: Mapping[str, Any], at: datetime) -> None:
        """Keep one message for a web client; the same `out_id` again changes nothing."""
        row = {"seq": seq, "body": dict(body), "direction": "out", "at": at}
        await self._collection("messages").update_one(
            {"_id": out_id, "conversation_id": conversation_id},
            {"$setOnInsert": row | {"state": "sent", "rank": delivery_rank("sent")}},
            upsert=True,
        )

    @_translated
    async def bodies(self, conversation_id: str, after: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Return what a web client is shown: sequence numbers and bodies in order."""
        found = self._collection("messages").find(
            {"conversation_id": conversation_id, "seq": {"$gt": after}}, {"seq": 1, "body": 1}
        )
        return [(row["seq"], row["body"]) async for row in found.sort("seq", ASCENDING).limit(limit)]

    @_translated
    async def note_delivery(
        self, conversation_id: str, line_id: str | None, provider_id: str, state: str, reason: str | None
    ) -> None:
        """Raise the delivery state of one line, found by our id or by the platform's."""
        rank = delivery_rank(state)
        name: dict[str, Any] = {"_id": line_id} if line_id else {"provider_id": provider_id}
        name["conversation_id"] = conversation_id
        change: dict[str, Any] = {"state": state, "rank": rank, "provider_id": provider_id}
        if reason is not None:
            change["reason"] = reason
        lines, below = self._collection("messages"), name | {"rank": {"$lt": rank}}
        if (await lines.update_one(below, _delivery(change))).matched_count:
            return
        if await lines.find_one(name, {"_id": 1}) is None:
            await self._keep_early(documents.early_name(conversation_id, line_id or provider_id), change)
        await lines.update_one(below, _delivery(change))  # its line may have been written since the first look

    async def _keep_early(self, name: str, change: Mapping[str, Any]) -> None:
        """Keep a delivery state whose line is not there, unless one that is further along is kept."""
        below = {"_id": name, "change.rank": {"$lt": change["rank"]}}
        kept = {"change": dict(change), "at": await self._earliest_database_time()}
        with suppress(DuplicateKeyError):
            await self._collection("early_statuses").update_one(below, {"$set": kept}, upsert=True)

    @_translated
    async def find_line(self, conversation_id: ConversationId, provider_id: str) -> TranscriptRow | None:
        """Return the line of a message by the platform's id of it."""
        return await self._line_of(conversation_id, provider_id)

    @_translated
    async def find_line_within(self, beginning: str, provider_id: str) -> TranscriptRow | None:
        """Return the line of a message in some conversation whose name begins so."""
        return await self._line_of({"$gte": beginning, "$lt": f"{beginning[:-1]};"}, provider_id)  # ";" follows ":"

    async def _line_of(self, conversation: str | dict[str, str], provider_id: str) -> TranscriptRow | None:
        named = {"conversation_id": conversation, "provider_id": provider_id}
        found = [row async for row in self._collection("messages").find(named) if "event_id" in row]
        lines = map(documents.transcript_row, found)
        return next((line for line in lines if line.kind == "message"), None)

    @_translated
    async def react(self, line: TranscriptRow) -> None:
        """Write the reactions of a line that was found."""
        reactions = [reaction.model_dump() for reaction in line.reactions]
        named = {"_id": line.id, "conversation_id": line.conversation_id}
        await self._collection("messages").update_one(named, {"$set": {"reactions": reactions}})

    @_translated
    async def forget_raw(self, row_id: str) -> None:
        """Empty the raw bytes that an inbox row came in, in every row they were split into, once their turn is over."""
        whole = row_id.partition("#")[0]
        over = {"state": {"$in": [str(state) for state in ENDED_STATES]}}
        for name in (whole, {"$gt": f"{whole}#", "$lt": f"{whole}$"}):  # "$" follows "#"
            await self._collection("inbox").update_many({"_id": name} | over, {"$set": {"body": b"", "headers": {}}})

    @_translated
    async def transcript(self, conversation_id: ConversationId, after: int, limit: int) -> list[TranscriptRow]:
        """Return lines of a conversation with a greater `seq`, in order."""
        found = self._collection("messages").find({"conversation_id": conversation_id, "seq": {"$gt": after}})
        found = found.sort("seq", ASCENDING).limit(limit)
        return [documents.transcript_row(row) async for row in found if "event_id" in row]

    @_translated
    async def delivered(self, conversation_id: str, line_ids: Sequence[str]) -> dict[str, str]:
        """Return which of these sends the transcript has as sent, with the platform's id."""
        named = {"_id": {"$in": list(line_ids)}, "conversation_id": conversation_id}
        found = self._collection("messages").find(named, {"rank": 1, "provider_id": 1})
        sent = delivery_rank("sent")
        return {row["_id"]: row.get("provider_id", "") async for row in found if sent <= row.get("rank", 0) < END_RANK}

    @_translated
    async def line(self, conversation_id: str, line_id: str | None, provider_id: str) -> TranscriptRow | None:
        """Return one line, by our id or by the platform's."""
        name: dict[str, Any] = {"_id": line_id} if line_id else {"provider_id": provider_id}
        document = await self._collection("messages").find_one(name | {"conversation_id": conversation_id})
        return None if document is None or "event_id" not in document else documents.transcript_row(document)

    @_translated
    async def troubled_lines(self, trouble: Trouble, limit: int) -> list[TranscriptRow]:
        """Return messages that wait, or that nobody got, newest first."""
        found = self._collection("messages").find({"trouble": trouble}).sort("at", DESCENDING).limit(limit)
        return [documents.transcript_row(row) async for row in found if "event_id" in row]

    @_translated
    async def held_lines(self, limit: int) -> list[TranscriptRow]:
        """Return sends in doubt that wait for a person, oldest first."""
        found = self._collection("messages").find({"held": True}).sort("at", ASCENDING).limit(limit)
        return [documents.transcript_row(row) async for row in found]

    # correspondents

    @_translated
    async def find_correspondent(self, name: str) -> Correspondent | None:
        """Return what is known of an address."""
        document = await self._collection("correspondents").find_one({"_id": name})
        return None if document is None else documents.correspondent(document)

    @_translated
    async def save_correspondent(self, changed: Correspondent, at: datetime) -> bool:
        """Write a record that was read or begun; False where somebody else has written it since."""
        correspondents = self._collection("correspondents")
        fields = documents.correspondent_fields(changed) | {"at": at}
        if changed.rev:
            named = {"_id": changed.id, "rev": changed.rev}
            return bool((await correspondents.update_one(named, {"$set": fields})).matched_count)
        try:
            await correspondents.insert_one({"_id": changed.id, **fields})
        except DuplicateKeyError:
            return False
        return True

    # installations

    @_translated
    async def find_installation(self, name: str) -> Installation | None:
        """Return one installation, dead or alive."""
        document = await self._collection("installations").find_one({"_id": name})
        return None if document is None else documents.installation(document)

    @_translated
    async def save_installation(self, changed: Installation) -> bool:
        """Write a record that was read or begun; False where somebody else has written it since."""
        installations = self._collection("installations")
        fields = documents.installation_fields(changed)
        if changed.rev:
            named = {"_id": changed.id, "rev": changed.rev}
            return bool((await installations.update_one(named, {"$set": fields})).matched_count)
        try:
            await installations.insert_one({"_id": changed.id, **fields})
        except DuplicateKeyError:
            return False
        return True

    @_translated
    async def installations_of(self, account: str) -> list[Installation]:
        """Return all installations of an account (`channel:account`), by id."""
        found = self._collection("installations").find({"account": account}).sort("_id", ASCENDING)
        return [documents.installation(document) async for document in found]

    @_translated
    async def use_once(self, name: str, until: datetime) -> bool:
        """Use something up; False where it was used before. What is past `until` may be forgotten."""
        try:
            await self._collection("used_once").insert_one({"_id": name, "until": until})
        except DuplicateKeyError:
            return False
        return True

    # files that people sent

    @_translated
    async def keep_media(self, file: MediaFile) -> None:
        """Keep a file; one that is kept already is kept for as long as either wants."""
        await self._collection("media").update_one(
            {"_id": file.sha256},
            {"$setOnInsert": {"media_type": file.media_type, "data": file.data}, "$max": {"until": file.until}},
            upsert=True,
        )

    @_translated
    async def find_media(self, sha256: str) -> MediaFile | None:
        """Return a file that is kept."""
        document = await self._collection("media").find_one({"_id": sha256})
        return None if document is None else documents.media_file(document)

    @_translated
    async def note_media(self, note: MediaNote) -> None:
        """Write what became of an attachment, over what was written before."""
        fields = note.model_dump(mode="python", exclude={"id"})
        await self._collection("media_notes").update_one({"_id": note.id}, {"$set": fields}, upsert=True)

    @_translated
    async def media_notes(self, names: Sequence[str]) -> list[MediaNote]:
        """Return what is known of attachments, in no order."""
        found = self._collection("media_notes").find({"_id": {"$in": list(names)}})
        return [documents.media_note(document) async for document in found]

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
        """Return how many inbox rows are in each state that people look at, how many sends are held, how many wait."""
        watched = (*OPEN_STATES, InboxState.QUARANTINED, InboxState.DEAD)
        inbox = self._collection("inbox")
        numbers = [await inbox.count_documents({"state": str(state)}) for state in watched]
        messages = self._collection("messages")
        held, waiting = [await messages.count_documents(which) for which in ({"held": True}, {"trouble": "waiting"})]
        counted = {str(state): number for state, number in zip(watched, numbers, strict=True)}
        return counted | {"held": held, "waiting": waiting}


def _named(marks: Sequence[InboxMark]) -> dict[str, Any]:
    """Return the filter of marks that say the same: their rows, in a state they may come from."""
    named: dict[str, Any] = {
        "_id": {"$in": [mark.id for mark in marks]},
        "state": {"$in": sources_of(marks[0].state)},
    }
    homes = [mark.home for mark in marks]
    return named if None in homes else named | {"home": {"$in": homes}}


def _takeovers(names: Sequence[ConversationId], lease: Mapping[str, Any], now: datetime) -> list[UpdateOne]:
    """Return the updates that take what nobody holds, or what our own node held before a restart."""
    operations: list[UpdateOne] = []
    for name in names:
        taken = {"$set": lease, "$inc": {"fence": 1}}
        operations.append(UpdateOne({"_id": name, "lease_until": {"$lt": now}}, taken))
        if lease["node"] is not None:
            ours = {"_id": name, "node": lease["node"], "worker": {"$nin": [None, lease["worker"]]}}
            operations.append(UpdateOne(ours, taken))
    return operations


def _readable(found: Sequence[dict[str, Any]]) -> list[Leased]:
    """Read conversation documents; one that cannot be read (written by a newer version) must not stop the others."""
    leased: list[Leased] = []
    for document in found:
        try:
            leased.append(documents.leased(document))
        except ValidationError as error:
            log.error("conversation document cannot be read: %d problems", error.error_count())
    return leased


def _line_again(row: TranscriptRow) -> list[UpdateOne]:
    """Return what writing a known line changes: what a web delivery could not know, and a delivery state that rose."""
    delivery = documents.delivery_fields(row)
    named: dict[str, Any] = {"_id": row.id, "conversation_id": row.conversation_id}
    return [
        UpdateOne(named | {"changed_seq": None}, {"$set": documents.transcript_document(row)}),
        UpdateOne(named | {"rank": {"$lte": delivery["rank"]}}, _delivery(delivery)),
    ]


WORDS_OF_A_LINE = ("versions", "files", "quoted", "trace.entities")
"""What a deletion takes from a line, beside its text and body."""


def _changed(row: TranscriptRow) -> list[UpdateOne | UpdateMany]:
    """Return what a line that tells of a change does to others: `TranscriptRow.after`, as updates."""
    said = {"conversation_id": row.conversation_id, "provider_id": row.about, "direction": "in"}
    earlier = {"$or": [{"changed_seq": None}, {"changed_seq": {"$lt": row.seq}}]}
    if row.kind == "edited":
        edited = {"text": row.text, "edited_at": row.at, "changed_seq": row.seq}
        version = {"text": row.before or "", "until": row.at}
        return [UpdateOne(said | earlier, {"$set": edited, "$push": {"versions": version}})]
    gone = {"text": "", "body": {}, "changed_seq": row.seq}
    deleted = gone | {"deleted_at": row.at}
    quotes = {"conversation_id": row.conversation_id, "in_reply_to": row.about}
    edits = {"conversation_id": row.conversation_id, "about": row.about, "kind": "edited"}
    return [
        UpdateOne(said | earlier, {"$set": deleted, "$unset": dict.fromkeys(WORDS_OF_A_LINE, "")}),
        UpdateMany(quotes, {"$unset": {"quoted": ""}}),
        UpdateMany(edits, {"$set": gone, "$unset": {"before": "", "trace.entities": ""}}),
    ]


def _names(row: TranscriptRow) -> list[str]:
    """Return what a delivery status may call a line."""
    return [row.id] if row.provider_id is None else [row.id, row.provider_id]


def _raised(row: TranscriptRow, change: dict[str, Any]) -> UpdateOne:
    """Return the update that raises a line to a delivery state."""
    named = {"_id": row.id, "conversation_id": row.conversation_id, "rank": {"$lt": change["rank"]}}
    return UpdateOne(named, _delivery(change))


def _delivery(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the update that sets a delivery state and keeps the lists of held and troubled lines right."""
    state = fields["state"]
    marks = documents.list_marks(state, fields.get("reason"))
    gone = {"held", "trouble"} - marks.keys() | ({"call", "approved"} if state in SETTLED else set())
    return {"$set": fields | marks, "$unset": dict.fromkeys(sorted(gone), "")}


def _save(save: Save) -> UpdateOne:
    fields = documents.conversation_fields(save)
    change: dict[str, Any] = {"$set": {**fields, **FREE} if save.release else fields}
    if save.wake_at is None:
        del change["$set"]["wake_at"]
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
