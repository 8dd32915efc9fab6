import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.inbound import Pace
from hub.rates import Buckets


def times_taken(pace: Pace, asks: int) -> list[float]:
    """Return when each of `asks` callers who ask at once gets a turn."""
    buckets: Buckets[str] = Buckets(pace)
    return [buckets.book("key", 0.0) for _ in range(asks)]


def test_a_burst_passes_at_once_and_the_rest_in_step() -> None:
    assert times_taken(Pace(per_s=0.5, burst=3), 6) == [0.0, 0.0, 0.0, 2.0, 4.0, 6.0]


def test_a_bucket_empties_with_time() -> None:
    buckets: Buckets[str] = Buckets(Pace(per_s=1.0, burst=2))
    assert [buckets.book("key", 0.0), buckets.book("key", 0.0)] == [0.0, 0.0]
    assert buckets.wait_s("key", 0.25) == 0.75
    assert buckets.book("key", 1.0) == 0.0
    assert [buckets.book("key", 100.0) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_what_is_given_back_counts_no_more() -> None:
    """F103."""
    buckets: Buckets[str] = Buckets(Pace(per_s=1.0, burst=2))
    for _ in range(100):
        buckets.book("key", 0.0)
        buckets.give_back("key")
    buckets.give_back("nobody")
    assert [buckets.book("key", 0.0) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_looking_takes_nothing() -> None:
    buckets: Buckets[str] = Buckets(Pace(per_s=1.0))
    assert [buckets.wait_s("key", 0.0) for _ in range(5)] == [0.0] * 5
    assert len(buckets) == 0


def test_keys_do_not_share_a_bucket() -> None:
    buckets: Buckets[str] = Buckets(Pace(per_s=1.0))
    assert [buckets.book(key, 0.0) for key in ("a", "b", "a")] == [0.0, 0.0, 1.0]


def test_keys_that_have_recovered_are_forgotten_first() -> None:
    buckets: Buckets[int] = Buckets(Pace(per_s=1.0), max_keys=10)
    for key in range(10):
        buckets.book(key, 0.0)
    buckets.book(99, 5.0)
    assert len(buckets) == 1
    assert buckets.wait_s(99, 5.0) == 1.0


@pytest.mark.parametrize("callers", [11, 1000])
def test_memory_is_bounded_whoever_calls(callers: int) -> None:
    buckets: Buckets[int] = Buckets(Pace(per_s=0.001), max_keys=10)
    for key in range(callers):
        buckets.book(key, 0.0)
        assert len(buckets) <= 10
    assert buckets.wait_s(callers - 1, 0.0) > 0, "the newest is still known"


@given(
    per_s=st.floats(0.1, 50),
    burst=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 10), min_size=1, max_size=60),
    window_s=st.floats(0.1, 20),
)
def test_no_stretch_of_time_holds_more_than_the_burst_and_the_rate(
    per_s: float, burst: int, gaps: list[float], window_s: float
) -> None:
    buckets: Buckets[str] = Buckets(Pace(per_s=per_s, burst=burst))
    now, passed = 0.0, []
    for gap in gaps:
        now += gap
        passed.append(now + buckets.book("key", now))
    assert passed == sorted(passed)
    for start in passed:
        within = sum(start <= moment < start + window_s for moment in passed)
        assert within <= burst + per_s * window_s + 1
