"""Choices are read back however they are told."""

from datetime import timedelta

import pytest

from core.conversation import OfferedChoice
from core.dialogue.choices import (
    MAX_KEPT,
    TTL,
    came_late,
    is_label,
    joined,
    offered,
    picked_by_text,
    picked_by_token,
    token,
    used,
)
from core.ids import EventId
from core.replies import Choice
from hub.content import load_content
from tests.conversation.telling import NOW
from tests.shared_files import PROJECT

LABELS = ("Order status", "Refunds", "Password reset")
LANGUAGES = load_content(PROJECT / "config" / "content").choice_words
ENGLISH = LANGUAGES["en"]
BOTH = joined((LANGUAGES["de"], ENGLISH))
KEY = b"key"


def choices(event: str = "e1", labels: tuple[str, ...] = LABELS, number: int = 0) -> list[Choice]:
    return [
        Choice(token=token(KEY, EventId(event), number, place), label=label, value=label.lower())
        for place, label in enumerate(labels)
    ]


OFFERED = offered((), choices(), NOW)


def value_of(offers: tuple[OfferedChoice, ...], text: str) -> str | None:
    picked = picked_by_text(offers, text, NOW, BOTH)
    return picked.value if picked else None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", "refunds"),
        (" 2. ", "refunds"),
        ("(2)", "refunds"),
        ("2\ufe0f\u20e3", "refunds"),
        ("\u0662", "refunds"),  # an Arabic two
        ("\uff12", "refunds"),  # a wide one
        ("#3", "password reset"),
        ("option 1", "order status"),
        ("No. 2", "refunds"),
        ("2 please", "refunds"),
        ("second", "refunds"),
        ("two", "refunds"),
        ("one", "order status"),
        ("second one", "refunds"),
        ("The third one, please!", "password reset"),
        ("the last one", "password reset"),
        ("die zweite bitte", "refunds"),
        ("Nummer 2", "refunds"),
        ("den letzten", "password reset"),
        ("order status", "order status"),
        ("Ordr satus", "order status"),
        ("pasword reset please", "password reset"),
        ("2\n\nThank you\nAnn", "refunds"),
        ("Refunds\n\nThank you\nAnn", "refunds"),
        ("2\n\nMy annual plan was charged twice?", None),
        ("2\n\nand 3", None),
        ("4", None),
        ("0", None),
        ("99", None),
        ("-2", None),
        ("2%", None),
        ("2.5", None),
        ("1 or 2", None),
        ("2 weeks", None),
        ("the", None),
        ("refund my annual plan", None),
        ("", None),
        ("x" * 500, None),
    ],
)
def test_numbers_ordinals_and_misspelt_labels_are_read(text: str, value: str | None) -> None:
    assert value_of(OFFERED, text) == value


def test_ordinals_are_read_in_the_language_that_is_spoken() -> None:
    assert picked_by_text(OFFERED, "die zweite", NOW, ENGLISH) is None
    assert picked_by_text(OFFERED, "die zweite", NOW, LANGUAGES["de"]) == OFFERED[1].choice
    assert picked_by_text(OFFERED, "the second", NOW, LANGUAGES["de"]) is None


def test_both_languages_know_words_for_the_same_places() -> None:
    assert len(LANGUAGES["en"].places) == len(LANGUAGES["de"].places) == 10


def test_what_could_be_two_choices_is_not_guessed() -> None:
    plans = offered((), choices(labels=("Yearly plan A", "Yearly plan B", "2", "Other")), NOW)
    assert value_of(plans, "yearly plan") is None
    assert value_of(plans, "yearly plan b") == "yearly plan b"
    assert value_of(plans, "2") is None  # the second, or the one that is called so
    assert value_of(plans, "3") == "2"


def test_a_number_over_two_lists_of_one_turn_picks_only_what_both_mean() -> None:
    lists = offered(
        (), [*choices(labels=("Yes", "No"), number=0), *choices(labels=("Red", "No", "Blue"), number=1)], NOW
    )
    assert value_of(lists, "1") is None
    assert value_of(lists, "2") == "no"
    assert value_of(lists, "3") == "blue"
    assert value_of(lists, "last") is None


def test_labels_without_letters_are_read_exactly() -> None:
    signs = offered((), choices(labels=("👍", "👎", "नमस्ते")), NOW)
    assert value_of(signs, "👎") == "👎"
    assert value_of(signs, "नमस्ते") == "नमस्ते"
    assert value_of(signs, "😀") is None


def test_a_label_letter_for_letter_is_known_as_one() -> None:
    assert is_label(OFFERED, " ORDER  status", NOW)
    assert not is_label(OFFERED, "order", NOW)
    assert not is_label(OFFERED, "order status", NOW + TTL)


def test_a_number_means_the_latest_offer_and_a_button_any_that_is_open() -> None:
    both = offered(OFFERED, choices("e2", ("Yes", "No")), NOW)
    assert value_of(both, "1") == "yes"
    pressed = picked_by_token(both, token(KEY, EventId("e1"), 0, 2), NOW)
    assert pressed is not None
    assert pressed.value == "password reset"


def test_nothing_is_picked_after_the_expiry() -> None:
    late = NOW + TTL
    assert picked_by_text(OFFERED, "1", late, BOTH) is None
    assert picked_by_token(OFFERED, OFFERED[0].choice.token, late) is None
    assert picked_by_token(OFFERED, OFFERED[0].choice.token, late - timedelta(seconds=1)) == OFFERED[0].choice


def test_a_choice_is_picked_once_and_a_second_time_is_known_as_late() -> None:
    ended = used(OFFERED, NOW)
    assert picked_by_token(ended, OFFERED[0].choice.token, NOW) is None
    assert picked_by_text(ended, "2", NOW, BOTH) is None
    assert came_late(ended, "2", NOW, BOTH)
    assert came_late(ended, "the last one", NOW, BOTH)
    assert not came_late(ended, "9", NOW, BOTH)
    assert not came_late(ended, "order status", NOW, BOTH)
    assert not came_late(OFFERED, "2", NOW, BOTH)
    assert came_late(OFFERED, "2", NOW + TTL, BOTH)
    assert not came_late((), "2", NOW, BOTH)


def test_a_session_keeps_a_bounded_number_of_choices() -> None:
    kept: tuple[OfferedChoice, ...] = ()
    for number in range(30):
        kept = offered(kept, choices(f"e{number}"), NOW)
    assert len(kept) == MAX_KEPT
    assert kept[-1].choice == choices("e29")[-1]


def test_no_choice_of_the_last_offer_is_forgotten() -> None:
    many = choices(labels=tuple(f"Choice {number}" for number in range(40)))
    kept = offered(OFFERED, many, NOW)
    assert [offer.choice for offer in kept] == many
    assert value_of(kept, "40") == "choice 39"


def test_tokens_cannot_be_guessed_from_the_event_and_fit_the_platforms() -> None:
    named = {token(key, EventId("e1"), number, place) for key in (b"a", b"b") for number in (0, 1) for place in (0, 40)}
    assert len(named) == 8
    assert all(len(one) == 16 and one.isascii() for one in named)
