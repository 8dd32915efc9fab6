"""Replies -> calls of the Send API, within its limits."""

import json
from typing import Any

import pytest
from channels.base import Channel
from channels.contract import SomeWords
from core.events import Attachment
from core.replies import ApiCall, Choice, Reply
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from messenger_samples import MIRA

from frontdesk_messenger.parts import utf16_units
from frontdesk_messenger.render import ESCAPES, render

ADDRESS = {"id": MIRA}
LABELS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30), max_size=16
)


class Said:
    """Words that are there already."""

    def __init__(self, text: str) -> None:
        self._text = ESCAPES["text"](text)

    def block(self, name: str) -> str:
        return self._text

    def has(self, name: str) -> bool:
        return name == "text"


def choices(count: int, label: str = "Label") -> tuple[Choice, ...]:
    return tuple(Choice(token=f"t{n}", label=f"{label} {n}", value=f"v{n}") for n in range(count))


def contents(calls: tuple[ApiCall, ...]) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(call.params["message"])) for call in calls]


def said(text: str, *offered: Choice) -> list[dict[str, Any]]:
    return contents(render(Reply(template="t", choices=offered), Said(text), ADDRESS))


def test_a_reply_goes_to_the_person_as_a_response() -> None:
    (call,) = render(Reply(template="t"), Said("Hello"), ADDRESS)
    assert (call.method, call.bucket) == ("messages", MIRA)
    assert call.params == {"recipient": {"id": MIRA}, "messaging_type": "RESPONSE", "message": {"text": "Hello"}}


def test_up_to_three_choices_are_buttons_that_stay() -> None:
    (message,) = said("Pick one:", *choices(3))
    payload = message["attachment"]["payload"]
    assert (payload["template_type"], payload["text"]) == ("button", "Pick one:")
    assert payload["buttons"][0] == {"type": "postback", "title": "Label 0", "payload": "t0"}
    assert len(payload["buttons"]) == 3


@pytest.mark.parametrize(("text", "count"), [("Pick one:", 4), ("Pick one:", 13), ("x" * 641, 2)])
def test_more_choices_or_a_longer_text_are_quick_replies(text: str, count: int) -> None:
    (message,) = said(text, *choices(count))
    assert message["text"] == text
    assert [reply["payload"] for reply in message["quick_replies"]] == [f"t{n}" for n in range(count)]
    assert all(reply["content_type"] == "text" for reply in message["quick_replies"])


def test_more_than_thirteen_choices_are_a_list_to_be_answered_by_number() -> None:
    (message,) = said("Pick one:", *choices(14))
    assert "quick_replies" not in message
    assert "14. Label 13" in message["text"]


def test_a_label_that_no_button_can_show_stands_in_the_text_and_its_button_has_the_number() -> None:
    (message,) = said("Pick one:", *choices(2, "A label that is rather long"))
    payload = message["attachment"]["payload"]
    assert "1. A label that is rather long 0" in payload["text"]
    assert [button["title"] for button in payload["buttons"]] == [
        "1. A label that is\u2026",
        "2. A label that is\u2026",
    ]


def test_a_file_is_fetched_by_meta_from_its_address_and_comes_before_the_words() -> None:
    files = (
        Attachment(reference="https://example.org/a.png", kind="image"),
        Attachment(reference="https://example.org/a.pdf", kind="file"),
        Attachment(reference="F0SLACK", kind="file"),
    )
    reply = Reply(template="t", attachments=files)
    image, file, words = contents(render(reply, Said("Here they are."), ADDRESS))
    assert image == {"attachment": {"type": "image", "payload": {"url": "https://example.org/a.png"}}}
    assert file["attachment"]["type"] == "file"
    assert words == {"text": "Here they are."}
    assert len(render(reply, Said(""), ADDRESS)) == 2, "Messenger refuses a message without words"


def test_choices_are_on_the_last_part_of_a_long_text() -> None:
    *before, last = said("word " * 900, *choices(2))
    assert len(before) == 2
    assert all(set(message) == {"text"} for message in before)
    assert last.get("quick_replies") or last.get("attachment")


@effort(max_examples=150, deadline=None)
@given(text=st.text(max_size=3000), labels=LABELS)
def test_nothing_is_over_a_limit_and_nothing_is_lost(text: str, labels: list[str]) -> None:
    offered = tuple(Choice(token=f"t{n}", label=label, value=label) for n, label in enumerate(labels))
    messages = said(text, *offered)
    texts = [str(m.get("text", m.get("attachment", {}).get("payload", {}).get("text"))) for m in messages]
    assert all(utf16_units(part) <= 2000 for part in texts)
    for message in messages:
        template = message.get("attachment", {}).get("payload", {})
        buttons = message.get("quick_replies", template.get("buttons", []))
        assert all(0 < utf16_units(button["title"]) <= 20 for button in buttons)
        assert len(buttons) <= (3 if template else 13)
        assert not template or utf16_units(template["text"]) <= 640
    shown = json.dumps(messages, ensure_ascii=False)
    assert all(json.dumps(label, ensure_ascii=False)[1:-1] in shown for label in labels)
    assert (
        "".join(ESCAPES["text"](text).split())
        == "".join("".join(texts).split())[: len("".join(ESCAPES["text"](text).split()))]
    )


def test_the_words_of_a_template_reach_the_call(channel: Channel) -> None:
    (call,) = channel.render(Reply(template="t"), SomeWords(channel, "<b> & *stars*"), ADDRESS)
    assert contents((call,)) == [{"text": "<b> & *stars*"}]
