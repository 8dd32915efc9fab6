"""A mail becomes one event; a broken one is `MalformedPayload` and nothing else."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email.identity import name_mail
from channels.email.normalize import TRUNCATED, normalize
from core.errors import MalformedPayload
from core.events import EVENT_ADAPTER
from tests.fakes import START
from tests.unit.channels.email.mails import ACCOUNT, FOLDER, SETTINGS, build, event_of, mail

NAMES = sorted(path.stem for path in FOLDER.glob("*.eml"))


def test_a_mail_becomes_a_message_with_all_that_an_answer_needs() -> None:
    event = event_of(mail("text"))
    assert event.id == event.raw_ref
    assert event.id.startswith("email:help:sha256:")
    assert event.sender.model_dump() == {
        "id": "jo@customer.example",
        "display_name": "Jörg Müller",
        "verified_by": "none",
    }
    assert event.message_id == "<first-1@customer.example>"
    assert event.sent_at == datetime(2026, 11, 22, 11, 59, tzinfo=UTC)
    assert event.received_at == START
    assert event.locale == "de-DE"
    assert event.subject == "Wo ist meine Bestellung?"
    assert event.address == {
        "to": "Jo@Customer.example",
        "from": "help@shop.example",
        "subject": "Wo ist meine Bestellung?",
        "in_reply_to": "<first-1@customer.example>",
        "references": "<first-1@customer.example>",
        "root16": event.address["root16"],
    }


def test_the_answer_is_cut_and_the_whole_text_kept() -> None:
    event = event_of(mail("reply_quoted"))
    assert event.text == "2"
    assert event.full_text is not None
    assert "Return it" in event.full_text
    assert event.in_reply_to == "<aaaaaaaaaaaaaaaaaaaaaaaaaa.0d3ce3f9a1c2b4e5@shop.example>"
    assert event.address["root16"] == "0d3ce3f9a1c2b4e5"
    whole = event_of(mail("reply_interleaved"))
    assert "A-1042" in whole.text
    assert "12345" in whole.text
    assert whole.full_text is None


@pytest.mark.parametrize("name", ["vacation", "bounce_dsn", "list", "read_receipt", "complaint_arf", "suppress"])
def test_nothing_can_be_sent_to_machines_or_to_who_asks_for_silence(name: str) -> None:
    """F100, F105: the address has no "to", so rendering yields no call."""
    assert "to" not in event_of(mail(name)).address


def test_a_mail_from_nobody_has_nobody_to_answer() -> None:
    event = event_of(build(From=""))
    assert event.sender.id == "unknown"
    assert "to" not in event.address
    assert event.automatic is None


@pytest.mark.parametrize(
    "date",
    ["", "nonsense", "Thu, 01 Jan 1970 00:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 -1200", "Mon, 30 Nov 2026 00:00"],
)
def test_an_impossible_date_is_the_time_of_reception(date: str) -> None:
    assert event_of(build(Date=date)).sent_at == START


def test_a_clock_that_is_a_little_ahead_is_believed() -> None:
    ahead = START + timedelta(hours=2)
    assert event_of(build(Date=ahead.strftime("%a, %d %b %Y %H:%M:%S +0000"))).sent_at == ahead


def test_a_mail_without_an_id_is_named_by_its_content() -> None:
    one, two = event_of(build(b"one", Message_ID="")), event_of(build(b"two", Message_ID=""))
    assert one.message_id == one.id
    assert one.conversation_id != two.conversation_id
    assert one.address["in_reply_to"] == one.address["references"] == ""


def test_the_same_mail_by_two_ways_has_one_name() -> None:
    """E6: IMAP and SMTP add trace headers, change line ends and trailing white space."""
    raw = mail("text")
    by_smtp = b"Received: by edge\r\nX-Spam: no\r\n" + raw.replace(b"\n", b"\r\n") + b"\r\n"
    folded = raw.replace(b"To: help@shop.example\n", b"").replace(b"Date: Sun,", b"Date:\n Sun,")
    assert name_mail("help", raw) == name_mail("help", by_smtp) == name_mail("help", folded)


def test_the_same_message_id_with_another_content_is_another_mail() -> None:
    """F107, SEMANTICS section 2: nobody can suppress another's mail by its id."""
    names = {name_mail("help", build(b"one")), name_mail("help", build(b"two")), name_mail("help", build(Subject="x"))}
    assert len(names) == 3
    assert name_mail("help", build()) != name_mail("other", build())


def test_a_mail_that_was_cut_at_the_size_limit_is_set_aside() -> None:
    with pytest.raises(MalformedPayload, match="too large: 30000000 bytes"):
        event_of(build(), {TRUNCATED: "30000000"})


def test_what_does_not_fit_an_event_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.email.normalize.name_mail", lambda account, raw: None)
    with pytest.raises(MalformedPayload, match="not usable"):
        event_of(build())


@pytest.mark.parametrize("name", NAMES)
def test_every_mail_survives_json(name: str) -> None:
    event = event_of(mail(name))
    assert EVENT_ADAPTER.validate_json(EVENT_ADAPTER.dump_json(event)) == event


def reads_or_is_malformed(raw: bytes) -> None:
    assert name_mail("help", raw) == name_mail("help", raw)
    try:
        events = normalize(raw, {}, START, ACCOUNT, SETTINGS)
    except MalformedPayload:
        return
    for event in events:
        EVENT_ADAPTER.dump_json(event)
        assert not any(character in (event.address.get("subject") or "") for character in "\r\n\x00\u2028")


TOKENS = (
    b"\r\n",
    b"\n\n",
    b"\x00",
    b"\xff\xfe",
    b"=?utf-8?b?",
    b"?=",
    b"=?x?q?=0D=0A?=",
    *(bytes([character]) for character in b'<>"(;:'),
    b"Content-Type: multipart/mixed; boundary=b\n\n--b\n",
    b"Content-Type: message/rfc822\n\n",
    b"--outer--\n",
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Transfer-Encoding: uuencode\n",
    b"charset=idna",
    b"charset*0*=x''%ff",
    b"filename*=x'y'%zz",
    b"From: group:;\n",
    b"To: undisclosed-recipients:;\n",
    b"Date: \xff\n",
    b"\xed\xa0\x80",
    b"From ",
    b'Content-Disposition: attachment; filename="=?utf-8?q?=00?="\n',
    b"Content-Type: text/html; charset=utf-16\n\n<a",
)


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**32))
def test_a_mutated_mail_is_read_or_malformed(name: str, seed: int) -> None:
    raw, dice = bytearray(mail(name)), random.Random(seed)
    for _ in range(dice.randint(1, 12)):
        at = dice.randrange(len(raw) + 1)
        match dice.randrange(4):
            case 0:
                raw[at:at] = dice.choice(TOKENS)
            case 1:
                del raw[at : at + dice.randint(1, 40)]
            case 2:
                raw[at:at] = raw[at : at + dice.randint(1, 80)]
            case _:
                raw[at : at + 1] = bytes([dice.randrange(256)])
    reads_or_is_malformed(bytes(raw))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(TOKENS) | st.binary(max_size=30), max_size=30).map(b"".join))
def test_any_bytes_behind_a_from_are_read_or_malformed(raw: bytes) -> None:
    reads_or_is_malformed(b"From: jo@customer.example\n" + raw)
