"""W1, W2, W9, W11, W12, W25, W27."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.inbound import Inbound
from channels.whatsapp.normalize import NAME, OUT_ID_HEADER, identify, normalize
from channels.whatsapp.payloads import form_fields
from core.errors import MalformedPayload
from core.events import Attachment, ChoiceMade, DeliveryStatusChanged, Event, MessageReceived, ReachabilityChanged
from core.ids import AccountName
from tests.fakes import START
from tests.unit.channels.whatsapp.whatsapp_kit import FIXTURES, NUMBER, encoded, form


def posted(body: bytes, out_id: str | None = None) -> Inbound:
    return Inbound(NAME, AccountName("main"), body, START, {OUT_ID_HEADER: out_id} if out_id else {})


def events(body: bytes, out_id: str | None = None) -> tuple[Event, ...]:
    return normalize(posted(body, out_id), NUMBER)


def name(body: bytes) -> str:
    return identify(posted(body)).primary


def changed(case: str, **fields: str | None) -> bytes:
    """Return a form with other values in it; None leaves one out."""
    known = form_fields(form(case)) | fields
    return encoded(**{name: value for name, value in known.items() if value is not None})


def message(case: str) -> MessageReceived:
    (event,) = events(form(case))
    assert isinstance(event, MessageReceived)
    return event


def status(case: str, out_id: str | None = None) -> DeliveryStatusChanged:
    (event,) = events(form(case), out_id)
    assert isinstance(event, DeliveryStatusChanged)
    return event


def test_a_text_is_read_whole():
    event = message("text")
    assert event.id == event.raw_ref == f"tw:main:{event.message_id}"
    assert event.conversation_id == "whatsapp:main:+4915112345678"
    assert (event.sender.id, event.sender.display_name) == ("+4915112345678", "Ann Berger")
    assert event.sender.verified_by == "platform"
    assert event.text == "Wo ist meine Bestellung A-1042? 📦"
    assert event.address == {"to": "whatsapp:+4915112345678", "from": "whatsapp:+4930555000"}
    assert event.sent_at == event.received_at == START
    assert (event.attachments, event.automatic, event.addressed) == ((), None, "direct")


def test_the_same_form_has_the_same_event_id():
    assert message("text").id == message("text").id


def test_a_quoted_message_is_what_was_replied_to():
    assert message("quoted_reply").in_reply_to == "SM" + "a" * 32


@pytest.mark.parametrize(
    ("case", "kind", "media_type"),
    [
        ("image", "image", "image/jpeg"),
        ("sticker", "sticker", "image/webp"),
        ("audio", "audio", "audio/ogg"),
        ("document", "file", "application/pdf"),
        ("contacts", "contact", "text/vcard"),
    ],
)
def test_media_are_referenced_and_never_fetched(case: str, kind: str, media_type: str):
    (attachment,) = message(case).attachments
    assert (attachment.kind, attachment.media_type) == (kind, media_type)
    assert attachment.reference.startswith("https://api.twilio.com/")


def test_every_media_of_an_mms_is_kept_in_order():
    assert [attachment.media_type for attachment in message("mms_two_media").attachments] == ["video/mp4", "image/png"]


def test_media_are_counted_by_what_is_there_not_by_nummedia():
    body = encoded(MessageSid="SM1", From="+1", To="+2", NumMedia="many", MediaUrl0="http://10.0.0.1/x")
    (event,) = events(body)
    assert isinstance(event, MessageReceived)
    assert event.attachments == (Attachment(reference="http://10.0.0.1/x"),)


def test_a_location_keeps_its_place_and_its_words():
    (attachment,) = message("location").attachments
    assert (attachment.kind, attachment.reference, attachment.name) == ("location", "geo:52.52,13.405", "Office")
    assert attachment.details == {
        "latitude": 52.52,
        "longitude": 13.405,
        "label": "Office",
        "address": "Unter den Linden 1, Berlin",
    }


def test_what_twilio_cannot_carry_is_still_seen():
    (attachment,) = message("unsupported").attachments
    assert (attachment.kind, attachment.details) == ("other", {"type": "unsupported"})


@pytest.mark.parametrize(
    ("case", "token", "label", "message_id"),
    [("button", "tok-yes", "Yes", "SM" + "b" * 32), ("list_pick", "tok-refund", "Refund", None)],
)
def test_a_button_or_list_row_gives_its_token_back(case: str, token: str, label: str, message_id: str | None):
    (event,) = events(form(case))
    assert isinstance(event, ChoiceMade)
    assert (event.token, event.label, event.message_id) == (token, label, message_id)
    assert event.address["to"] == "whatsapp:+4915112345678"


def test_a_button_without_payload_is_what_it_says():
    (event,) = events(encoded(MessageSid="SM1", From="+1", To="+2", ButtonText="Yes"))
    assert isinstance(event, MessageReceived)
    assert event.text == "Yes"


def test_a_person_who_hides_the_number_is_a_person():
    event = message("bsuid")
    assert event.conversation_id == "whatsapp:main:US.13491208655302741918"
    assert event.address["to"] == "whatsapp:US.13491208655302741918"


def test_the_answer_goes_to_from_verbatim_even_where_waid_differs():
    event = message("brazil")
    assert event.address["to"] == "whatsapp:+554188887777"
    assert event.sender.id == "+554188887777"


def test_an_sms_works_and_never_speaks_inside_the_whatsapp_conversation_of_that_number():
    event = message("sms")
    assert event.text == "hello by sms"
    assert event.address == {"to": "+4915112345678", "from": "+4930555001"}
    assert event.conversation_id == "whatsapp:main:sms:+4915112345678"
    assert event.sender.verified_by == "none"
    assert event.sender.display_name is None


def test_nul_is_dropped():
    assert message("nul_body").text == "ab"


@pytest.mark.parametrize(("case", "text"), [("referral", "I saw your ad"), ("forwarded", "look")])
def test_unknown_parameters_are_plain_messages(case: str, text: str):
    assert message(case).text == text


SMS, WHATSAPP = "+4915112345678", "whatsapp:+4915112345678"


@pytest.mark.parametrize(
    ("sender", "body", "advanced", "change", "is_answered"),
    [
        (SMS, "Stop", None, "opted_out", True),
        (SMS, "cancel", None, "opted_out", True),
        (SMS, "START", None, "opted_in", True),
        (WHATSAPP, "STOP", None, "opted_out", False),
        (WHATSAPP, "abmelden", None, "opted_out", False),
        (WHATSAPP, "arrêt", None, "opted_out", False),
        (WHATSAPP, "start", None, "opted_in", False),
        (WHATSAPP, "ENOUGH", "STOP", "opted_out", True),
        (WHATSAPP, "MORE", "START", "opted_in", True),
    ],
)
def test_a_word_that_opts_out_or_in_is_heard_before_the_bot_w27(
    sender: str, body: str, advanced: str | None, change: str, is_answered: bool
):
    """W27, SECURITY section 7: by SMS, and with Advanced Opt-Out, Twilio keeps the list and answers."""
    (event,) = events(changed("text", From=sender, Body=body, OptOutType=advanced))
    assert isinstance(event, ReachabilityChanged)
    assert (event.change, event.answered_by_platform, event.text) == (change, is_answered, body)


@pytest.mark.parametrize(
    ("sender", "body", "advanced", "is_answered"),
    [
        (SMS, "HELP", None, True),
        (SMS, "yes", None, False),
        (SMS, "please stop", None, False),
        (WHATSAPP, "help", None, False),
        (WHATSAPP, "cancel", None, False),
        (WHATSAPP, "INFO", "HELP", True),
    ],
)
def test_other_words_are_messages_and_those_that_twilio_answers_say_so(
    sender: str, body: str, advanced: str | None, is_answered: bool
):
    (event,) = events(changed("text", From=sender, Body=body, OptOutType=advanced))
    assert isinstance(event, MessageReceived)
    assert event.answered_by_platform is is_answered


@pytest.mark.parametrize(("code", "unreachable"), [("63032", True), ("21610", True), ("63016", False), (None, False)])
def test_a_failed_status_says_whether_the_person_can_be_reached_w27(code: str | None, unreachable: bool):
    (event,) = events(changed("status_failed", ErrorCode=code))
    assert isinstance(event, DeliveryStatusChanged)
    assert event.unreachable is unreachable


def test_our_own_number_is_marked_as_ourselves():
    assert message("own_echo").automatic == "self"


@pytest.mark.parametrize(
    ("case", "expected", "code"),
    [
        ("status_sent", "sent", None),
        ("status_delivered", "delivered", None),
        ("status_read", "read", None),
        ("status_failed", "failed", "63016"),
        ("status_undelivered", "failed", "63024"),
    ],
)
def test_a_status_names_our_message_and_our_out_id(case: str, expected: str, code: str | None):
    event = status(case, "outid")
    assert (event.status, event.error_code, event.out_id) == (expected, code, "outid")
    assert event.provider_id.startswith("SM")
    assert event.conversation_id == "whatsapp:main:+4915112345678"


def test_a_status_without_out_id_is_a_status():
    assert status("status_read").out_id is None


@pytest.mark.parametrize("case", ["status_queued", "status_accepted", "status_sending"])
def test_a_status_that_nobody_could_see_is_no_event(case: str):
    assert events(form(case)) == ()


def test_each_status_of_one_message_has_its_own_key():
    cases = ("status_queued", "status_sending", "status_sent", "status_delivered", "status_read")
    sid = f"SM{31:032x}"
    keys = [name(form(case)) for case in cases]
    assert keys == [f"tw:main:{sid}:{name}" for name in ("queued", "sending", "sent", "delivered", "read")]


def test_a_message_is_named_by_its_sid():
    assert name(form("text")) == f"tw:main:SM{1:032x}"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"From": "+1", "To": "+2", "Body": "no sid"},
        {"MessageSid": "SM1", "To": "+2"},
        {"MessageSid": "SM1", "From": "+1"},
        {"MessageSid": "S" * 65, "From": "+1", "To": "+2"},
        {"MessageSid": "SM1", "From": "+1", "To": "+2", "Latitude": "nan", "Longitude": "1"},
        {"MessageSid": "SM1", "From": "+1", "To": "+2", "Latitude": "91", "Longitude": "1"},
        {"MessageStatus": "sent", "To": "+2"},
    ],
    ids=lambda fields: ",".join(fields) or "nothing",
)
def test_a_form_without_what_twilio_promises_is_malformed_and_the_message_quotes_no_value(fields: dict[str, Any]):
    with pytest.raises(MalformedPayload) as raised:
        events(encoded(**fields))
    assert "+1" not in str(raised.value)


@given(st.binary(max_size=400))
def test_any_bytes_have_a_name_and_only_malformed_payload_leaves(body: bytes):
    assert name(body) == name(body)
    with contextlib.suppress(MalformedPayload):
        events(body)


@given(st.sampled_from(sorted(FIXTURES.glob("*.form"))), st.data())
def test_a_damaged_form_never_does_more_than_be_malformed(path: Any, data: st.DataObject):
    body = bytearray(path.read_bytes())
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedPayload):
        events(bytes(body))


def test_an_unreadable_payload_is_named_by_its_hash():
    assert name(b"&" * 5000).startswith("whatsapp:main:sha256:")
    assert name(b"{}") != name(b"[]")


@pytest.mark.parametrize(("case", "album"), [("image", ""), ("document", ""), ("audio", None), ("text", None)])
def test_what_a_person_may_pick_several_of_may_be_one_of_several(case: str, album: str | None):
    """W10: one medium a message."""
    assert message(case).album == album
