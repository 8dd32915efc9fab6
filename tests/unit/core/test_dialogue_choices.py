"""Choices are read back however they are told."""

from datetime import timedelta

import pytest

from core.conversation import OfferedChoice
from core.dialogue.choices import MAX_KEPT, TTL, offered, picked_by_text, picked_by_token, token
from core.ids import EventId
from core.replies import Choice
from tests.conversation.telling import NOW

LABELS = ("Order status", "Refunds", "Password reset")


def choices(event: str = "e1", labels: tuple[str, ...] = LABELS) -> list[Choice]:
    return [
        Choice(token=token(EventId(event), place), label=label, value=label.lower())
        for place, label in enumerate(labels)
    ]


OFFERED = offered((), choices(), NOW)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", "refunds"),
        (" 2. ", "refunds"),
        ("#3", "password reset"),
        ("option 1", "order status"),
        ("second", "refunds"),
        ("The third one, please!", "password reset"),
        ("die zweite bitte", "refunds"),
        ("order status", "order status"),
        ("Ordr satus", "order status"),
        ("pasword reset please", "password reset"),
        ("4", None),
        ("0", None),
        ("99", None),
        ("2 weeks", None),
        ("refund my annual plan", None),
        ("", None),
        ("x" * 500, None),
    ],
)
def test_numbers_ordinals_and_misspelt_labels_are_read(text: str, value: str | None) -> None:
    picked = picked_by_text(OFFERED, text, NOW)
    assert (picked.value if picked else None) == value


def test_a_number_means_the_latest_offer_and_a_button_any_that_is_open() -> None:
    both = offered(OFFERED, choices("e2", ("Yes", "No")), NOW)
    picked = picked_by_text(both, "1", NOW)
    assert picked is not None
    assert picked.value == "yes"
    pressed = picked_by_token(both, token(EventId("e1"), 2), NOW)
    assert pressed is not None
    assert pressed.value == "password reset"


def test_nothing_is_picked_after_the_expiry() -> None:
    late = NOW + TTL
    assert picked_by_text(OFFERED, "1", late) is None
    assert picked_by_token(OFFERED, OFFERED[0].choice.token, late) is None
    assert picked_by_token(OFFERED, OFFERED[0].choice.token, late - timedelta(seconds=1)) == OFFERED[0].choice
    assert offered(OFFERED, [], late) == ()


def test_a_session_keeps_a_bounded_number_of_choices() -> None:
    kept: tuple[OfferedChoice, ...] = ()
    for number in range(30):
        kept = offered(kept, choices(f"e{number}"), NOW)
    assert len(kept) == MAX_KEPT
    assert kept[-1].choice == choices("e29")[-1]
