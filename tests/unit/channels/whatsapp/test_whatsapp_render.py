"""W21, W22, W23, F055."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels.whatsapp.render import MAX_TEXT, bodies, escape_text, render, split_text, utf16_units
from core.replies import ApiCall, Choice, Reply
from tests.unit.channels.whatsapp.whatsapp_kit import NUMBER, PERSON, FakeWords

CHOICES = (Choice(token="t1", label="Yes, please", value="y"), Choice(token="t2", label="No", value="n"))
TO_PERSON = {"to": PERSON, "from": "+4930555001"}


def rendered(text: str, *, service: str | None = None, address: Any = None, **reply: Any) -> tuple[ApiCall, ...]:
    answer = Reply(template="answer", **reply)
    return render(answer, FakeWords(text), address or TO_PERSON, number=NUMBER, messaging_service_sid=service)


def test_a_short_answer_is_one_call_from_the_number_that_was_written_to():
    (call,) = rendered("Hello", kind="question")
    assert call.method == "Messages.create"
    assert call.params == {"to": PERSON, "from_": "+4930555001", "body": "Hello"}
    assert (call.bucket, call.kind) == (PERSON, "question")


def test_without_a_number_in_the_address_ours_sends():
    assert rendered("Hello", address={"to": PERSON})[0].params["from_"] == NUMBER


def test_a_messaging_service_picks_the_sender():
    assert rendered("Hello", service="MG1")[0].params == {"to": PERSON, "messaging_service_sid": "MG1", "body": "Hello"}


def test_choices_become_a_numbered_list_on_the_last_part():
    calls = rendered("Para. " * 400, choices=CHOICES)
    assert len(calls) > 1
    assert str(calls[-1].params["body"]).endswith("\n\n1. Yes, please\n2. No")
    assert not any("1. Yes" in str(call.params["body"]) for call in calls[:-1])


def test_a_list_that_does_not_fit_goes_alone_and_last():
    *first, last = bodies("x" * MAX_TEXT, CHOICES)
    assert first == ["x" * MAX_TEXT]
    assert last == "1. Yes, please\n2. No"


def test_nothing_to_say_is_no_call():
    assert rendered(" \n ") == ()


def test_choices_alone_are_said():
    assert bodies("", CHOICES) == ("1. Yes, please\n2. No",)


def test_a_label_stays_on_its_line_and_cannot_format():
    (body,) = bodies("", (Choice(token="t", label="*Ann*\n2. Cheat", value="v"),))
    assert body == "1. \u2217Ann\u2217 2. Cheat"


def test_what_no_request_can_carry_is_taken_out():
    assert bodies("a\x00b\ud800", ()) == ("ab\ufffd",)


@pytest.mark.parametrize(
    ("place", "expected"), [("\n\n", "paragraph"), ("\n", "line"), (". ", "sentence"), (" ", "word")]
)
def test_a_text_is_cut_at_the_best_place(place: str, expected: str):
    first, second = "a" * 1200, "b" * 1200
    assert [part.rstrip(".") for part in split_text(first + place + second)] == [first, second], expected


def test_a_paragraph_is_preferred_to_a_later_word():
    text = "a" * 1000 + "\n\n" + "b " * 1000
    assert split_text(text)[0] == "a" * 1000


def test_a_break_near_the_start_does_not_make_a_tiny_message():
    assert len(split_text("Hi.\n\n" + "word " * 1000)[0]) > MAX_TEXT / 2


@pytest.mark.parametrize("cluster", ["e\u0301", "\U0001f469\u200d\U0001f680", "\U0001f44d\U0001f3fd", "\u2764\ufe0f"])
def test_what_reads_as_one_character_is_not_cut(cluster: str):
    for padding in range(6):
        parts = split_text("x" * padding + cluster * 1200)
        assert all(not part.startswith(tuple(cluster[1:])) for part in parts)
        assert all(part.endswith(cluster) for part in parts)


SPACE = re.compile(r"\s+")
TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(" \n.\u0301\U0001f44d")), max_size=400
)


@given(TEXTS, st.integers(2, 60))
@example("\n" * 100 + "a" + " " * 100 + "b", 2)
@example("\u0301" * 100, 7)
def test_splitting_loses_nothing_keeps_the_order_and_never_exceeds_the_limit(text: str, limit: int):
    parts = split_text(text, limit)
    assert all(0 < utf16_units(part) <= limit for part in parts)
    assert SPACE.sub("", "".join(parts)) == SPACE.sub("", text)
    assert all(part == part.strip() for part in parts)


@given(st.text(max_size=5000))
def test_no_body_is_longer_than_twilio_takes(text: str):
    assert all(len(body) <= MAX_TEXT for body in bodies(text, CHOICES))


@pytest.mark.parametrize(
    "text", ["*bold*", "_it_", "~gone~", "```code```", "`c`", "a *b* c", "(*x*)", "**", "*", "*a", "a*"]
)
def test_user_text_cannot_format(text: str):
    escaped = escape_text(text)
    assert not set("*_~`") & set(escaped)
    assert len(escaped) == len(text)


@pytest.mark.parametrize(
    "text", ["order_id_7", "ann_b@example.com", "https://x.example/a_b?utm_source=c", "2*3", "plain"]
)
def test_what_whatsapp_shows_as_it_is_stays_exact(text: str):
    assert escape_text(text) == text


@given(st.text(st.sampled_from("ab1 *_~`.\u00e9"), max_size=30))
def test_a_delimiter_is_left_only_between_letters_or_digits(text: str):
    escaped = escape_text(text)
    for index, char in enumerate(escaped):
        if char in "*_~`":
            assert escaped[index - 1].isalnum()
            assert index > 0
            assert escaped[index + 1].isalnum()
    assert len(escaped) == len(text)
