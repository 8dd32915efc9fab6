from datetime import timedelta

import pytest

from core.correspondents import CORRESPONDENTS_KEPT, Correspondent
from core.storage import EARLY_STATUS_KEPT
from core.store.memory import MemoryStore
from tests.contract.store_contract import C1, StoreContract, line
from tests.fakes import START, FakeClock


class TestMemoryStore(StoreContract):
    time: FakeClock

    @pytest.fixture
    def store(self) -> MemoryStore:
        self.time = FakeClock()
        return MemoryStore(self.time)

    async def let_leases_run_out(self) -> None:
        self.time.advance(0.1)

    async def test_a_delivery_state_without_a_line_is_forgotten_after_ten_minutes(self, store: MemoryStore) -> None:
        """F056."""
        for name, waits_s in (("o1", -1.0), ("o2", 1.0)):
            await store.note_delivery(C1, name, f"p-{name}", "read", None)
            self.time.advance(EARLY_STATUS_KEPT.total_seconds() + waits_s)
            await store.record([line(name, "sent", provider_id=f"p-{name}")])
        assert [found.state for found in await store.transcript(C1, 0, 10)] == ["read", "sent"]
        assert len(store._early) == 0

    async def test_an_address_is_forgotten_after_eight_days(self, store: MemoryStore) -> None:
        """F103."""
        await store.save_correspondent(Correspondent(id="old"), START)
        await store.save_correspondent(Correspondent(id="young"), START + timedelta(seconds=1))
        await store.save_correspondent(Correspondent(id="new"), START + CORRESPONDENTS_KEPT)
        assert await store.find_correspondent("old") is None
        assert await store.find_correspondent("young") is not None
