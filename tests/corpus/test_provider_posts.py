"""Recorded posts of mail providers (E4): the raw mail comes out of them, and a changed one is refused."""

import hashlib
import hmac

import pytest

from channels.email.providers import Provider, delivery_of, fields_of, verify_post
from core.errors import InvalidSignature, MalformedPayload
from tests.shared_files import shared_folder
from tests.unit.channels.email.mails import event_of

pytestmark = pytest.mark.corpus

KEY = b"a key of our own: nobody wrote down the one of the recording"


def recorded(name: str) -> dict[str, bytes]:
    raw = (shared_folder("fixtures/email/provider_webhooks/multi_mail") / f"{name}.txt").read_bytes()
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = (line.partition(b":") for line in head.split(b"\n")[1:])
    headers = {name.strip().lower(): value.strip().decode() for name, _, value in lines}
    return fields_of(body, headers[b"content-type"])


@pytest.mark.parametrize("name", ["valid", "spam"])
def test_a_recorded_mailgun_post_holds_the_mail(name: str) -> None:
    fields = recorded(f"mailgun__raw__{name}")
    signature = hmac.digest(KEY, fields["timestamp"] + fields["token"], hashlib.sha256).hex().encode()
    verify_post("mailgun", KEY, "", {**fields, "signature": signature})
    with pytest.raises(InvalidSignature):
        verify_post("mailgun", KEY, "", fields)
    with pytest.raises(InvalidSignature):
        verify_post("mailgun", KEY, "", {**fields, "signature": signature, "timestamp": b"1"})
    delivery = delivery_of("mailgun", fields)
    assert delivery.envelope_from == "james@opennorth.ca"
    assert "multimail.mailgun.org" in delivery.envelope_to
    assert event_of(delivery.raw).sender.id == "james@opennorth.ca"


def test_a_recorded_post_without_a_signature_is_refused() -> None:
    fields = recorded("mailgun__raw__missing")
    assert "signature" not in fields
    with pytest.raises(InvalidSignature):
        verify_post("mailgun", KEY, "", fields)


@pytest.mark.parametrize(
    ("provider", "name"),
    [("mailgun", "mailgun__parsed__valid"), ("sendgrid", "sendgrid__valid"), ("postmark", "postmark__valid")],
)
def test_a_post_of_parsed_mail_is_read_and_says_that_the_raw_one_is_missing(provider: Provider, name: str) -> None:
    """All three post parsed mail unless they are told otherwise."""
    fields = recorded(name)
    assert len(fields) > 5
    with pytest.raises(MalformedPayload, match="raw MIME"):
        delivery_of(provider, fields)
