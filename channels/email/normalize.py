"""A mail -> one `MessageReceived`. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from channels.email.account import AccountSettings
from channels.email.classify import Verdict, classify
from channels.email.identity import name_mail
from channels.email.payloads import Mail
from channels.email.reading import read_mail
from channels.email.threads import is_endless, out_id_in, references_for, root16_of, thread_of
from channels.email.tokens import out_id_of, root16_to
from channels.email.trust import Trust, trust_in
from core.errors import MalformedPayload
from core.events import Address, Event, FailedDelivery, MessageReceived, Sender
from core.ids import AccountName, ChannelName, EventId, conversation_id

CHANNEL = ChannelName("email")
ADAPTER = "email/1"
ENVELOPE_FROM = "x-envelope-from"
ENVELOPE_TO = "x-envelope-to"
TRUNCATED = "x-truncated-bytes"
"""Names in an inbound's headers for what the way in knew about a mail. The last is its real size where it was cut."""
DKIM_SIGNERS = "x-dkim-signers"
"""Domains whose signatures were good when the mail came in, separated by spaces; only where we check them ourselves."""
IMAP_UID = "x-imap-uid"
RECIPIENT_HEADERS = ("delivered-to", "x-original-to", "to", "cc")

UNKNOWN_SENDER = "unknown"
EARLIEST_DATE = datetime(2000, 1, 1, tzinfo=UTC)
MAX_CLOCK_AHEAD = timedelta(days=1)


def normalize(
    raw: bytes, headers: Mapping[str, str], received_at: datetime, account: AccountName, settings: AccountSettings
) -> tuple[Event, ...]:
    """Translate one mail.

    Args:
        raw: the mail as it came.
        headers: what the way in knew: the envelope, the place in the mailbox.
        received_at: our clock.
        account: our mailbox, by its name in the settings.
        settings: its addresses.

    Raises:
        MalformedPayload: larger, deeper or wider than the caps, or not a mail.
    """
    if TRUNCATED in headers:
        raise MalformedPayload(f"too large: {headers[TRUNCATED]} bytes; only the beginning was kept")
    mail = read_mail(raw)
    verdict = classify(mail, headers.get(ENVELOPE_FROM), settings.own_addresses, settings.domain)
    try:
        signers = headers.get(DKIM_SIGNERS, "").split()
        trust = trust_in(mail.from_domain, mail.authentication_results, settings.authserv_id, signers)
        root16 = _token_root(mail, headers, settings)
        return (_event(mail, verdict, trust, root16, name_mail(account, raw), received_at, account, settings),)
    except ValidationError as error:
        raise MalformedPayload(f"not usable as an event: {error.error_count()} fields") from error


def _token_root(mail: Mail, headers: Mapping[str, str], settings: AccountSettings) -> str | None:
    """Return the root of the thread whose signed address the mail was written to (E5: the envelope knows best)."""
    if settings.signing_key is None:
        return None
    recipients = (headers.get(ENVELOPE_TO, ""), *(mail.headers.get(name, "") for name in RECIPIENT_HEADERS))
    return root16_to(recipients, settings.own_addresses, settings.signing_key)


def _event(
    mail: Mail,
    verdict: Verdict,
    trust: Trust,
    token_root: str | None,
    key: str,
    received_at: datetime,
    account: AccountName,
    settings: AccountSettings,
) -> MessageReceived:
    sender = mail.sender.address.lower() if mail.sender else UNKNOWN_SENDER
    root16 = token_root or root16_of(mail.message_id or key, mail.in_reply_to, mail.references, settings.domain)
    return MessageReceived(
        id=EventId(key),
        channel=CHANNEL,
        account=account,
        conversation_id=conversation_id(CHANNEL, account, thread_of(sender, root16)),
        sender=Sender(id=sender, display_name=mail.sender.name if mail.sender else None, verified_by=trust),
        sent_at=_sent_at(mail.date, received_at),
        received_at=received_at,
        locale=mail.language,
        address=_address(mail, verdict, root16, settings),
        adapter=ADAPTER,
        raw_ref=key,
        message_id=mail.message_id or key,
        text=mail.text,
        full_text=mail.full_text if mail.full_text != mail.text else None,
        subject=mail.subject or None,
        attachments=mail.attachments,
        in_reply_to=next(iter((*mail.in_reply_to, *reversed(mail.references))), None),
        automatic=verdict.automatic,
        failed_delivery=_failed_delivery(mail, settings) if verdict.automatic == "bounce" else None,
    )


def _failed_delivery(mail: Mail, settings: AccountSettings) -> FailedDelivery | None:
    """Return what a bounce says of our mail; anybody can write that some address is dead, so it has to quote one."""
    if mail.report is None:
        return None
    quoted = (*mail.report.message_ids, *mail.in_reply_to, *mail.references)
    signed = out_id_of(mail.report.envelope_id, settings.signing_key) if settings.signing_key is not None else None
    found = (signed, *(out_id_in(one, settings.domain) for one in quoted))
    out_ids = dict.fromkeys(out_id for out_id in found if out_id)
    recipients = tuple(name for name in mail.report.recipients if name not in settings.own_addresses)
    if not recipients or not out_ids:
        return None
    return FailedDelivery(recipients=recipients, is_permanent=mail.report.is_permanent, out_ids=tuple(out_ids))


def _address(mail: Mail, verdict: Verdict, root16: str, settings: AccountSettings) -> Address:
    """Return where an answer goes.

    Without "to" nothing can be sent: to machines, to who asked for silence, and where mails go to and fro without end.
    """
    address = {
        "subject": mail.subject,
        "in_reply_to": mail.message_id or "",
        "references": " ".join(references_for(mail.message_id, mail.in_reply_to, mail.references)),
        "root16": root16,
        "from": settings.address,
    }
    may_answer = verdict == Verdict(None, asks_silence=False)
    if mail.sender and may_answer and not is_endless(mail.in_reply_to, mail.references, settings.domain):
        address["to"] = mail.sender.address
    return address


def _sent_at(date: datetime | None, received_at: datetime) -> datetime:
    """Return the Date of the mail where a clock may have shown it, else the time of reception."""
    is_sane = date is not None and EARLIEST_DATE <= date <= received_at + MAX_CLOCK_AHEAD
    return date if is_sane and date else received_at
