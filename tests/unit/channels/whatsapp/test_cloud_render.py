"""Reply -> Graph API calls: limits of the Cloud API, and the stand-in's opinion of what is rendered."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.whatsapp.cloud import render
from channels.whatsapp.render import utf16_units
from core.replies import ApiCall, Choice, Reply
from hub.emulate.cloud import fault_in
from tests.unit.channels.whatsapp.whatsapp_kit import FakeWords

TO = {"to": "4915112345678"}


def choices(*labels: str) -> tuple[Choice, ...]:
    return tuple(Choice(token=f"t{n}", label=label, value=label) for n, label in enumerate(labels, 1))


def rendered(text: str, *labels: str, address: dict[str, str] = TO) -> tuple[ApiCall, ...]:
    return render.render(Reply(template="t", choices=choices(*labels)), FakeWords(text), address)


def content(call: ApiCall) -> dict[str, Any]:
    found = call.params["interactive"]
    assert isinstance(found, dict)
    return found


def body(call: ApiCall) -> str:
    found: Any = call.params.get("text")
    return str(found["body"] if found else content(call)["body"]["text"])


def picks(call: ApiCall) -> list[dict[str, str]]:
    action = content(call)["action"]
    return [b["reply"] for b in action["buttons"]] if "buttons" in action else action["sections"][0]["rows"]


def test_a_text_has_no_preview_of_its_links() -> None:
    (call,) = rendered("hello")
    assert call.params == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "4915112345678",
        "type": "text",
        "text": {"body": "hello", "preview_url": False},
    }
    assert call.bucket == "whatsapp:4915112345678"


def test_who_hides_their_number_is_named_by_user_id() -> None:
    (call,) = rendered("hello", address={"recipient": "DE.1349"})
    assert call.params["recipient"] == "DE.1349"
    assert "to" not in call.params


def test_three_choices_are_buttons_and_four_a_list() -> None:
    (three,), (four,) = rendered("Pick", "A", "B", "C"), rendered("Pick", "A", "B", "C", "D")
    assert (content(three)["type"], content(four)["type"]) == ("button", "list")
    assert picks(four)[3] == {"id": "t4", "title": "D"}
    assert (body(three), body(four)) == ("Pick", "Pick")


def test_ten_choices_are_a_list_and_eleven_a_numbered_text() -> None:
    labels = [f"Label {n}" for n in range(1, 12)]
    assert len(picks(rendered("Pick", *labels[:10])[0])) == 10
    (call,) = rendered("Pick", *labels)
    assert call.params["type"] == "text"
    assert "11. Label 11" in body(call)


@pytest.mark.parametrize("label", ["x" * 21, "\U0001f600" * 11])
def test_a_label_that_no_button_shows_whole_stands_in_the_text(label: str) -> None:
    (call,) = rendered("Pick", "Yes", label)
    assert f"2. {label}" in body(call)
    assert [pick["id"] for pick in picks(call)] == ["t1", "t2"]
    assert fault_in(call.params) is None


def test_two_choices_of_one_label_are_told_apart_by_number() -> None:
    (call,) = rendered("Pick", "Yes", "Yes")
    assert [pick["title"] for pick in picks(call)] == ["1. Yes", "2. Yes"]


def test_a_long_text_leaves_its_end_for_the_buttons_and_takes_few_messages() -> None:
    words = [f"word{number}" for number in range(900)]
    calls = rendered(" ".join(words), "Yes", "No")
    assert " ".join(body(call) for call in calls).split() == words
    assert [call.params["type"] for call in calls[:-1]] == ["text"] * (len(calls) - 1)
    assert len(calls) <= 3
    assert utf16_units(body(calls[-1])) <= render.MAX_INTERACTIVE


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cf")), max_size=3000)
LABELS = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "C", "Z")), min_size=1, max_size=60))


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, labels=LABELS.map(lambda labels: labels[:30]))
def test_whatever_is_said_is_within_the_limits_and_every_choice_is_there(text: str, labels: list[str]) -> None:
    calls = rendered(text, *labels)
    assert [fault_in(call.params) for call in calls] == [None] * len(calls)
    if 0 < len(labels) <= render.MAX_ROWS:
        assert [pick["id"] for pick in picks(calls[-1])] == [choice.token for choice in choices(*labels)]
