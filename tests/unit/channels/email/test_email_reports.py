"""What a report of a failed delivery says: whom it is about, for how long, and which mail of ours it quotes (F103)."""

import pytest

from channels.email.render import CAPABILITIES, render
from core.events import FailedDelivery
from core.ids import OutId
from core.replies import Reply
from tests.unit.channels.email.mails import build, event_of, mail
from tests.unit.channels.email.test_email_loops import Words

OURS = f"<{'a' * 26}.{'0' * 16}@shop.example>"
OURS_TOO = f"<{'b' * 26}.{'0' * 16}@shop.example>"


def report(
    recipient: str = "jo@customer.example",
    quoted: str = OURS,
    status: str = "5.1.1",
    action: str = "failed",
    number: int = 0,
    more: str = "",
) -> bytes:
    """Return a report as Postfix writes it, about one recipient."""
    parts = (
        "Content-Type: text/plain\r\n\r\nI could not deliver your mail.",
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.customer.example\r\n\r\n"
        f"{more}Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}",
        f"Content-Type: text/rfc822-headers\r\n\r\nFrom: help@shop.example\r\nMessage-ID: {quoted}",
    )
    body = "".join(f"--r\r\n{part}\r\n" for part in parts) + "--r--\r\n"
    return build(
        body.encode(),
        From="MAILER-DAEMON@mx.customer.example",
        Subject="Undelivered Mail Returned to Sender",
        Message_ID=f"<dsn{number}@mx.customer.example>",
        Content_Type='multipart/report; report-type=delivery-status; boundary="r"',
    )


def failed(raw: bytes) -> FailedDelivery | None:
    event = event_of(raw)
    assert event.automatic == "bounce"
    return event.failed_delivery


def test_a_report_names_the_recipient_the_kind_of_failure_and_our_mail() -> None:
    """F103, RFC 3464."""
    expected = FailedDelivery(recipients=("jo@customer.example",), is_permanent=True, out_ids=(OutId("a" * 26),))
    assert failed(report()) == expected
    assert failed(mail("bounce_dsn")) == expected


def test_a_mail_given_up_after_4xx_failed_and_not_for_good() -> None:
    found = failed(report(status="4.4.7"))
    assert found is not None
    assert not found.is_permanent


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_what_may_still_arrive_or_has_arrived_is_no_failure(action: str) -> None:
    assert failed(report(status="4.4.7", action=action)) is None


def test_the_address_that_we_wrote_to_comes_before_the_one_it_was_forwarded_to() -> None:
    found = failed(report("jo@home.example", more="Original-Recipient: rfc822;Jo@customer.example\r\n"))
    assert found is not None
    assert found.recipients == ("jo@customer.example", "jo@home.example")


@pytest.mark.parametrize("quoted", ["<x@shop.example>", OURS.replace("shop", "other"), ""])
def test_a_report_that_quotes_no_mail_of_ours_is_about_nobody(quoted: str) -> None:
    """F103, CHANNELS 4.5: else anybody could have anybody suspended."""
    assert failed(report(quoted=quoted)) is None


@pytest.mark.parametrize("recipient", ["", "not an address", "help@shop.example", "<>"])
def test_a_report_without_a_recipient_is_about_nobody(recipient: str) -> None:
    assert failed(report(recipient)) is None


def test_the_report_of_exim_names_its_recipients_in_the_header() -> None:
    raw = build(
        f"A message could not be delivered.\r\n\r\n------ The headers ------\r\nMessage-ID: {OURS}\r\n".encode(),
        From="Mailer-Daemon@mx.customer.example",
        X_Failed_Recipients="Jo@customer.example, ann@customer.example",
    )
    found = failed(raw)
    assert found is not None
    assert found.recipients == ("jo@customer.example", "ann@customer.example")
    assert found.is_permanent


def test_our_mail_may_be_quoted_by_in_reply_to_alone() -> None:
    found = failed(report(quoted="").replace(b"Subject:", f"In-Reply-To: {OURS_TOO}\r\nSubject:".encode(), 1))
    assert found is not None
    assert found.out_ids == ("b" * 26,)


def test_a_report_of_ten_thousand_recipients_names_ten() -> None:
    many = "\r\n\r\n".join(f"Final-Recipient: rfc822; p{n}@x.example\r\nStatus: 5.0.0" for n in range(10_000))
    found = failed(report(more=f"{many}\r\n\r\n"))
    assert found is not None
    assert len(found.recipients) == 10


def test_a_person_who_pastes_a_report_reports_nothing() -> None:
    event = event_of(
        build(b"I got this:\r\nFinal-Recipient: rfc822; ann@x.example\r\nStatus: 5.1.1\r\n" + OURS.encode())
    )
    assert (event.automatic, event.failed_delivery) == (None, None)


@pytest.mark.parametrize("sender", ["Jo@Customer.example", "Jo <jo@customer.EXAMPLE>"])
def test_who_wrote_who_is_answered_and_who_is_reported_have_one_name(sender: str) -> None:
    """F101, F103: the hub counts all three together."""
    event = event_of(build(From=sender))
    (call,) = render(Reply(template="x", kind="answer"), Words(), event.address)
    found = failed(report("JO@customer.example"))
    assert found is not None
    assert event.sender.id == call.bucket == found.recipients[0]
    assert CAPABILITIES.counts_answers
