import pytest

from core.store.memory import MemoryStore
from tests.contract.store_contract import StoreContract
from tests.fakes import FakeClock


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def store(self, clock: FakeClock) -> MemoryStore:
        self.clock = clock
        return MemoryStore(clock)

    async def let_leases_run_out(self) -> None:
        self.clock.advance(0.1)
