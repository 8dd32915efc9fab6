import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import BulkWriteError

from core.correspondents import CORRESPONDENTS_KEPT, Correspondent
from core.errors import StoreRefused, StoreUnavailable
from core.ids import ConversationId
from core.storage import EARLY_STATUS_KEPT, Save
from core.store.mongo import INDEXES, MongoStore
from hub.clock import SystemClock
from tests.contract.store_contract import C1, StoreContract, conversation, row
from tests.servers.database import running_database

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def database_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("database") / "db"
    with running_database(folder) as uri:
        yield uri


class TestMongoStore(StoreContract):
    @pytest.fixture
    async def store(self, database_uri: str) -> AsyncIterator[MongoStore]:
        store = MongoStore(database_uri, f"contract-{uuid4().hex[:8]}", SystemClock())
        await store.prepare()
        yield store
        store.close()

    async def let_leases_run_out(self) -> None:
        await asyncio.sleep(0.1)

    async def test_indexes_are_created_again_without_harm(self, store: MongoStore) -> None:
        await store.prepare()
        for name, indexes in INDEXES.items():
            information = await store._database[name].index_information()
            assert len(information) == len(indexes) + 1, "ours and the one on _id"

    async def test_a_delivery_state_without_a_line_is_given_to_the_database_to_forget_after_ten_minutes(
        self, store: MongoStore
    ) -> None:
        """F056."""
        await store.note_delivery(C1, "o1", "p1", "read", None)
        early = store._database["early_statuses"]
        index = (await early.index_information())["at_1"]
        assert index["expireAfterSeconds"] == EARLY_STATUS_KEPT.total_seconds() == 600
        (kept,) = await early.find({}).to_list(10)
        assert abs((SystemClock().now() - kept["at"]).total_seconds()) < 60

    async def test_an_address_is_given_to_the_database_to_forget_eight_days_after_its_last_change(
        self, store: MongoStore
    ) -> None:
        """F103."""
        begun, now = Correspondent(id="email:help:x"), SystemClock().now().replace(microsecond=0)
        await store.save_correspondent(begun, now - timedelta(days=1))
        await store.save_correspondent(begun.model_copy(update={"rev": 1}), now)
        correspondents = store._database["correspondents"]
        index = (await correspondents.index_information())["at_1"]
        assert index["expireAfterSeconds"] == CORRESPONDENTS_KEPT.total_seconds() == 8 * 86_400
        (kept,) = await correspondents.find({}).to_list(10)
        assert kept["at"] == now

    async def test_the_servers_clock_is_near_ours(self, store: MongoStore) -> None:
        assert abs(await store.clock_skew_s()) < 2.0

    async def test_a_value_that_cannot_be_stored_is_told_apart_from_a_database_that_is_away(
        self, store: MongoStore
    ) -> None:
        with pytest.raises(StoreRefused):
            await store.insert_inbox([row("k1", headers={"x": "\udcff"})])
        with pytest.raises(StoreRefused):
            await store.insert_inbox([row("k1", crashes=2**70)])

    @pytest.mark.parametrize("code", [14031, 112, 91])
    async def test_a_database_without_room_is_one_that_is_away(
        self, code: int, store: MongoStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """F036: OutOfDiskSpace, and two others that are no known key; the spool takes the rows."""

        async def full(*_: object, **__: object) -> None:
            raise BulkWriteError({"writeErrors": [{"index": 0, "code": code, "errmsg": "words of a customer"}]})

        (lease,) = await store.acquire([C1], "a", 15.0)
        for method in ("insert_many", "bulk_write"):
            monkeypatch.setattr(AsyncIOMotorCollection, method, full)
        for write in (
            store.insert_inbox([row("k1")]),
            store.save([Save(conversation(version=1), (), lease.fence, 0, None)]),
            store.acquire([C1], "b", 15.0),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                await write
            assert "words of a customer" not in str(caught.value)

    async def test_an_error_does_not_repeat_what_was_to_be_written(self, database_uri: str) -> None:
        """S22: the driver's message quotes the document."""
        store = MongoStore("mongodb://127.0.0.1:1/", "none", SystemClock(), timeout_s=0.2)
        with pytest.raises(StoreUnavailable) as caught:
            await store.insert_inbox([row("k1", headers={"x": "words of a customer"})])
        assert "words of a customer" not in str(caught.value)
        store.close()

    async def test_a_document_of_a_newer_version_stops_nobody_else(self, store: MongoStore) -> None:
        (lease,) = await store.acquire([C1], "a", 0.0)
        await store.save([Save(conversation(version=1), (), lease.fence, 0, None, release=True)])
        await store._database["conversations"].update_one({"_id": C1}, {"$set": {"session": {"unknown": 1}}})
        taken = await store.acquire([C1, ConversationId("web:site:c2")], "b", 15.0)
        assert [lease.id for lease in taken] == ["web:site:c2"]
