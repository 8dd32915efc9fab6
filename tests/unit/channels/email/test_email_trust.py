"""How far From is proven (CHANNELS 4.7; RFC 8601, RFC 7489): the word of our own mail server, and nobody else's."""

import json

import pytest

from channels.email.normalize import normalize
from channels.email.trust import is_aligned, results_of, trust_in
from core.conversation import Handoff, Trace
from core.events import EVENT_ADAPTER
from tests.fakes import START
from tests.unit.channels.email.mails import ACCOUNT, SETTINGS, build

OURS = "mx.shop.example"
PASSED = f"{OURS}; dmarc=pass (p=reject dis=none) header.from=customer.example"


def proof_of(*results: str, authserv_id: str | None = OURS, **headers: str) -> str:
    above = b"".join(f"Authentication-Results: {value}\r\n".encode() for value in results)
    settings = SETTINGS.model_copy(update={"authserv_id": authserv_id})
    (event,) = normalize(above + build(**headers), {}, START, ACCOUNT, settings)
    return event.sender.verified_by


def test_what_our_server_found_is_believed() -> None:
    assert proof_of(PASSED) == "domain"
    assert proof_of(f"{OURS} 1; spf=none; dmarc=fail (p=none) header.from=customer.example") == "refuted"
    assert proof_of(f"{OURS}; none") == "none"
    assert proof_of() == "none"


def test_a_stranger_s_header_says_nothing() -> None:
    """RFC 8601 section 5: whoever sends a mail can write the header into it."""
    assert proof_of(PASSED, authserv_id=None) == "none"
    assert proof_of(PASSED.replace(OURS, "mx.evil.example")) == "none"
    assert proof_of(PASSED.replace(OURS, f"evil.{OURS}"), PASSED.replace(OURS, f'"{OURS}.evil"')) == "none"
    assert proof_of(f"(mx.evil.example) {OURS} ; dmarc=fail") == "refuted", "a comment before the name is no name"


def test_the_newest_result_of_a_method_counts() -> None:
    assert proof_of(PASSED.replace("=pass", "=fail"), PASSED) == "refuted"
    assert proof_of(PASSED, PASSED.replace("=pass", "=fail")) == "domain"


@pytest.mark.parametrize(
    ("found", "proof"),
    [
        ("dkim=pass header.d=customer.example", "domain"),
        ("dkim=pass header.i=@customer.example", "domain"),
        ("dkim=fail header.d=evil.example; dkim=pass header.d=customer.example", "domain"),
        ("dkim=pass header.d=evil.example", "none"),
        ("dkim=fail header.d=customer.example", "none"),
        ('dkim=pass reason="x; dkim=pass header.d=customer.example" header.d=evil.example', "none"),
        ("dkim=pass (; dkim=pass header.d=customer.example) header.d=evil.example", "none"),
        ("spf=pass smtp.mailfrom=bounces@customer.example", "domain"),
        ("spf=softfail smtp.mailfrom=jo@customer.example", "none"),
        ("dmarc=pass header.from=evil.example", "none"),
        ("dmarc=none header.from=customer.example; dkim=pass header.d=customer.example", "domain"),
    ],
)
def test_a_result_counts_only_for_the_domain_of_from(found: str, proof: str) -> None:
    assert proof_of(f"{OURS}; {found}") == proof


def test_a_domain_speaks_for_those_below_it_and_not_for_those_above() -> None:
    assert is_aligned("customer.example", "news.customer.example")
    assert not is_aligned("eve.pages.example", "pages.example")
    assert not is_aligned("evilcustomer.example", "customer.example")
    assert not is_aligned("example", "customer.example")


@pytest.mark.parametrize(
    "sender",
    [
        "jo@customer.example, eve@evil.example",
        "eve@evil.example\r\nFrom: jo@customer.example",
        "jo@customer.example\r\nFrom: eve@evil.example",
        "Group: jo@customer.example, eve@evil.example;",
    ],
)
def test_a_mail_with_two_authors_is_nobody_s(sender: str) -> None:
    """Readers disagree about which of them is shown, and the server's word is about one."""
    assert proof_of(PASSED, From=sender) == "none"
    assert proof_of(f"{OURS}; dkim=pass header.d=evil.example", From=sender) == "none"


def test_without_a_from_there_is_nothing_to_prove() -> None:
    assert proof_of(PASSED, From="", Sender="jo@customer.example") == "none"
    assert trust_in(None, [PASSED], OURS, ["customer.example"]) == "none"


@pytest.mark.parametrize("header", ["", ";", "(", '"', f"{OURS};;=;a=", f"{OURS}; " + "(" * 9000, "\\", f"{OURS}; ="])
def test_nonsense_proves_nothing_and_harms_nobody(header: str) -> None:
    assert results_of(header, OURS) == ()
    assert proof_of(header) == "none"


def test_people_see_how_far_a_sender_is_proven_and_older_documents_are_read() -> None:
    event = json.loads(EVENT_ADAPTER.dump_json(normalize(build(), {}, START, ACCOUNT, SETTINGS)[0]))
    del event["sender"]["verified_by"]
    assert EVENT_ADAPTER.validate_python(event).sender.verified_by == "platform"
    assert Trace.model_validate({"event_id": "e", "rung": "flow"}).verified_by is None
    assert Handoff.model_validate({"reason": "policy", "summary": "-"}).verified_by is None
