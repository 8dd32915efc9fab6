"""The hub's clock follows the machine's forward at once and back with patience (F033)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from hub.clock import FOLLOWED_BACK_AFTER_S, SystemClock

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Machine:
    """A wall clock and a monotonic one."""

    def __init__(self) -> None:
        self.wall, self.steady = START.timestamp(), 1000.0

    def pass_s(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    machine = Machine()
    monkeypatch.setattr("hub.clock.time.time", lambda: machine.wall)
    monkeypatch.setattr("hub.clock.time.monotonic", lambda: machine.steady)
    yield machine
    monkeypatch.undo()


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_time_passes(machine: Machine) -> None:
    clock = SystemClock()
    machine.pass_s(5)
    assert clock.now() == after(5)


def test_a_machine_that_slept_or_was_set_forward_is_believed_at_once(machine: Machine) -> None:
    clock = SystemClock()
    machine.wall += 3600
    assert clock.now() == after(3600)


def test_a_clock_that_is_set_back_and_right_again_disturbs_nothing(machine: Machine) -> None:
    clock = SystemClock()
    machine.wall -= 3600
    assert clock.now() == after(0)
    machine.pass_s(FOLLOWED_BACK_AFTER_S)
    assert clock.now() == after(FOLLOWED_BACK_AFTER_S)
    machine.wall += 3600
    machine.pass_s(FOLLOWED_BACK_AFTER_S)
    assert clock.now() == after(2 * FOLLOWED_BACK_AFTER_S)


def test_a_clock_that_stays_back_is_believed_in_the_end(machine: Machine) -> None:
    clock = SystemClock()
    machine.wall -= 3600
    clock.now()
    machine.pass_s(FOLLOWED_BACK_AFTER_S + 1)
    assert clock.now() == after(FOLLOWED_BACK_AFTER_S + 1 - 3600)
