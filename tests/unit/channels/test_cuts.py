"""Where long texts are cut (F055, F087, T14), and that rendering keeps the limits it is told (rows 193, 194)."""

import html
import random
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.cuts import FORMATTED, is_between_characters, split_plain, utf8_bytes, utf16_units
from channels.email.render import CAPABILITIES as EMAIL
from channels.inbound import Capabilities
from channels.slack.mrkdwn import split_mrkdwn
from channels.slack.render import CAPABILITIES as SLACK
from channels.telegram.markup import split_html
from channels.telegram.render import CAPABILITIES as TELEGRAM
from channels.web.render import CAPABILITIES as WEB
from channels.whatsapp.cloud.render import CAPABILITIES as CLOUD
from channels.whatsapp.render import CAPABILITIES as TWILIO
from core.dialogue.choices import token
from core.events import Attachment
from core.ids import EventId
from core.replies import ApiCall, Choice, Reply
from hub.fidelity.platforms import BY_NAME, PLATFORMS, Platform
from hub.fidelity.shown import shown

CLUSTERS = (
    *("e\u0301", "a\u0308\u0323", "\U0001f1e9\U0001f1ea", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "1\ufe0f\u20e3"),
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",  # a family
    "\U0001f3f3\ufe0f\u200d\U0001f308",  # the rainbow flag
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # England's flag, spelt with tags
    "\u0e01\u0e33",  # Thai with am
    "\u0915\u094d\u0937\u093f",  # Hindi: two consonants joined by a virama, and a vowel sign
    "\u1112\u1161\u11ab",  # a Korean syllable in its parts
    "\uac00\u11a8",  # and one that is half composed
    "\u0600\u0661",  # an Arabic number sign before its digit
)
PLAIN = st.text(alphabet="ab .!\n", max_size=30)


class Words:
    def __init__(self, **blocks: str) -> None:
        self.blocks = blocks

    def block(self, name: str) -> str:
        return self.blocks[name]

    def has(self, name: str) -> bool:
        return name in self.blocks


def choices(count: int, label: str = "Choice") -> tuple[Choice, ...]:
    return tuple(
        Choice(token=token(b"key", EventId("e"), 0, n), label=f"{label} {n}", value=str(n)) for n in range(count)
    )


def rendered(platform: Platform, text: str, limits: Capabilities, count: int = 0) -> tuple[ApiCall, ...]:
    words = {name: escape(text) for name, escape in platform.escapes.items() if name in ("text", "html")}
    return platform.shape(Reply(template="t", choices=choices(count)), Words(**words), platform.address, limits)


# Visible characters


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_visible_character_is_never_cut_whatever_it_is_made_of(cluster: str) -> None:
    """F055, F087, T14: on every splitter, at every place where the limit may fall."""
    for before in range(len(cluster) + 2):
        text = "x" * before + cluster + "y" * 9
        limit = before + len(cluster) - 1
        for parts in (
            split_plain(text, max(limit, utf16_units(cluster)), utf16_units),
            split_mrkdwn(text, max(limit, len(cluster))),
            split_html(text, max(limit, utf16_units(cluster))),
        ):
            assert "".join(parts) == text
            assert any(cluster in part for part in parts), parts


def test_flags_are_counted_in_pairs() -> None:
    flags = "\U0001f1e9\U0001f1ea" * 4
    assert [at for at in range(len(flags) + 1) if is_between_characters(flags, at)] == [0, 2, 4, 6, 8]


@given(st.text(max_size=40))
def test_a_boundary_has_no_mark_and_no_joiner_at_it(text: str) -> None:
    for at in (at for at in range(1, len(text)) if is_between_characters(text, at)):
        assert text[at - 1] != "\u200d" != text[at]
        assert not unicodedata.category(text[at]).startswith("M")


# Links, code, formatted runs

WHOLE = (
    *("https://example.org/a/very/long/path?with=a&query=b", "*bold words here*", "_italic words_", "~struck out~"),
    *("```\nline one\n\nline two\n```", "`some code`"),
)


@given(before=PLAIN, after=PLAIN, whole=st.sampled_from(WHOLE), room=st.integers(0, 30))
def test_a_link_code_or_formatted_run_that_a_message_holds_is_in_one_piece(
    before: str, after: str, whole: str, room: int
) -> None:
    """T14, W23"""
    text, limit = f"{before} {whole} {after}", len(whole) + room
    for parts in (split_plain(text, limit, len, FORMATTED), split_mrkdwn(text, limit)):
        assert any(whole in part for part in parts), parts
        assert all(len(part) <= limit for part in parts)
        assert "".join("".join(parts).split()) == "".join(text.split())


@given(before=PLAIN, after=PLAIN, tag=st.sampled_from(["b", "a", "pre", "code", "blockquote"]), room=st.integers(0, 30))
def test_a_telegram_entity_that_a_message_holds_is_in_one_piece(before: str, after: str, tag: str, room: int) -> None:
    """T14"""
    inside = "some words.\n\nAnd more"
    parts = split_html(f"{before} <{tag}>{inside}</{tag}> {after}", len(inside) + room)
    assert any(f"<{tag}>{inside}</{tag}>" in part for part in parts), parts


@pytest.mark.parametrize(
    "text",
    [
        "```" + "a b\n" * 4_000,
        "*" * 20_000,
        "_a*" * 6_000,
        "`" * 15_000,
        "```" * 5_000,
        "\n " * 8_000,
        "https://" * 2_000,
    ],
    ids=["open fence", "stars", "mixed marks", "ticks", "fences", "line ends", "link"],
)
@pytest.mark.timeout(20)
def test_text_that_is_all_syntax_is_cut_all_the_same(text: str) -> None:
    for parts, limit in ((split_plain(text, 1_600, utf16_units, FORMATTED), 1_600), (split_mrkdwn(text, 3_000), 3_000)):
        assert "".join("".join(parts).split()) == "".join(text.split())
        assert all(len(part) <= limit for part in parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two. three\n\nfour five", ("one two. three", "four five")),
        ("one two. three\nfour five", ("one two. three", "four five")),
        ("one two three. four five", ("one two three.", "four five")),
        ("onetwo thr fourfive", ("onetwo thr", "fourfive")),
        ("a" * 20, ("a" * 16, "a" * 4)),
    ],
)
def test_paragraph_comes_before_line_before_sentence_before_word_before_character(
    text: str, parts: tuple[str, ...]
) -> None:
    assert split_plain(text, 16) == parts


# Capabilities


def test_each_platform_counts_in_its_own_units() -> None:
    """T12, W21: an emoji is one code point, two UTF-16 units, four bytes."""
    units = {platform.name: platform.limits.measure("\U0001f600") for platform in PLATFORMS}
    assert units == {"slack": 1, "telegram": 2, "whatsapp": 2, "whatsapp-cloud": 2, "email": 1, "web": 1}
    assert utf8_bytes("\U0001f600") == 4
    assert TELEGRAM.text_counted == "after_entities"


@pytest.mark.parametrize(
    ("limits", "facts"),
    [
        (
            SLACK,
            {"max_section": 3_000, "max_sections": 50, "max_fallback": 40_000, "max_buttons": 25, "max_options": 100},
        ),
        (TELEGRAM, {"max_text": 4_096, "max_buttons": 100, "max_token_bytes": 64}),
        (TWILIO, {"max_text": 1_600, "max_buttons": 0}),
        (CLOUD, {"max_text": 4_096, "max_text_over_choices": 1_024, "max_buttons": 3, "max_button_label": 20}),
        (CLOUD, {"max_options": 10, "max_option_label": 24}),
        (EMAIL, {"max_subject": 250, "max_buttons": 0}),
        (WEB, {"max_text": 8_000, "max_buttons": 20}),
    ],
    ids=["slack", "telegram", "twilio", "cloud", "cloud list", "email", "web"],
)
def test_the_limits_are_those_of_the_platforms(limits: Capabilities, facts: dict[str, int]) -> None:
    """T12, T15, T16, W21, CHANNELS 1.5"""
    assert limits.model_dump(include=set(facts)) == facts


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
def test_a_token_fits_what_a_button_carries(platform: Platform) -> None:
    """T15"""
    most = platform.limits.max_token_bytes
    assert most is None or len(token(b"key", EventId("e" * 300), 9, 99).encode()) <= most


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
def test_rendering_keeps_the_limits_of_the_account_it_is_for(platform: Platform) -> None:
    dice = random.Random(7)
    tight = platform.limits.model_copy(
        update={
            "max_text": 400,
            "max_section": 200,
            "max_text_over_choices": 90,
            "max_buttons": min(2, platform.limits.max_buttons),
        }
        | {"max_options": min(4, platform.limits.max_options), "max_button_label": 12, "max_option_label": 12}
    )
    for count in range(7):
        text = " ".join("".join(dice.choices("abc\U0001f600", k=dice.randint(1, 9))) for _ in range(300))
        calls = rendered(platform, text, tight, count)
        messages = shown(Platform(**{**vars(platform), "limits": tight}), calls)
        assert len(messages) > 2
        assert all(message.used <= message.limit <= 400 for message in messages)
        assert "".join(text.split()) in "".join("".join(message.text for message in messages).split())
        assert all(not message.buttons for message in messages[:-1])
        last = messages[-1]
        assert len([button for row in last.rows for button in row]) <= tight.max_buttons
        assert len(last.options) <= tight.max_options
        assert all(tight.measure(button.label) <= 12 for button in last.buttons)
        assert len(last.buttons) in (0, count)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
def test_a_file_that_has_an_address_is_in_the_message(platform: Platform) -> None:
    """DEMAND part 1: nothing is dropped in silence."""
    files = (Attachment(reference="https://example.org/form.pdf", name="The form"),)
    words = Words(text="Here", html="<p>Here</p>")
    calls = platform.shape(Reply(template="t", attachments=files), words, platform.address, platform.limits)
    said = " ".join(str(value) for call in calls for value in call.params.values())
    assert "https://example.org/form.pdf" in said
    assert "Here" in said


def test_a_mail_longer_than_one_may_be_becomes_several_with_the_choices_under_the_last() -> None:
    email = BY_NAME["email"]
    text = " ".join(f"word{number}" for number in range(30_000))
    calls = rendered(email, text, email.limits, 2)
    bodies = [str(call.params["text"]) for call in calls]
    assert len(bodies) > 2
    assert all(len(body) <= EMAIL.max_text for body in bodies)
    assert " ".join(bodies).split() == [*text.split(), "1.", "Choice", "0", "2.", "Choice", "1"]
    assert not any("html" in call.params for call in calls)


def test_a_subject_that_is_too_long_says_that_there_was_more() -> None:
    email = BY_NAME["email"]
    (call,) = email.shape(Reply(template="t"), Words(text="x"), {**email.address, "subject": "long " * 99}, EMAIL)
    subject = str(call.params["subject"])
    assert len(subject) <= 250
    assert subject.endswith("\u2026")


def test_telegram_counts_what_is_shown_and_not_the_tags() -> None:
    """T12"""
    telegram = BY_NAME["telegram"]
    bold = "<b>" + "&lt;" * 4_096 + "</b>"
    calls = telegram.shape(Reply(template="t"), Words(text=bold), telegram.address, TELEGRAM)
    assert len(calls) == 1
    assert html.unescape(re.sub("<[^>]*>", "", str(calls[0].params["text"]))) == "<" * 4_096


# Slack's own blocks


def own(text: str, kind: str = "section") -> str:
    said = {"section": {"type": "mrkdwn"}, "header": {"type": "plain_text"}}[kind] | {"text": text}
    return str([{"type": kind, "text": said}]).replace("'", '"')


def blocks_of(calls: tuple[ApiCall, ...]) -> list[dict[str, Any]]:
    return [block for call in calls for block in call.params["blocks"]]  # type: ignore[union-attr, misc]


@pytest.mark.parametrize(
    "blocks",
    [
        own("x" * 3_001),
        own("x" * 151, "header"),
        own(" "),
        '[{"type": "section"}]',
        '[{"type": "context", "elements": []}]',
        '[{"type": "section", "fields": [' + ",".join(['{"type": "mrkdwn", "text": "x"}'] * 11) + "]}]",
        '[{"type": "image", "image_url": "https://example.org/a.png"}]',
        '[{"type": "context", "elements": ["x"]}]',
    ],
    ids=["section", "header", "blank", "no text", "no elements", "fields", "no alt text", "no element"],
)
def test_own_blocks_that_slack_would_refuse_give_way_to_words_that_arrive(blocks: str) -> None:
    slack = BY_NAME["slack"]
    calls = slack.shape(Reply(template="t"), Words(text="the words", blocks=blocks), slack.address, SLACK)
    assert blocks_of(calls) == [{"type": "section", "text": {"type": "mrkdwn", "text": "the words"}}]


@pytest.mark.parametrize("blocks", [own("x" * 3_000), own("x" * 150, "header"), '[{"type": "divider"}]'])
def test_own_blocks_within_the_limits_are_kept(blocks: str) -> None:
    slack = BY_NAME["slack"]
    calls = slack.shape(Reply(template="t"), Words(text="the words", blocks=blocks), slack.address, SLACK)
    assert blocks_of(calls)[0]["type"] in blocks
    assert calls[0].params["text"] == "the words"
