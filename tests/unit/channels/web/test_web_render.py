"""A reply becomes messages (REQUIREMENTS row 182)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.web.render import ESCAPES, MAX_BUTTONS, MAX_TEXT, message_body, plain, render, split_text
from core.replies import ApiCall, Choice, Reply, ReplyKind
from tests.unit.channels.web.fakes import FakeWords

ADDRESS = {"session": "0f" * 16}
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def choices(count: int) -> tuple[Choice, ...]:
    return tuple(Choice(token=f"t{n}", label=f"Label {n}", value=f"v{n}") for n in range(1, count + 1))


def rendered(text: str, *, count: int = 0, kind: ReplyKind = "answer") -> tuple[ApiCall, ...]:
    return render(Reply(template="x", choices=choices(count), kind=kind), FakeWords(text=text), ADDRESS)


def test_a_reply_is_one_message() -> None:
    (call,) = rendered("Hello!\n")
    assert call == ApiCall(method="deliver", params={"text": "Hello!", "choices": []}, bucket=ADDRESS["session"])


def test_choices_become_buttons_and_their_values_stay_home() -> None:
    (call,) = rendered("Which one?", count=2, kind="question")
    assert call.params["choices"] == [{"token": "t1", "label": "Label 1"}, {"token": "t2", "label": "Label 2"}]
    assert call.kind == "question"
    assert "v1" not in call.model_dump_json()


def test_too_many_choices_become_a_numbered_list() -> None:
    (call,) = rendered("Which one?", count=MAX_BUTTONS + 1)
    assert call.params["choices"] == []
    text = str(call.params["text"])
    assert text.startswith("Which one?\n\n1. Label 1\n2. Label 2\n")
    assert text.endswith(f"{MAX_BUTTONS + 1}. Label {MAX_BUTTONS + 1}")


def test_a_long_text_is_sent_in_parts_with_the_choices_under_the_last() -> None:
    first, last = rendered("a" * MAX_TEXT + " b", count=1)
    assert (first.params["text"], first.params["choices"]) == ("a" * MAX_TEXT, [])
    assert (last.params["text"], last.params["choices"]) == ("b", [{"token": "t1", "label": "Label 1"}])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two. three\n\nfour five", ["one two. three", "four five"]),
        ("one two. three\nfour five", ["one two. three", "four five"]),
        ("one two three. four five", ["one two three.", "four five"]),
        ("onetwo thr fourfive", ["onetwo thr", "fourfive"]),
        ("a" * 20, ["a" * 16, "a" * 4]),
        ("", [""]),
    ],
)
def test_a_text_is_cut_at_the_best_place(text: str, parts: list[str]) -> None:
    assert list(split_text(text, 16)) == parts


@given(st.text(alphabet="ab .!\n👩é", max_size=200), st.integers(4, 40))
def test_cutting_loses_nothing_but_white_space(text: str, limit: int) -> None:
    parts = split_text(text.strip(), limit)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(len(part) <= limit for part in parts)


def test_control_and_direction_characters_are_dropped_and_markup_is_left_to_the_page() -> None:
    assert ESCAPES["text"]("a\u202eb\u2066c\x00\x1b[31m\r\n\t<b>&amp;") == "abc[31m\n\t<b>&amp;"


def test_labels_are_plain_too() -> None:
    reply = Reply(template="x", choices=(Choice(token="t", label="\u202eyes\x07", value="v"),))
    (call,) = render(reply, FakeWords(text="?"), ADDRESS)
    assert call.params["choices"] == [{"token": "t", "label": "yes"}]


@given(st.text())
def test_plain_text_stays_plain_when_cleaned_again(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(("kind", "author"), [("answer", "bot"), ("handoff_notice", "bot"), ("agent", "agent")])
def test_the_visitor_is_told_who_writes(kind: ReplyKind, author: str) -> None:
    (call,) = rendered("Hi", kind=kind)
    assert message_body(call) == {"from": author, "text": "Hi", "choices": []}
