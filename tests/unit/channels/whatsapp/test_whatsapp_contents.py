"""W22: choices as quick replies and lists at Twilio, where the account has contents for them; else a numbered list."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from channels.whatsapp.contents import MAX_BODY, title_limit, utf16_units
from channels.whatsapp.render import MAX_TEXT, render
from core.replies import ApiCall, Choice, Reply
from hub.emulate.window import WindowBook
from hub.window import words_of
from tests.fakes import FakeClock
from tests.unit.channels.whatsapp.whatsapp_kit import NUMBER, PERSON, FakeWords, channel, settings

CONTENTS = {count: f"HX{count:032x}" for count in range(1, 11)}


def choices(*labels: str) -> tuple[Choice, ...]:
    return tuple(Choice(token=f"t{place}", label=label, value=label) for place, label in enumerate(labels))


def rendered(text: str, *labels: str, to: str = PERSON, **more: Any) -> tuple[ApiCall, ...]:
    reply = Reply(template="t", choices=choices(*labels), kind="question")
    given_contents = {"choice_contents": CONTENTS} | more
    return render(reply, FakeWords(text), {"to": to}, number=NUMBER, messaging_service_sid=None, **given_contents)


def variables(call: ApiCall) -> dict[str, str]:
    told: dict[str, str] = json.loads(str(call.params["content_variables"]))
    return told


def test_choices_are_a_content_for_so_many_of_them() -> None:
    (call,) = rendered("Which one?", "Orders", "Refunds")
    assert call.params == {
        "to": PERSON,
        "from_": NUMBER,
        "content_sid": CONTENTS[2],
        "content_variables": '{"1": "Which one?", "2": "Orders", "3": "t0", "4": "Refunds", "5": "t1"}',
    }
    assert (call.kind, call.bucket, words_of(call)) == ("question", PERSON, "Which one?")


def test_the_last_line_stands_above_the_choices_and_the_rest_is_said_before() -> None:
    before, call = rendered("Hello.\n\nI can do this:\nWhich one?", "Orders")
    assert before.params["body"] == "Hello.\n\nI can do this:"
    assert variables(call)["1"] == "Which one?"


@pytest.mark.parametrize(
    ("text", "labels", "more"),
    [
        ("Which?", ("Yes", "No"), {"choice_contents": {}}),
        ("Which?", ("Yes", "No"), {"choice_contents": {3: CONTENTS[3]}}),
        ("Which?", ("Yes", "No"), {"to": "+4930"}),
        ("Which?", ("x" * 21, "No"), {}),
        ("Which?", ("x" * 25, "No", "a", "b"), {}),
        ("Which?", ("Yes", "Yes"), {}),
        ("Which?", ("Yes", "\u200b"), {}),
        ("x" * (MAX_BODY + 1), ("Yes", "No"), {}),
        ("", ("Yes", "No"), {}),
        ("Which?", tuple("abcdefghijk"), {}),
    ],
    ids=str,
)
def test_what_no_content_can_show_whole_is_a_numbered_list(
    text: str, labels: tuple[str, ...], more: dict[str, Any]
) -> None:
    """Nothing over a limit is cut: 20 for three buttons, 24 for ten items, 1024 above them; an SMS has none."""
    calls = rendered(text, *labels, **more)
    assert all("content_sid" not in call.params for call in calls)
    assert "2. " in str(calls[-1].params["body"])


@given(st.text(max_size=3000), st.lists(st.text(max_size=40), max_size=12))
def test_whatever_is_offered_nothing_is_lost_and_what_is_sent_is_taken(text: str, labels: list[str]) -> None:
    """The stand-in holds each content against the documented limits."""
    book = WindowBook(FakeClock())
    for count, sid in CONTENTS.items():
        book.register(sid, count)
    for call in rendered(text, *labels):
        if (sid := call.params.get("content_sid")) is None:
            assert utf16_units(str(call.params["body"])) <= MAX_TEXT
            continue
        shown = book.picks(str(sid), variables(call))
        assert shown is not None
        assert [token for _, token in shown[1]] == [choice.token for choice in choices(*labels)]
        assert [label for label, _ in shown[1]] == [" ".join(label.split()) for label in labels]


def test_the_account_says_what_it_can_show() -> None:
    contents = {3: CONTENTS[3], 5: CONTENTS[5]}
    shown = channel(choice_contents=contents).capabilities
    assert (shown.max_buttons, shown.max_button_label) == (5, title_limit(5))
    assert (channel().capabilities.max_buttons, channel().capabilities.max_button_label) == (0, 0)


@pytest.mark.parametrize("wrong", [{0: CONTENTS[1]}, {11: CONTENTS[1]}, {1: "HX1"}, {"two": CONTENTS[2]}])
def test_a_content_that_cannot_be_is_refused(wrong: dict[Any, str]) -> None:
    with pytest.raises(ValidationError):
        settings(choice_contents=wrong)
