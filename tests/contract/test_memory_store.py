import pytest

from core.store.memory import MemoryStore
from tests.contract.store_contract import StoreContract
from tests.fakes import FakeClock


class TestMemoryStore(StoreContract):
    time: FakeClock

    @pytest.fixture
    def store(self) -> MemoryStore:
        self.time = FakeClock()
        return MemoryStore(self.time)

    async def let_leases_run_out(self) -> None:
        self.time.advance(0.1)
