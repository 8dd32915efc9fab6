"""A journaled body becomes an event (SEMANTICS section 2, row web chat)."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.web.normalize import identify, normalize
from core.errors import MalformedPayload
from core.events import ChoiceMade, Event, MessageReceived
from core.ids import AccountName

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/payloads/web"
SITE = AccountName("site")
RECEIVED_AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SESSION = "0f" * 16


def payload(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def only_event(body: bytes) -> Event:
    (event,) = normalize(body, account=SITE, received_at=RECEIVED_AT)
    return event


def test_a_text_becomes_a_message() -> None:
    event = only_event(payload("text"))
    assert isinstance(event, MessageReceived)
    assert event.text == "Where is my order A-1042?"
    assert event.message_id == "5a3f0c1e-8f5e-4d0a-9d0a-2f1f6a1f0b11"
    assert event.conversation_id == f"web:site:{SESSION}"
    assert event.address == {"session": SESSION}
    assert event.sender.id == SESSION
    assert event.sender.verified_by == "signed_token"
    assert event.locale == "de-CH"
    assert event.addressed == "direct"
    assert event.automatic is None


def test_a_pressed_button_becomes_a_choice() -> None:
    event = only_event(payload("choice"))
    assert isinstance(event, ChoiceMade)
    assert (event.token, event.label) == ("c7Kq2m", "Track an order")


def test_the_visitors_clock_is_not_asked() -> None:
    event = only_event(payload("text"))
    assert event.sent_at == event.received_at == RECEIVED_AT


def test_the_key_is_the_session_and_the_clients_own_id() -> None:
    key = f"web:site:{SESSION}:5a3f0c1e-8f5e-4d0a-9d0a-2f1f6a1f0b11"
    assert identify(payload("text"), SITE) == key
    assert only_event(payload("text")).id == key


def test_the_same_id_of_two_visitors_makes_two_keys() -> None:
    body = orjson.loads(payload("text"))
    other = orjson.dumps({**body, "session": "ab" * 16})
    assert identify(other, SITE) != identify(payload("text"), SITE)


def test_unusual_text_survives() -> None:
    event = only_event(payload("unusual_text"))
    assert isinstance(event, MessageReceived)
    assert event.text == "Grüße 👩‍👩‍👧 שלום <script>alert(1)</script>\nline two"


@pytest.mark.parametrize("name", ["no_session", "text_and_choice", "id_is_no_uuid"])
def test_a_body_that_we_never_journal_is_malformed(name: str) -> None:
    with pytest.raises(MalformedPayload):
        normalize(payload(name), account=SITE, received_at=RECEIVED_AT)
    assert identify(payload(name), SITE).startswith("web:site:sha256:")


@given(st.binary())
def test_any_bytes_have_a_name_and_end_as_malformed(body: bytes) -> None:
    assert identify(body, SITE) == identify(body, SITE)
    with pytest.raises(MalformedPayload):
        normalize(body, account=SITE, received_at=RECEIVED_AT)
