import html
import re
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.telegram.markup import escape_html, parse, plain_text, split_html, to_html, utf16_units
from channels.telegram.render import ESCAPES, MAX_CALLBACK_BYTES, MAX_TEXT_UTF16_UNITS, render
from core.events import Address, Attachment
from core.replies import ApiCall, Choice, Reply

HERE: Address = {"chat_id": "5001"}
TEXTS = st.text(alphabet=st.one_of(st.sampled_from('ab \n.!?&<>"😀👨\u200d👩🏽e\u0301'), st.characters(codec="utf-8")))
MARKUP = st.lists(
    st.one_of(
        TEXTS.map(escape_html),
        st.sampled_from(
            ["<b>", "</b>", "<i>", "</i>", "<code>", "</code>", '<a href="https://x.org?a=1&amp;b">', "</a>"]
        ),
        st.sampled_from(["<", "&", "<br>", "</u>", "<script>", "&lt;"]),
    ),
    max_size=30,
).map("".join)
TAG = re.compile(r"<(/?)([a-z-]+)[^<>]*>")


@dataclass
class FakeWords:
    text: str

    def block(self, name: str) -> str:
        assert name == "text"
        return self.text

    def has(self, name: str) -> bool:
        return name == "text"


def rendered(text: str, reply: Reply | None = None, address: Address = HERE) -> tuple[ApiCall, ...]:
    return render(reply or Reply(template="any"), FakeWords(text), address)


def choices(*labels: str) -> tuple[Choice, ...]:
    return tuple(Choice(token=f"t{n:023}", label=label, value=str(n)) for n, label in enumerate(labels))


def keyboard(call: ApiCall) -> list[list[dict[str, str]]]:
    return cast("Any", call.params["reply_markup"])["inline_keyboard"]  # type: ignore[no-any-return]


def is_balanced(markup: str) -> bool:
    stack: list[str] = []
    for closing, name in TAG.findall(markup):
        if not closing:
            stack.append(name)
        elif not stack or stack.pop() != name:
            return False
    return not stack


def without_space(text: str) -> str:
    return "".join(text.split())


# Markup


@given(TEXTS)
def test_escaped_text_is_only_text_and_reads_back_the_same(text: str) -> None:
    escaped = escape_html(text)
    assert not set('<>"') & set(escaped)
    assert html.unescape(escaped) == text or "\x00" in text
    assert plain_text(escaped) == html.unescape(escaped)


def test_the_block_text_is_escaped_as_html() -> None:
    assert ESCAPES["text"]('<b onclick="x">&') == "&lt;b onclick=&quot;x&quot;&gt;&amp;"


@given(MARKUP)
def test_written_markup_is_balanced_and_reading_it_again_changes_nothing_t13(markup: str) -> None:
    written = to_html(parse(markup))
    assert is_balanced(written)
    assert plain_text(written) == plain_text(markup)
    assert to_html(parse(written)) == written


@given(MARKUP, st.integers(2, 40))
def test_splitting_loses_nothing_keeps_the_limit_and_balances_every_part_t12_t14_f055(markup: str, limit: int) -> None:
    parts = split_html(markup, limit)
    assert without_space("".join(map(plain_text, parts))) == without_space(plain_text(markup))
    for part in parts:
        assert 0 < utf16_units(plain_text(part)) <= limit
        assert len(plain_text(part).encode("utf-16-le")) // 2 <= limit
        assert is_balanced(part)


@pytest.mark.parametrize(
    ("markup", "written"),
    [
        ("<b>bold", "<b>bold</b>"),
        ("<b><i>x</b>y", "<b><i>x</i></b>y"),
        ("a </b>b", "a b"),
        ("1 < 2 & <br>", "1 &lt; 2 &amp; &lt;br&gt;"),
        ("<pre>a</pre><pre>b</pre>", "<pre>a</pre><pre>b</pre>"),
        ('<a href="u">x</a>', '<a href="u">x</a>'),
    ],
)
def test_careless_markup_is_mended_t13(markup: str, written: str) -> None:
    assert to_html(parse(markup)) == written


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("ones\n\ntwo three", 9, ("ones", "two three")),
        ("aaaa\n\nbb\nccc", 9, ("aaaa", "bb\nccc")),
        ("aaaaaa\nbbbb", 9, ("aaaaaa", "bbbb")),
        ("Yes it. No nope", 12, ("Yes it.", "No nope")),
        ("aaa bbb", 5, ("aaa", "bbb")),
        ("aaa bbb", 3, ("aaa", "bbb")),
        ("abcdef", 4, ("abcd", "ef")),
        ("ab😀c", 3, ("ab", "😀c")),
        ("abe\u0301", 3, ("ab", "e\u0301")),
        ("ab👩\u200d💻", 5, ("ab", "👩\u200d💻")),
        ("ab👍🏽", 4, ("ab", "👍🏽")),
        ("  ", 5, ()),
    ],
)
def test_a_cut_falls_on_the_coarsest_seam_and_never_inside_a_character(
    text: str, limit: int, parts: tuple[str, ...]
) -> None:
    assert split_html(text, limit) == parts


def test_a_character_stacked_beyond_reason_is_still_cut() -> None:
    assert [utf16_units(part) for part in split_html("a" + "\u0301" * 100, 50)] == [50, 50, 1]


def test_tags_are_closed_at_a_cut_and_opened_again_t14() -> None:
    assert split_html('<b>bold <a href="u">link here</a></b>', 6) == (
        "<b>bold</b>",
        '<b><a href="u">link</a></b>',
        '<b><a href="u">here</a></b>',
    )


@pytest.mark.parametrize(
    ("markup", "parts"),
    [
        ('bold <a href="u">link here</a>', ("bold", '<a href="u">link here</a>')),
        ("one <pre>a\n\nb</pre> two", ("one", "<pre>a\n\nb</pre> two")),
        ("<b>one</b> <i>two <u>six</u></i>", ("<b>one</b>", "<i>two <u>six</u></i>")),
        ("see https://x.io", ("see", "https://x", ".io")),
        ("a b c://x", ("a b c://x",)),
    ],
)
def test_an_entity_or_link_that_one_part_holds_is_never_cut_t14(markup: str, parts: tuple[str, ...]) -> None:
    assert split_html(markup, 9) == parts


# Calls


def test_words_become_one_message_without_link_preview() -> None:
    (call,) = rendered("<b>Hi</b> &amp; welcome", Reply(template="greeting", kind="question"))
    assert (call.method, call.bucket, call.kind, call.role) == ("sendMessage", "5001", "question", "message")
    assert call.params == {
        "chat_id": 5001,
        "text": "<b>Hi</b> &amp; welcome",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def test_a_topic_and_the_message_in_a_group_are_answered_where_they_stand() -> None:
    long = "word " * 1000
    first, second = rendered(long, address={"chat_id": "-1001", "message_thread_id": "60", "reply_to": "61"})
    assert [call.params["message_thread_id"] for call in (first, second)] == [60, 60]
    assert first.params["reply_parameters"] == {"message_id": 61, "allow_sending_without_reply": True}
    assert "reply_parameters" not in second.params


def test_emoji_count_twice_and_buttons_stand_under_the_last_part_only_t12_t14() -> None:
    reply = Reply(template="any", choices=choices("Yes", "No"))
    calls = rendered("😀" * 3000, reply)
    texts = [str(call.params["text"]) for call in calls]
    assert [utf16_units(text) for text in texts] == [MAX_TEXT_UTF16_UNITS, 6000 - MAX_TEXT_UTF16_UNITS]
    assert ["reply_markup" in call.params for call in calls] == [False, True]


def test_short_labels_share_a_row_and_long_ones_stand_alone_t16() -> None:
    reply = Reply(template="any", choices=choices("Yes", "No", "Maybe", "I would like to talk to a person", "Later"))
    (call,) = rendered("?", reply)
    assert [[button["text"] for button in row] for row in keyboard(call)] == [
        ["Yes", "No"],
        ["Maybe"],
        ["I would like to talk to a person"],
        ["Later"],
    ]


def test_every_token_survives_and_fits_t15() -> None:
    offered = choices(*(f"Choice {n}" for n in range(100)))
    (call,) = rendered("?", Reply(template="any", choices=offered))
    data = [button["callback_data"] for row in keyboard(call) for button in row]
    assert data == [choice.token for choice in offered]
    assert max(len(token.encode()) for token in data) <= MAX_CALLBACK_BYTES


def test_more_choices_than_buttons_become_a_numbered_list_t16() -> None:
    (call,) = rendered("?", Reply(template="any", choices=choices(*["<A>"] * 101)))
    assert "reply_markup" not in call.params
    assert str(call.params["text"]).endswith("101. &lt;A&gt;")


def test_a_press_is_answered_before_anything_else_t15() -> None:
    aside, said = rendered("Done", Reply(template="any", kind="side_effect"), HERE | {"callback_id": "770011"})
    assert (aside.method, aside.role, aside.params) == (
        "answerCallbackQuery",
        "aside",
        {"callback_query_id": "770011"},
    )
    assert aside.bucket != said.bucket
    assert (aside.kind, said.role) == ("side_effect", "message")


def test_files_go_before_the_words() -> None:
    files = (Attachment(reference="p", kind="image"), Attachment(reference="https://x.org/a.pdf"))
    calls = rendered("See above", Reply(template="any", attachments=files))
    assert [call.method for call in calls] == ["sendPhoto", "sendDocument", "sendMessage"]
    assert calls[0].params == {"chat_id": 5001, "photo": "p"}
    assert calls[1].params["document"] == "https://x.org/a.pdf"
