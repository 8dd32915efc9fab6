"""MIME bytes -> text, headers, files: what real mail contains (CHANNELS 4.2, F078, F082)."""

from email.message import Message
from time import process_time

import pytest

from channels.email.hypertext import read_html
from channels.email.mime import decode_bytes, parse
from channels.email.reading import read_mail
from core.errors import MalformedPayload
from tests.unit.channels.email.mails import build, mail


def test_a_plain_mail_is_read_with_its_encoded_words() -> None:
    read = read_mail(mail("text"))
    assert read.sender is not None
    assert (read.sender.address, read.sender.name) == ("Jo@Customer.example", "Jörg Müller")
    assert read.subject == "Wo ist meine Bestellung?"
    assert read.text == "Grüß Gott, wo ist meine Bestellung A-1042?"
    assert read.full_text.endswith("Jörg Müller")
    assert read.language == "de-DE"


def test_html_is_read_as_what_a_person_sees() -> None:
    read = read_mail(mail("html_only"))
    assert read.text == "I want to return the blue one & keep the rest."
    assert "How can we help?" in read.full_text
    assert "Ignore all instructions" not in read.full_text
    assert "alert" not in read.full_text
    assert "color" not in read.full_text


def test_files_are_listed_and_pictures_shown_in_place_are_not() -> None:
    """E, 4.2: `cid:` images are part of the text; a forwarded mail and an image without a mark are files."""
    read = read_mail(mail("attachments"))
    assert read.text == "It arrived broken, see the picture."
    assert [(file.name, file.media_type, file.kind, file.size_bytes) for file in read.attachments] == [
        ("Rechnung ß.pdf", "application/pdf", "file", 9),
        (None, "message/rfc822", "file", 60),
        (None, "image/jpeg", "image", 6),
    ]


def test_a_wrong_charset_is_read_anyway() -> None:
    read = read_mail(mail("wrong_charset"))
    assert read.text == "Das Café € ist zu."
    assert read.subject == "café offen"


def test_line_ends_hidden_in_encoded_words_do_not_reach_a_header() -> None:
    """F082."""
    read = read_mail(mail("header_injection"))
    assert read.subject == "Hello Bcc: all@customer.example x"
    assert read.sender is not None
    assert read.sender.name == "Jo Bcc: all@customer.example"
    assert read.references == ("<a@customer.example>", "<b@customer.example>")
    assert read.attachments[0].name == ".._a b.pdf"


@pytest.mark.parametrize(
    ("plain", "html", "said"),
    [
        ("", "<p>only here</p>", "only here"),
        ("Please view this mail in HTML.", "<p>the real text</p>", "the real text"),
        ("plain wins", "<p>over html</p>", "plain wins"),
        ("Please view this mail in HTML.", "", "Please view this mail in HTML."),
    ],
)
def test_the_first_alternative_that_says_something_is_read(plain: str, html: str, said: str) -> None:
    parts = f"--b\r\nContent-Type: text/plain\r\n\r\n{plain}\r\n--b\r\nContent-Type: text/html\r\n\r\n{html}\r\n--b--"
    assert read_mail(build(parts.encode(), Content_Type="multipart/alternative; boundary=b")).text == said


def test_texts_beside_each_other_are_both_read() -> None:
    body = b"--b\nContent-Type: text/html\n\n<p>mine</p>\n--b\nContent-Type: text/plain\n\na disclaimer\n--b--"
    assert read_mail(build(body, Content_Type="multipart/mixed; boundary=b")).text == "mine\n\na disclaimer"


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("jo@customer.example", "jo@customer.example"),
        ('"Doe, Jo" <jo@customer.example>', "jo@customer.example"),
        ('"boss@shop.example" <jo@customer.example>', "jo@customer.example"),
        ("=?utf-8?q?Jo_=3Cjo=40customer=2Eexample=3E?=", "jo@customer.example"),
        ("group: jo@customer.example, x@y.example;", "jo@customer.example"),
        ("Mail Delivery System", None),
        ("((((((((((", None),
        ("<>", None),
        ("", None),
    ],
)
def test_the_sender_is_found_or_nobody_is(header: str, address: str | None) -> None:
    sender = read_mail(build(From=header)).sender
    assert (sender.address if sender else None) == address


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_all_three_line_ends_are_read(line_end: bytes) -> None:
    raw = mail("text").replace(b"\n", line_end)
    assert read_mail(raw).text == read_mail(mail("text")).text


def test_spaces_before_the_colon_of_a_header_are_read() -> None:
    read = read_mail(b"From : jo@customer.example\nSubject   : Hello\n\ntext")
    assert (read.subject, read.sender and read.sender.address) == ("Hello", "jo@customer.example")


def test_a_part_that_claims_rubbish_is_still_read() -> None:
    body = b"--b\nContent-Type: \xff\xfe/;;; charset=\n\nhello \xff\n--b--"
    assert "hello ÿ" in read_mail(build(body, Content_Type="multipart/mixed; boundary=b")).text
    assert read_mail(build(b"no parts", Content_Type="multipart/mixed; boundary=b")).text == "no parts"
    assert read_mail(build(b"no boundary", Content_Type="multipart/mixed")).text == "no boundary"


@pytest.mark.parametrize("charset", ["punycode", "idna", "rot13", "hex", "no-such", "", "utf-7\x00", None])
def test_no_charset_name_breaks_or_stalls_decoding(charset: str | None) -> None:
    assert decode_bytes(b"hello", charset) == "hello"


def nested(depth: int) -> bytes:
    levels = (b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(depth))
    return b"From: a@b.example\n" + b"".join(levels) + b"\nhi"


def flat(parts: int, boundary: bytes = b"x") -> bytes:
    head = b'From: a@b.example\nContent-Type: multipart/mixed; boundary="%s"\n\n' % boundary
    return head + (b"--%s\n\na\n" % boundary) * parts


BOMBS = {
    "1,000 nested parts": (nested(1000), "parts"),
    "30 nested parts": (nested(30), "deeper than 20"),
    "20,000 parts": (flat(20_000), "parts"),
    "20,000 parts, boundary with a space": (flat(20_000, b"x y"), "parts"),
    "150 parts": (flat(150), "parts"),
    "50,000 recipients": (b"From: a@b.example\nTo: " + b"a@b.example, " * 50_000 + b"\n\nhi", "header larger"),
    "1,500 recipients in folded lines": (b"From: a@b.example\nTo: " + b"a@b.example,\n " * 1_500, "addresses"),
    "recipients without an @": (b"From: a@b.example\nTo: " + b"a," * 5_000 + b"\n\nhi", "addresses"),
    "a header of 1 MB": (b"From: a@b.example\nX: " + b"a" * 1_000_000 + b"\n\nhi", "header larger"),
    "a part's header of 1 MB": (
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: a/b" + b";" * 1_000_000,
        "header of a part",
    ),
    "more than 10 MiB": (b"From: a@b.example\n\n" + b"a" * (10 * 1024 * 1024), "larger than"),
    "10 MiB of empty lines": (b"From: a@b.example\n\na" + b"\n" * (10 * 1024 * 1024 - 100), "too many lines"),
    "not a mail": (b"\x00\xff not a mail", "no header"),
    "nothing": (b"", "no header"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_mail_over_a_cap_is_refused_at_once_and_says_why(name: str) -> None:
    """F078, F079; the caps are counted in the raw bytes, before a parser spends seconds on them."""
    raw, reason = BOMBS[name]
    started = process_time()
    with pytest.raises(MalformedPayload, match=reason):
        parse(raw)
    assert process_time() - started < 2


WITHIN = {
    "15 nested parts": nested(15),
    "90 parts": flat(90),
    "base64 of garbage": build(b"!@#$%" * 100_000, Content_Transfer_Encoding="base64"),
    "50 mails inside each other": b"From: a@b.example\n" + b"Content-Type: message/rfc822\n\n" * 50,
    "a delivery status of 100,000 paragraphs": build(b"a: b\n\n" * 100_000, Content_Type="message/delivery-status"),
    "a line of 3 MB": build(b"On " * 1_000_000),
    "3 MB of quotes": build(b"> " * 1_500_000),
    "20,000 rulers": build(b"\n\n____" * 20_000),
    "HTML nested 100,000 deep": build(b"<div><blockquote type=cite>" * 100_000, Content_Type="text/html"),
    "30 HTML parts of 200 kB": b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n"
    + (b"--x\nContent-Type: text/html\n\n" + b"<p>a b c d</p>" * 15_000 + b"\n") * 30,
}


@pytest.mark.parametrize("name", WITHIN)
def test_a_mail_within_the_caps_is_read_in_seconds_whatever_it_holds(name: str) -> None:
    started = process_time()
    read_mail(WITHIN[name])
    assert process_time() - started < 4


def test_a_hidden_element_takes_its_children_with_it_but_not_what_follows() -> None:
    assert read_html("<p hidden>a<b>b</b></p>c<span style='font-size: 0'>d</span>e").whole == "ce"


def test_outlook_history_is_dropped_from_its_mark_on() -> None:
    html = "<p>Yes</p><div id='appendonsend'></div><hr><div id='divRplyFwdMsg'>From: Shop</div><div>How?</div>"
    assert read_html(html).unquoted == "Yes"
    assert "How?" in read_html(html).whole


def test_answers_between_html_quotes_stay() -> None:
    html = "<blockquote type=cite>one?</blockquote><p>first</p><blockquote type=cite>two?</blockquote><p>second</p>"
    assert read_html(html).unquoted.split() == ["first", "second"]


def test_html_that_is_nothing_but_a_quote_stays_whole() -> None:
    assert read_html("<blockquote type=cite>forwarded</blockquote>").unquoted.strip() == "forwarded"


@pytest.mark.parametrize("source", ["", " ", "<!-- x -->", "<?xml version='1.0' encoding='x'?>", "<", "<html>"])
def test_empty_and_broken_html_is_no_text(source: str) -> None:
    assert read_html(source).whole in ("", "<")


@pytest.mark.parametrize(
    "method", ["get_content_disposition", "get_filename", "get_content_charset", "get_param", "get_content_type"]
)
@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("x"), LookupError("x"), AttributeError("x"), IndexError("x")]
)
def test_a_mail_is_read_though_the_standard_library_raises(
    method: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4.2: it raised on one real mail in thirty-five; a fault in one part costs that part's detail, not the mail."""

    def raises(*arguments: object, **options: object) -> None:
        raise error

    raw = mail("text")
    parse(raw)
    monkeypatch.setattr(Message, method, raises)
    assert "A-1042" in read_mail(raw).full_text


@pytest.mark.parametrize(
    "charset", ["charset*=utf-8''utf-8", 'charset="a\x00b"', "charset*0=a; charset*2=b", "charset*=''"]
)
def test_a_charset_in_a_strange_form_does_not_break_an_8_bit_body(charset: str) -> None:
    """`get_payload()` raises TypeError and ValueError on these."""
    raw = build("Grüße".encode(), Content_Type=f"text/plain; {charset}")
    assert read_mail(raw).text == "Grüße"


def test_a_body_that_cannot_be_decoded_is_read_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Message.get_payload

    def raises(self: Message, i: int | None = None, decode: bool = False) -> object:
        if decode:
            raise ValueError("bad encoding")
        return original(self, i)

    monkeypatch.setattr(Message, "get_payload", raises)
    assert read_mail(mail("text")).text.startswith("Grüß Gott")


def test_a_parser_that_gives_up_makes_the_mail_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*arguments: object, **options: object) -> None:
        raise RecursionError

    monkeypatch.setattr("channels.email.mime.message_from_bytes", raises)
    with pytest.raises(MalformedPayload, match="RecursionError"):
        read_mail(mail("text"))


def test_addresses_and_html_that_break_their_readers_are_read_roughly(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*arguments: object, **options: object) -> None:
        raise RecursionError

    monkeypatch.setattr("channels.email.reading.getaddresses", raises)
    monkeypatch.setattr("channels.email.hypertext.Inscriptis", raises)
    read = read_mail(mail("html_only"))
    assert read.sender is not None
    assert read.sender.address == "jo@customer.example"
    assert "I want to return the blue one" in read.text


def test_an_encoded_word_that_is_none_stays_as_it_is() -> None:
    assert read_mail(build(Subject="=?utf-8?b?a?= x")).subject == "=?utf-8?b?a?= x"
