"""The bytes of an answer, read back by an independent parser (F082, CHANNELS 4.8)."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.compose import compose
from core.errors import PermanentFailure
from core.model import Json
from tests.fakes import START

PARAMS: dict[str, Json] = {
    "from": "help@shop.example",
    "to": "jo@customer.example",
    "subject": "Re: Größe",
    "text": "Grüße\n.\nFrom here on",
    "in_reply_to": "<b@x>",
    "references": "<a@x> <b@x>",
    "root16": "0" * 16,
}
OUT_ID = "a" * 26
ALLOWED = {
    "Message-ID", "In-Reply-To", "References", "From", "To", "Subject", "Date", "Auto-Submitted",
    "X-Auto-Response-Suppress", "X-Frontdesk-Loop", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}  # fmt: skip


def composed(**changes: Json) -> tuple[EmailMessage, bytes]:
    _, raw = compose(PARAMS | changes, OUT_ID, "shop.example", START)
    return message_from_bytes(raw, policy=default), raw


def text_of(part: EmailMessage) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


def test_an_answer_says_that_it_is_automatic_and_what_it_answers() -> None:
    mail, raw = composed()
    assert mail["Message-ID"] == f"<{OUT_ID}.{'0' * 16}@shop.example>"
    assert mail["In-Reply-To"] == "<b@x>"
    assert mail["References"] == "<a@x> <b@x>"
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["Subject"] == "Re: Größe"
    assert mail["Date"].datetime == START
    assert text_of(mail) == "Grüße\n.\nFrom here on\n"
    assert b"\n" not in raw.replace(b"\r\n", b"")


def test_a_second_try_has_the_same_message_id() -> None:
    assert composed()[0]["Message-ID"] == composed(text="other")[0]["Message-ID"]


def test_text_stands_before_html() -> None:
    mail, _ = composed(html="<p>Grüße</p>")
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert [text_of(cast(EmailMessage, part)).strip() for part in mail.iter_parts()] == [
        "Grüße\n.\nFrom here on",
        "<p>Grüße</p>",
    ]


@pytest.mark.parametrize("text", ["a" * 100_000, "ü" * 50_000, "日本語" * 20_000, "x\n" * 1000, "", "\n"])
def test_no_line_is_longer_than_a_server_takes(text: str) -> None:
    mail, raw = composed(text=text)
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert text_of(mail).strip() == text.strip()


def test_long_ids_are_folded_and_not_encoded() -> None:
    """Outlook's ids are longer than a line, where the library would write encoded words."""
    ids = [f"<{'X' * 90}{number}@prod.outlook.example>" for number in range(11)]
    mail, raw = composed(references=" ".join(ids), in_reply_to=ids[-1], subject="s")
    assert str(mail["References"]).split() == ids
    assert b"=?" not in raw.partition(b"\r\n\r\n")[0]


HOSTILE = st.text(st.sampled_from("aé\r\n\x00\u2028\u0085 :<>@,;\"'=?_-\ud800\x0b\x1f"), max_size=60)


@given(subject=HOSTILE, text=HOSTILE, reply_to=HOSTILE, references=HOSTILE, html=HOSTILE)
def test_nothing_that_a_person_wrote_becomes_a_header(
    subject: str, text: str, reply_to: str, references: str, html: str
) -> None:
    """F082: no header and no recipient that we did not set."""
    mail, raw = composed(subject=subject, text=text, in_reply_to=reply_to, references=references, html=html)
    assert set(mail.keys()) <= ALLOWED
    assert len(mail.keys()) == len(set(mail.keys()))
    assert mail["To"] == "jo@customer.example"
    assert b"\x00" not in raw


@pytest.mark.parametrize(
    "subject",
    [
        "x=?utf-8?q?=0D=0A?=Bcc: all@evil.example",
        "x =?utf-8?q?=0D=0ABcc=3A_all=40evil.example?=",
        "y" * 70 + " =?utf-8?b?DQpCY2M6IGFsbEBldmlsLmV4YW1wbGU=?=",
        "Grüße =?utf-8?q?a=0A?=",
    ],
)
def test_a_line_end_that_is_encoded_twice_stays_encoded(subject: str) -> None:
    """F082: the incoming subject is decoded once, and `EmailMessage` would decode it once more."""
    mail, _ = composed(subject=subject)
    assert set(mail.keys()) <= ALLOWED
    assert str(mail["Subject"]) == subject


@pytest.mark.parametrize("to", ["jo@=?utf-8?q?=0D=0ABcc=3A_all=40evil.example?=", "=?utf-8?q?a?=@x.example"])
def test_an_encoded_word_is_no_address(to: str) -> None:
    """F082."""
    with pytest.raises(PermanentFailure):
        composed(to=to)


@pytest.mark.parametrize("to", ["", "a b", "a@b\r\nBcc: c@d.example", "a@b, c@d.example", "<a@b.example", "@"])
def test_what_is_not_one_address_is_refused_for_good(to: str) -> None:
    with pytest.raises(PermanentFailure):
        composed(to=to)


def test_an_address_outside_ascii_is_kept() -> None:
    _, raw = composed(to="jö@bücher.example")
    assert "jö@bücher.example".encode() in raw
