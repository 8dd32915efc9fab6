"""Every Twilio payload of the design folder, read in place; none is copied into the project."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from channels.inbound import Inbound
from channels.whatsapp.failures import failure_from
from channels.whatsapp.normalize import NAME, identify, normalize
from channels.whatsapp.payloads import form_pairs
from channels.whatsapp.verify import origins_of, signature_of, signed_parameters, verify_signature
from core.errors import (
    AccountRefused,
    InvalidSignature,
    MalformedPayload,
    PermanentFailure,
    RateLimited,
    UnknownOutcome,
)
from core.events import DeliveryStatusChanged, Event, MessageReceived
from core.ids import AccountName
from tests.fakes import START
from tests.shared_files import shared_folder

pytestmark = pytest.mark.corpus

NUMBER = "whatsapp:+14123456789"
TOKEN = b"12345"
ROUTES = ("/whatsapp/main", "/whatsapp/main/status")

KINDS = {
    "inbound_text": ("message", None),
    "inbound_image": ("message", "image"),
    "inbound_location": ("message", "location"),
    "inbound_sms_media": ("message", "file"),
    "status_sent": ("delivery_status", "sent"),
    "status_delivered": ("delivery_status", "delivered"),
}
"""Manifest kind to the event that must come out, and its attachment's kind or its status."""


def folder() -> Path:
    return shared_folder("fixtures/whatsapp_twilio")


def manifest() -> dict[str, str]:
    lines = (folder().parent / "manifest.jsonl").read_text().splitlines()
    rows = (json.loads(line) for line in lines)
    return {row["file"]: row["kind"] for row in rows if row["file"].startswith("whatsapp_twilio/")}


def posted(body: bytes) -> Inbound:
    return Inbound(NAME, AccountName("main"), body, START)


def events_of(body: bytes) -> tuple[Event, ...]:
    return normalize(posted(body), NUMBER)


def named(body: bytes) -> str:
    return identify(posted(body)).primary


def facet(event: Event) -> str | None:
    if isinstance(event, DeliveryStatusChanged):
        return event.status
    assert isinstance(event, MessageReceived)
    return event.attachments[0].kind if event.attachments else None


def test_every_form_becomes_the_event_that_the_manifest_names():
    kinds = {Path(file).name: kind for file, kind in manifest().items() if file.endswith(".form")}
    seen: Counter[str] = Counter()
    for path in sorted((folder() / "forms").iterdir()):
        (event,) = events_of(path.read_bytes())
        assert (event.kind, facet(event)) == KINDS[kinds[path.name]], path.name
        assert event.id == named(path.read_bytes())
        seen[kinds[path.name]] += 1
    assert set(seen) == set(KINDS)


def test_every_form_survives_signing_and_verifying():
    count = 0
    for path in sorted((folder() / "forms").iterdir()):
        body = path.read_bytes()
        url = "https://desk.example" + ROUTES[0]
        check(signature_of(TOKEN, url, signed_parameters(body)).decode(), url, body, "form")
        count += 1
    assert count >= 6


def test_forms_cut_anywhere_are_read_or_malformed_and_always_named():
    outcomes: Counter[str] = Counter()
    for path in sorted((folder() / "forms").iterdir()):
        body = path.read_bytes()
        for end in range(0, len(body), 7):
            assert named(body[:end])
            try:
                events_of(body[:end])
            except MalformedPayload:
                outcomes["malformed"] += 1
            else:
                outcomes["read"] += 1
    assert outcomes["malformed"] > 0
    assert outcomes["read"] > 0


def check(signature: str, url: str, body: bytes, media_type: str) -> None:
    at = url.index("/", len("https://"))
    verify_signature(
        [signature],
        origins=origins_of(url[:at]),
        target=url[at:],
        body=body,
        media_type=media_type,
        tokens=(TOKEN,),
    )


def encoded(vector: dict[str, Any], first: dict[str, str]) -> tuple[bytes, str]:
    """Return the body that a vector stands for, and its media type; "same" are the parameters of the first vector."""
    if "body" in vector:
        return vector["body"].encode(), "application/json"
    named = first if vector.get("params") == "same" else vector.get("params", {})
    pairs = vector.get("params_list") or list(named.items())
    body = b"&".join(f"{name}={value}".replace("+", "%2B").encode() for name, value in pairs)
    assert len(form_pairs(body)) == len(pairs)
    return body, "application/x-www-form-urlencoded"


def test_every_signature_vector_passes_and_no_other_signature_does():
    given = json.loads((folder() / "signature_vectors.json").read_text())
    assert given["auth_token"].encode() == TOKEN
    first = given["vectors"][0]["params"]
    count = 0
    for vector in given["vectors"]:
        body, media_type = encoded(vector, first)
        assert vector["valid"]
        check(vector["signature"], vector["url"], body, media_type)
        for forged in (vector["signature"].swapcase(), vector["signature"][:-1], ""):
            with pytest.raises(InvalidSignature):
                check(forged, vector["url"], body, media_type)
        with pytest.raises(InvalidSignature):
            check(vector["signature"], vector["url"], body + b"&x=", media_type)
        count += 1
    assert count == 7


def test_every_rest_answer_has_a_meaning_under_every_status():
    expected = {
        201: UnknownOutcome,
        302: PermanentFailure,
        400: PermanentFailure,
        401: AccountRefused,
        404: PermanentFailure,
        429: RateLimited,
        500: UnknownOutcome,
        503: UnknownOutcome,
    }
    count = 0
    for path in sorted((folder() / "rest_responses").iterdir()):
        for status, meaning in expected.items():
            assert type(failure_from(status, {}, path.read_bytes())) is meaning, (path.name, status)
        count += 1
    assert count >= 21


def test_every_rest_answer_given_as_a_webhook_is_malformed():
    count = 0
    for path in sorted((folder() / "rest_responses").iterdir()):
        with pytest.raises(MalformedPayload):
            events_of(path.read_bytes())
        assert named(path.read_bytes()).startswith("whatsapp:main:sha256:")
        count += 1
    assert count >= 21


def test_no_file_of_the_manifest_is_left_out():
    left = {kind for kind in manifest().values() if kind not in KINDS}
    assert left == {"rest_response", "signature vectors"}
