"""Replies into calls that Slack's own models accept: CHANNELS 1.5, F055."""

from typing import Any, cast

import pytest
from slack_sdk.models.blocks import Block

from channels.slack.channel import SlackChannel
from channels.slack.mrkdwn import escape_mrkdwn
from channels.slack.render import ESCAPES, MAX_ALL_BLOCKS, MAX_BLOCKS, MAX_SECTION, render
from core.errors import ConfigError
from core.events import Attachment
from core.replies import ApiCall, Choice, Reply
from tests.unit.channels.slack.slack_samples import FakeWords

THREAD = {"channel": "C0HELP", "user": "U0ANNA", "thread_ts": "1763812800.000100"}


def choices(count: int, label: str = "Option") -> tuple[Choice, ...]:
    return tuple(Choice(token=f"tok-{n}", label=f"{label} {n}", value=str(n)) for n in range(1, count + 1))


def shaped(
    text: str = "Hello", count: int = 0, address: dict[str, str] | None = None, **blocks: str
) -> tuple[ApiCall, ...]:
    reply = Reply(template="t", choices=choices(count), kind="question")
    calls = render(reply, FakeWords(text=text, **blocks), address or THREAD)
    for call in calls:
        accepted_by_slack(call)
    return calls


def blocks_of(call: ApiCall) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", call.params["blocks"])


def accepted_by_slack(call: ApiCall) -> None:
    """Ask slack_sdk's models; they drop what they do not know, so the counts must agree."""
    blocks = blocks_of(call)
    parsed = [block for block in Block.parse_all(blocks) if block is not None]
    for block in parsed:
        block.validate_json()
    assert len(parsed) == len(blocks) <= MAX_BLOCKS
    assert len(str(call.params["text"])) <= 40_000
    written = sum(len(block["text"]["text"]) for block in blocks if block["type"] == "section")
    assert written <= MAX_ALL_BLOCKS
    actions = [element["action_id"] for block in blocks for element in block.get("elements", [])]
    assert len(actions) == len(set(actions))


def buttons_of(call: ApiCall) -> list[dict[str, Any]]:
    return [element for block in blocks_of(call) if block["type"] == "actions" for element in block["elements"]]


def test_a_short_reply_is_one_call_with_text_and_a_section():
    (call,) = shaped("Hello *Anna*")
    assert call.model_dump() == {
        "method": "chat.postMessage",
        "params": {
            "channel": "C0HELP",
            "text": "Hello *Anna*",
            "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "Hello *Anna*"}}],
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
            "thread_ts": "1763812800.000100",
        },
        "bucket": "C0HELP",
        "kind": "question",
        "role": "message",
    }


def test_a_direct_message_is_answered_without_a_thread():
    (call,) = shaped(address={"channel": "D0ANNA", "user": "U0ANNA"})
    assert "thread_ts" not in call.params


@pytest.mark.parametrize("count", [1, 25])
def test_every_token_gets_a_button(count: int):
    (call,) = shaped(count=count)
    assert [button["value"] for button in buttons_of(call)] == [f"tok-{n}" for n in range(1, count + 1)]
    assert buttons_of(call)[0]["action_id"] == "choice:1"


@pytest.mark.parametrize("count", [26, 60])
def test_more_choices_than_buttons_are_a_select(count: int):
    (call,) = shaped(count=count)
    (select,) = buttons_of(call)
    assert select["type"] == "static_select"
    assert [option["value"] for option in select["options"]] == [f"tok-{n}" for n in range(1, count + 1)]
    assert "Option" not in str(call.params["text"])


def test_more_choices_than_a_select_holds_are_numbered():
    (call,) = shaped(count=101)
    assert buttons_of(call) == []
    assert str(call.params["text"]).endswith("\n101. Option 101")


def test_options_too_long_for_one_message_are_numbered():
    reply = Reply(template="t", choices=choices(90, "x" * 70))
    calls = render(reply, FakeWords(text="?"), THREAD)
    for call in calls:
        accepted_by_slack(call)
    assert not any(buttons_of(call) for call in calls)
    assert all(choice.label in "".join(str(call.params["text"]) for call in calls) for choice in reply.choices)


def test_a_long_label_stands_whole_in_the_text_and_its_number_on_the_button():
    reply = Reply(template="t", choices=(Choice(token="t" * 24, label="ä" * 200, value="v"),))
    (call,) = render(reply, FakeWords(text="?"), THREAD)
    accepted_by_slack(call)
    (button,) = buttons_of(call)
    assert len(button["text"]["text"]) == 75
    assert button["text"]["text"].startswith("1. ää")
    assert call.params["text"] == "?\n\n1. " + "ä" * 200
    assert button["value"] == "t" * 24


@pytest.mark.parametrize("length", [3_000, 3_001, 12_000, 12_001, 50_000])
def test_a_long_text_becomes_several_calls_and_loses_nothing(length: int):
    """F055"""
    words = " ".join(f"word{n}" for n in range(length))[:length].strip()
    calls = shaped(words, count=3)
    assert "".join(str(call.params["text"]) for call in calls) == words
    shown = "".join(block["text"]["text"] for call in calls for block in blocks_of(call) if block["type"] == "section")
    assert shown == words
    assert [bool(buttons_of(call)) for call in calls] == [False] * (len(calls) - 1) + [True]


def test_a_full_message_leaves_its_last_piece_to_the_buttons():
    calls = shaped("x" * 12_000, count=25)
    assert len(calls) == 2
    assert len(buttons_of(calls[-1])) == 25


def test_escapes_are_never_cut():
    calls = shaped(escape_mrkdwn("<&>" * 4_000))
    for call in calls:
        for block in blocks_of(call):
            assert len(block["text"]["text"]) <= MAX_SECTION
            assert block["text"]["text"].replace("&lt;", "").replace("&gt;", "").replace("&amp;", "") == ""


def test_blank_pieces_show_nothing_because_slack_refuses_them():
    calls = shaped("a" + " " * 7_000 + "b")
    assert all(block["text"]["text"].strip() for call in calls for block in blocks_of(call))


def test_a_reply_without_words_or_buttons_is_no_call():
    assert shaped("  ") == ()


def test_a_template_may_bring_its_own_blocks():
    own = '[{"type": "header", "text": {"type": "plain_text", "text": "Order"}}, {"type": "divider"}]'
    (call,) = shaped("Order", count=1, blocks=own)
    assert [block["type"] for block in blocks_of(call)] == ["header", "divider", "actions"]
    assert call.params["text"] == "Order"


def test_own_blocks_that_do_not_fit_give_way_to_the_plain_form():
    own = "[" + ",".join(['{"type": "divider"}'] * 51) + "]"
    (call,) = shaped("Order", blocks=own)
    assert [block["type"] for block in blocks_of(call)] == ["section"]


@pytest.mark.parametrize("own", ["{", "{}", '["x"]', ""])
def test_own_blocks_that_are_no_blocks_are_a_mistake_of_the_template(own: str):
    with pytest.raises(ConfigError, match="blocks of a Slack template"):
        shaped(blocks=own)


def test_what_a_user_wrote_cannot_leave_its_place_in_a_block():
    """F081, F083: quotes, line ends, pings and braces stay text."""
    hostile = '"}, {"type": "divider"}, {"a": "\n\\ <!channel> {{7*7}}'
    own = f'[{{"type": "section", "text": {{"type": "mrkdwn", "text": "{ESCAPES["blocks"](hostile)}"}}}}]'
    (call,) = shaped("x", blocks=own)
    (block,) = blocks_of(call)
    assert block["text"]["text"] == escape_mrkdwn(hostile)
    assert "<!channel>" not in block["text"]["text"]


def test_a_file_with_an_address_becomes_a_link_that_its_name_cannot_break():
    files = (
        Attachment(reference="https://example.org/a?b=1&c=2", name="<!channel>|x"),
        Attachment(reference="F0INTERNAL"),
    )
    (call,) = render(Reply(template="t", attachments=files), FakeWords(text="Here"), THREAD)
    accepted_by_slack(call)
    assert call.params["text"] == "Here\n<https://example.org/a?b=1&amp;c=2|&lt;!channel&gt;%7Cx>"


@pytest.mark.parametrize("channel", ["D0ANNA", "U0ANNA"])
def test_the_calls_to_one_person_share_a_bucket_whichever_id_the_address_has(channel: str):
    """Their order holds within a bucket, and Slack counts them as one channel."""
    (call,) = shaped(address={"channel": channel, "user": "U0ANNA"})
    assert (call.params["channel"], call.bucket) == (channel, "U0ANNA")


def test_the_longest_text_that_is_promised_fits_into_one_message():
    longest = SlackChannel.capabilities.max_text
    assert len(shaped("x" * longest)) == 1
    assert len(shaped("x" * (longest + 1))) == 2
