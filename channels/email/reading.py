"""MIME bytes -> `Mail`. Pure; nothing but `MalformedPayload` leaves."""

import re
from datetime import UTC, datetime
from email.utils import getaddresses, parsedate_to_datetime

from channels.email.account import PLAIN_ADDRESS
from channels.email.bodies import read_attachments, read_body
from channels.email.mime import (
    PARSER_ERRORS,
    Part,
    all_of,
    clean_line,
    decode_words,
    headers_of,
    parse,
    raw_header,
    walk,
)
from channels.email.payloads import Mail, Person
from channels.email.reports import read_report
from channels.email.threads import ids_in, own_id
from channels.email.trust import MAX_RESULTS_HEADERS

MAX_SUBJECT_CHARS = 500
MAX_ADDRESS_HEADER_CHARS = 2000
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


def read_mail(raw: bytes) -> Mail:
    """Read a mail.

    Raises:
        MalformedPayload: over a cap of `mime`, or not a mail.
    """
    mail = parse(raw)
    headers = headers_of(mail)
    body = read_body(mail)
    return Mail(
        headers=headers,
        content_type=mail.get_content_type(),
        report_type=_report_type(mail),
        part_types=tuple(part.get_content_type() for part, _ in walk(mail)),
        sender=_sender(mail),
        from_domain=_from_domain(mail),
        authentication_results=all_of(mail, "Authentication-Results")[:MAX_RESULTS_HEADERS],
        subject=headers.get("subject", "")[:MAX_SUBJECT_CHARS],
        message_id=own_id(headers.get("message-id", "")),
        in_reply_to=ids_in(headers.get("in-reply-to", "")),
        references=ids_in(headers.get("references", "")),
        date=_date(headers.get("date", "")),
        language=_language(headers.get("content-language", "")),
        text=body.text,
        full_text=body.full_text,
        attachments=read_attachments(mail),
        report=read_report(mail, headers),
    )


def _report_type(mail: Part) -> str:
    try:
        found = mail.get_param("report-type", "")
    except PARSER_ERRORS:
        return ""
    return clean_line(found).lower() if isinstance(found, str) else ""


def _sender(mail: Part) -> Person | None:
    """Return who the mail says it is from; Sender and Return-Path stand in for a From that cannot be read."""
    found = (_person(raw_header(mail, name)) for name in ("From", "Sender", "Return-Path"))
    return next((person for person in found if person), None)


def _from_domain(mail: Part) -> str | None:
    """Return the domain of From, if every reader sees the same one: one header, one address, nothing else in it."""
    headers = all_of(mail, "From")
    if len(headers) != 1 or len(headers[0]) > MAX_ADDRESS_HEADER_CHARS or headers[0].count("@") < 1:
        return None
    try:
        pairs = getaddresses(headers)
    except PARSER_ERRORS:
        return None
    address = clean_line(pairs[0][1])
    sender = _sender(mail)
    is_plain = len(pairs) == 1 and sender is not None and sender.address == address
    return address.rpartition("@")[2].lower() if is_plain and PLAIN_ADDRESS.fullmatch(address) else None


def _person(header: str) -> Person | None:
    value = header[:MAX_ADDRESS_HEADER_CHARS]
    try:
        pairs = getaddresses([value])
    except PARSER_ERRORS:
        pairs = []
    for name, address in pairs:
        address = clean_line(address)
        if PLAIN_ADDRESS.fullmatch(address):
            return Person(address=address, name=clean_line(decode_words(name)) or None)
    found = PLAIN_ADDRESS.search(clean_line(decode_words(value)))
    return Person(address=found.group()) if found else None


def _date(header: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(header)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (*PARSER_ERRORS, OverflowError):
        return None


def _language(header: str) -> str | None:
    first = header.partition(",")[0].strip()
    return first if LANGUAGE.fullmatch(first) else None
