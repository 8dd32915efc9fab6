import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from core.store.mongo import INDEXES, MongoStore
from hub.clock import SystemClock
from tests.contract.store_contract import StoreContract
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

    async def test_the_servers_clock_is_near_ours(self, store: MongoStore) -> None:
        assert abs(await store.clock_skew_s()) < 2.0
