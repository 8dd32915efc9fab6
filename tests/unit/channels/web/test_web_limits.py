"""Token buckets (FAULTS F097, SECURITY section 6)."""

import pytest

from channels.web import limits
from channels.web.limits import Buckets
from tests.unit.channels.web.fakes import FakeClock


def test_a_burst_is_allowed_then_one_has_to_wait() -> None:
    buckets = Buckets(5.0, 5.0, FakeClock())
    assert [buckets.take("a") for _ in range(6)] == [0, 0, 0, 0, 0, pytest.approx(0.2)]


def test_tokens_flow_back_with_time() -> None:
    buckets = Buckets(5.0, 5.0, clock := FakeClock())
    for _ in range(5):
        buckets.take("a")
    clock.advance(0.2)
    assert buckets.take("a") == 0
    assert buckets.take("a") > 0


def test_over_a_long_time_nobody_gets_more_than_the_rate() -> None:
    buckets = Buckets(5.0, 5.0, clock := FakeClock())
    taken = 0
    for _ in range(1000):
        taken += buckets.take("a") == 0
        clock.advance(0.01)
    assert taken == pytest.approx(55, abs=1)  # 10 s at 5/s and the first burst


def test_keys_do_not_share() -> None:
    buckets = Buckets(1.0, 1.0, FakeClock())
    assert (buckets.take("a"), buckets.take("b")) == (0, 0)


def test_keys_that_have_recovered_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SWEEP_AT", 10)
    buckets = Buckets(1.0, 2.0, clock := FakeClock())
    for n in range(10):
        buckets.take(f"old {n}")
    clock.advance(5)
    buckets.take("new")
    assert set(buckets._levels) == {"new"}
