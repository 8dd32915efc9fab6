"""Real mails of other projects: nothing but `MalformedPayload` leaves, and machines and people are told apart."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import pytest

from channels.email.account import AccountSettings
from channels.email.identity import name_mail
from channels.email.normalize import normalize
from core.errors import MalformedPayload
from core.events import EVENT_ADAPTER, MessageReceived
from core.ids import AccountName
from tests.fakes import START
from tests.shared_files import shared_folder

pytestmark = pytest.mark.corpus

SETTINGS = AccountSettings(address="help@shop.example", smtp_host="127.0.0.1", smtp_tls="none", smtp_in_port=0)
BODY_ONLY = ("reply_bodies", "signatures", "html_replies")
MACHINES = ("bounce", "feedback report", "auto-reply")

TAKEN_FOR_MACHINES = {
    "parsing/enmime/mail/multipart-wo-boundary.eml",  # From: mailer-daemon
    "parsing/mikel_mail/error_emails/bad_date_header.eml",  # Precedence: bulk
    "parsing/mikel_mail/error_emails/empty_in_reply_to.eml",  # list headers
    "parsing/mikel_mail/error_emails/encoding_madness.eml",  # no-reply@
    "parsing/mikel_mail/mime_emails/raw_email_encoded_stack_level_too_deep.eml",  # gmail-noreply@
    "parsing/mikel_mail/mime_emails/raw_email_with_mimepart_without_content_type.eml",  # a delivery status
    "parsing/mikel_mail/plain_emails/raw_email_trailing_dot.eml",  # noreply@
    "parsing/stalwart/thirdparty/014.eml",  # list headers
}
"""Parser fixtures without a verdict that do carry the marks of a machine: read one by one."""

NOT_MAILS = {
    "parsing/enmime/mail/erroneous.eml",  # one line that says so
    "parsing/stalwart/malformed/019.eml",  # no header
}


class Case(NamedTuple):
    name: str
    verdict: str
    raw: bytes


def cases() -> list[Case]:
    root = shared_folder("fixtures")
    rows = map(json.loads, (root / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    mails = (row for row in rows if row["file"].startswith("email/"))
    return [case for row in mails if (case := case_of(root, row))]


def case_of(root: Path, row: dict[str, Any]) -> Case | None:
    name, raw = row["file"].removeprefix("email/"), (root / row["file"]).read_bytes()
    if name.startswith("provider_webhooks"):
        raw = (
            dict(parse_qsl(raw.decode("latin-1"))).get("message", "").encode("latin-1")
            if "simple__valid" in name
            else raw
        )
    elif name.startswith(BODY_ONLY) and not name.endswith(".eml"):
        kind = "html" if name.endswith(".html") else "plain"
        raw = b"From: jo@customer.example\nContent-Type: text/" + kind.encode() + b"; charset=utf-8\n\n" + raw
    return Case(name, row.get("verdict") or "unknown", raw)


def read(case: Case) -> MessageReceived | None:
    """Return the event, None for `MalformedPayload`; anything else fails the test."""
    assert name_mail("help", case.raw).startswith("email:help:sha256:")
    try:
        (event,) = normalize(case.raw, {}, START, AccountName("help"), SETTINGS)
    except MalformedPayload:
        return None
    assert isinstance(event, MessageReceived)
    assert EVENT_ADAPTER.validate_json(EVENT_ADAPTER.dump_json(event)) == event
    return event


@pytest.fixture(scope="module")
def readings() -> dict[str, tuple[str, MessageReceived | None]]:
    return {case.name: (case.verdict, read(case)) for case in cases()}


Readings = dict[str, tuple[str, MessageReceived | None]]


def said(event: MessageReceived | None) -> str:
    return "malformed" if event is None else event.automatic or "human"


def test_every_file_is_read_or_malformed(readings: Readings) -> None:
    table = Counter((name.split("/")[0], verdict, said(event)) for name, (verdict, event) in readings.items())
    for (folder, verdict, kind), count in sorted(table.items()):
        print(f"{folder:18} {verdict:40} {kind:16} {count:4}")
    assert len(readings) > 800


def test_machines_are_known_as_machines(readings: Readings) -> None:
    """CHANNELS 4.4, 4.5."""
    missed = {
        name
        for name, (verdict, event) in readings.items()
        if name.startswith("bounces") and verdict.startswith(MACHINES) and said(event) in ("human", "malformed")
    }
    assert missed == set()


def test_a_machine_of_each_kind_is_called_by_its_kind(readings: Readings) -> None:
    kinds = Counter((verdict.split(" ")[0], said(event)) for verdict, event in readings.values())
    assert kinds["feedback", "feedback_report"] == 12
    assert kinds["auto-reply", "auto_reply"] == 8
    assert kinds["bounce", "bounce"] >= 380


def test_people_are_not_discarded(readings: Readings) -> None:
    people = {
        name: said(event)
        for name, (_, event) in readings.items()
        if name.startswith(("parsing", "dkim/flanker/email", *BODY_ONLY)) and not name.startswith(BODIES_OF_MACHINES)
    }
    taken = {name for name, kind in people.items() if kind not in ("human", "malformed")}
    assert taken <= TAKEN_FOR_MACHINES
    assert {name for name, kind in people.items() if kind == "malformed"} <= NOT_MAILS


BODIES_OF_MACHINES = "parsing/mikel_mail/multipart_report_emails"


def test_a_persons_words_survive_the_cut(readings: Readings) -> None:
    """CHANNELS 4.6: an empty cut would lose what was written."""
    empty = {
        name
        for name, (_, event) in readings.items()
        if name.startswith(BODY_ONLY) and event and (event.full_text or event.text).strip() and not event.text.strip()
    }
    assert empty == set()


def test_html_replies_are_cut_to_what_was_written(readings: Readings) -> None:
    """Nine clients quote the same mail; two of them (Russian ones, by bare blockquotes) are kept whole."""
    texts = {
        name: event.text.split() for name, (_, event) in readings.items() if name.startswith("html_replies") and event
    }
    exact = [name for name, words in texts.items() if words == ["Hi.", "I", "am", "fine.", "Thanks,", "Alex"]]
    print(f"exact: {len(exact)} of {len(texts)}")
    assert len(exact) >= 6
