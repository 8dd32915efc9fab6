"""Signed names in addresses and envelopes: threads are found by them; nobody else can write one (CHANNELS 4.3, 4.5)."""

from email import message_from_bytes

import pytest
from pydantic import SecretStr, ValidationError

from channels.email.account import AccountSettings
from channels.email.compose import compose
from channels.email.normalize import ENVELOPE_TO, normalize
from channels.email.tokens import MAX_LOCAL_CHARS, envelope_id, out_id_of, reply_address, root16_to
from core.events import MessageReceived
from tests.fakes import START
from tests.unit.channels.email.mails import ACCOUNT, SETTINGS, build

KEY = b"a key that nobody else has"
SIGNING = SETTINGS.model_copy(update={"reply_key": SecretStr(KEY.decode())})
OUT_ID = "a" * 26


def event_of(raw: bytes, settings: AccountSettings = SIGNING, **headers: str) -> MessageReceived:
    (event,) = normalize(raw, headers, START, ACCOUNT, settings)
    assert isinstance(event, MessageReceived)
    return event


FIRST = event_of(build())
ANSWER_TO = reply_address("help@shop.example", FIRST.address["root16"], KEY)


def bare(**headers: str) -> bytes:
    """Return an answer by a client that drops every header of the thread."""
    return build(**({"Message_ID": "<other@customer.example>", "To": ANSWER_TO, "Subject": "something else"} | headers))


def test_our_mails_ask_for_answers_to_a_signed_address() -> None:
    params = {"from": "help@shop.example", "to": "jo@customer.example", "subject": "s", "text": "hi"}
    _, content = compose({**params, "root16": FIRST.address["root16"]}, OUT_ID, "shop.example", START, KEY)
    assert message_from_bytes(content)["Reply-To"] == ANSWER_TO
    _, content = compose({**params, "root16": "0" * 16}, OUT_ID, "shop.example", START)
    assert message_from_bytes(content)["Reply-To"] is None


def test_an_answer_without_any_header_finds_its_thread_by_the_address() -> None:
    assert event_of(bare()).conversation_id == FIRST.conversation_id
    assert event_of(bare(To=f"Shop <{ANSWER_TO.upper()}>")).conversation_id == FIRST.conversation_id
    assert event_of(bare(To="x@y.example", Cc=ANSWER_TO)).conversation_id == FIRST.conversation_id


def test_the_envelope_knows_the_address_where_the_header_does_not() -> None:
    """E5."""
    hidden = {ENVELOPE_TO: ANSWER_TO}
    assert event_of(bare(To="undisclosed-recipients:;"), **hidden).conversation_id == FIRST.conversation_id
    delivered = bare(To="undisclosed-recipients:;", Delivered_To=ANSWER_TO)
    assert event_of(delivered).conversation_id == FIRST.conversation_id


def test_the_address_counts_before_in_reply_to_and_references_and_the_subject_never() -> None:
    other = event_of(build(Message_ID="<b@x>", Subject="the same words"))
    assert event_of(bare(In_Reply_To="<b@x>", References="<b@x>")).conversation_id == FIRST.conversation_id
    assert event_of(bare(To="help@shop.example", In_Reply_To="<b@x>")).conversation_id == other.conversation_id
    by_subject = event_of(bare(To="help@shop.example", Subject="Re: the same words"))
    assert by_subject.conversation_id not in (FIRST.conversation_id, other.conversation_id)


def test_a_forged_address_and_one_of_an_older_key_are_ordinary_addresses() -> None:
    forged = ANSWER_TO.replace(".", ".a", 1)
    for address in (ANSWER_TO[::-1], forged, ANSWER_TO.replace("@shop", "@other"), ANSWER_TO.replace("help+", "info+")):
        assert event_of(bare(To=address)).conversation_id != FIRST.conversation_id
    rotated = SIGNING.model_copy(update={"reply_key": SecretStr("another key, as long as the first")})
    assert event_of(bare(), rotated).conversation_id != FIRST.conversation_id
    assert event_of(bare(), SETTINGS).conversation_id != FIRST.conversation_id


def test_a_stranger_with_the_right_address_gets_into_no_conversation_but_their_own() -> None:
    """F104: nothing of the thread is answered to them."""
    stranger = event_of(bare(From="eve@evil.example"))
    assert stranger.conversation_id not in (FIRST.conversation_id, event_of(bare()).conversation_id)
    assert stranger.address["to"] == "eve@evil.example"


def report(envelope: str) -> bytes:
    status = f"Original-Envelope-Id: {envelope}\n" if envelope else ""
    return build(
        f"--b\nContent-Type: message/delivery-status\n\n{status}Reporting-MTA: dns; mx\n\n"
        "Final-Recipient: rfc822; jo@customer.example\nAction: failed\nStatus: 5.1.1\n\n--b--\n".encode(),
        From="mailer-daemon@customer.example",
        Content_Type='multipart/report; report-type=delivery-status; boundary="b"',
    )


def test_a_report_is_mapped_by_the_signed_id_of_the_envelope() -> None:
    failed = event_of(report(envelope_id(OUT_ID, KEY))).failed_delivery
    assert failed is not None
    assert failed.out_ids == (OUT_ID,)
    assert failed.recipients == ("jo@customer.example",)


@pytest.mark.parametrize("envelope", ["", "x", OUT_ID, f"{OUT_ID}.{'a' * 16}", envelope_id("b" * 26, KEY)[::-1]])
def test_a_forged_id_of_an_envelope_is_about_nothing(envelope: str) -> None:
    event = event_of(report(envelope))
    assert event.automatic == "bounce"
    assert event.failed_delivery is None
    assert out_id_of(envelope, KEY) is None


def test_one_kind_of_name_is_not_good_for_the_other() -> None:
    mac = envelope_id("a" * 26, KEY).partition(".")[2]
    assert root16_to([f"help+t.{'a' * 16}.{mac}@shop.example"], SETTINGS.own_addresses, KEY) is None


def test_the_address_with_its_token_is_an_address() -> None:
    longest = "h" * MAX_LOCAL_CHARS + "@shop.example"
    assert len(reply_address(longest, "0" * 16, KEY).partition("@")[0]) == 64
    known = SETTINGS.model_dump() | {"reply_key": KEY.decode()}
    with pytest.raises(ValidationError, match="before the @"):
        AccountSettings.model_validate(known | {"address": "h" + longest})
    with pytest.raises(ValidationError, match="shorter than 16"):
        AccountSettings.model_validate(known | {"reply_key": "short"})
