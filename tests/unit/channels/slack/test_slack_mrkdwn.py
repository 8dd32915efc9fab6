"""Slack's text format, in and out: S14, F055, F087."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.slack.mrkdwn import escape_block_json, escape_mrkdwn, plain_text, split_mrkdwn


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<@UBOT> help", "help"),
        ("<@UBOT|frontdesk>: help", "help"),
        ("please <@UBOT> help", "please help"),
        ("ask <@U1> or <@U2|anna>", "ask @U1 or @anna"),
        ("in <#C1|general> and <#C2|> and <#C3>", "in #general and #C2 and #C3"),
        ("<!here> <!channel> <!everyone>", "@here @channel @everyone"),
        ("<!subteam^S1|@it> <!subteam^S2>", "@it @S2"),
        ("<!date^1392734382^{date}|yesterday>", "yesterday"),
        ("<https://example.org/a?b=1&amp;c=2>", "https://example.org/a?b=1&c=2"),
        ("<https://example.org|the page>", "the page (https://example.org)"),
        ("<http://example.org|example.org>", "http://example.org"),
        ("<mailto:a@example.org|a@example.org>", "a@example.org"),
        ("<mailto:a@example.org|write us>", "write us (a@example.org)"),
        ("<tel:+4930123|+4930123>", "+4930123"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&lt;@UBOT&gt; literally", "<@UBOT> literally"),
        ("&amp;lt; stays escaped once", "&lt; stays escaped once"),
        ("a < b", "a < b"),
        ("", ""),
    ],
)
def test_what_people_wrote_becomes_plain_text(written: str, read: str):
    """S14"""
    assert plain_text(written, "UBOT") == read


def test_a_customer_of_another_channel_cannot_ping_the_workspace():
    """SECURITY S7"""
    assert escape_mrkdwn("<!channel> & <@U1>") == "&lt;!channel&gt; &amp; &lt;@U1&gt;"


@given(st.text())
def test_what_is_escaped_is_read_back_as_it_was(text: str):
    assert plain_text(escape_mrkdwn(text)) == text.strip()


@given(st.text())
def test_a_text_in_a_block_stays_inside_its_string(text: str):
    assert json.loads(f'["{escape_block_json(text)}"]') == [escape_mrkdwn(text)]


@given(st.text(alphabet=" \n.ab&<>é🙂", max_size=300), st.integers(12, 60))
def test_splitting_loses_nothing_and_keeps_the_limit(text: str, limit: int):
    """F055"""
    escaped = escape_mrkdwn(text)
    pieces = split_mrkdwn(escaped, limit)
    assert "".join(pieces) == escaped
    assert all(len(piece) <= limit for piece in pieces)
    assert "".join(plain_text(f"|{piece}|")[1:-1] for piece in pieces) == text, "no cut goes through an escape"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("first part\n\nsecond part", ["first part\n\n", "second part"]),
        ("first line\nsecond line", ["first line\n", "second line"]),
        ("a sentence. another one", ["a sentence. ", "another one"]),
        ("onewordwithoutanyspace", ["onewordwithout", "anyspace"]),
    ],
)
def test_a_cut_is_made_at_the_best_place(text: str, pieces: list[str]):
    assert split_mrkdwn(text, 14) == pieces


def test_a_link_is_kept_whole():
    assert split_mrkdwn("see it <https://x.y|a b>", 18) == ["see it ", "<https://x.y|a b>"]
    assert split_mrkdwn("see it now <https://x.y|a b> or not", 27) == ["see it now ", "<https://x.y|a b> or not"]


@pytest.mark.parametrize("cluster", ["👩‍👩‍👧", "👍🏽", "é", "❤️"])
def test_a_visible_character_is_never_cut(cluster: str):
    """F087"""
    text = "x" * 19 + cluster + "y" * 5
    pieces = split_mrkdwn(text, 20)
    assert "".join(pieces) == text
    assert any(cluster in piece for piece in pieces)


def test_a_hostile_pile_of_combining_marks_is_cut_all_the_same():
    text = "a" + "\u0301" * 10_000
    assert "".join(split_mrkdwn(text, 3000)) == text


def test_a_long_run_of_open_brackets_is_read_in_no_time():
    assert plain_text("<" * 100_000) == "<" * 100_000
