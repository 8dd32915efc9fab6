"""Which fault meets which request, and what is refused as a fault."""

from typing import Any

import pytest
from pydantic import ValidationError

from hub.emulate.faults import MAIL_REFUSALS, PLATFORMS, Fault, Faults
from hub.emulate.presets import all_presets


def fault(platform: str = "slack", action: str = "error", **details: Any) -> Fault:
    return Fault.model_validate({"platform": platform, "action": action, **details})


def test_a_fault_meets_its_platform_until_it_is_removed() -> None:
    faults = Faults()
    faults.add(fault())
    assert faults.pick("telegram", is_send=True) is None
    assert [faults.pick("slack", is_send=True) for _ in range(3)] == [fault()] * 3
    faults.remove(fault())
    assert faults.pick("slack", is_send=True) is None


def test_a_fault_with_times_is_over_after_them() -> None:
    faults = Faults()
    faults.add(fault(times=2))
    assert faults.pick("slack", is_send=True) is not None
    assert [active.times for active in faults.active()] == [1]
    assert faults.pick("slack", is_send=True) is not None
    assert faults.pick("slack", is_send=True) is None
    assert faults.active() == []


def test_a_fault_with_times_can_be_removed_without_naming_how_many_are_left() -> None:
    faults = Faults()
    faults.add(fault(times=5))
    faults.pick("slack", is_send=True)
    faults.remove(fault())
    assert faults.active() == []


def test_a_fault_meets_sends_unless_it_is_for_all_requests() -> None:
    faults = Faults()
    faults.add(fault(times=1))
    assert faults.pick("slack", is_send=False) is None
    faults.add(fault(requests="all"))
    assert faults.pick("slack", is_send=False) == fault(requests="all")


def test_a_fault_with_a_probability_meets_the_same_requests_for_the_same_seed() -> None:
    def met(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add(fault(probability=0.3))
        return [faults.pick("slack", is_send=True) is not None for _ in range(200)]

    assert met(1) == met(1) != met(2)
    assert 20 < sum(met(1)) < 100


@pytest.mark.parametrize(
    ("platform", "action", "details"),
    [
        ("slack", "refuse", {}),
        ("email", "redirect", {}),
        ("email", "body", {}),
        ("email", "refuse", {"code": "299"}),
        ("whatsapp", "refuse", {"code": "blocked"}),
        ("slack", "explode", {}),
        ("irc", "error", {}),
        ("slack", "error", {"times": 0}),
        ("slack", "error", {"probability": 1.5}),
        ("slack", "error", {"surprise": 1}),
    ],
)
def test_what_a_platform_cannot_do_wrong_is_refused(platform: str, action: str, details: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        fault(platform, action, **details)


def test_the_page_offers_every_action_and_every_refusal_of_mail() -> None:
    presets = all_presets("twilio")
    offered = {platform: {preset.action for _, preset in presets[platform]} for platform in PLATFORMS}
    assert set.union(*offered.values()) == set(Fault.model_json_schema()["properties"]["action"]["enum"])
    assert {preset.code for _, preset in presets["email"] if preset.code} == set(MAIL_REFUSALS)
