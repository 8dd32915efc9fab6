"""The slice of a mail that we read, after MIME and before meaning. Source: RFC 5322, RFC 2045-2047, RFC 3834."""

from core.events import Attachment
from core.model import AwareDatetime, Model


class Person(Model):
    """One mailbox of a From header."""

    address: str
    """As written; compare in lower case."""
    name: str | None = None


class Report(Model):
    """What a mail reports of another one that did not arrive (RFC 3464)."""

    recipients: tuple[str, ...] = ()
    """In lower case, each as it was written to before as it is now."""
    is_permanent: bool = False
    message_ids: tuple[str, ...] = ()
    """Of mails as hubs write them, wherever the report quotes them."""
    envelope_id: str = ""
    """Original-Envelope-Id: what the sender of the lost mail called it (RFC 3464 section 2.2.1)."""


class Mail(Model):
    """One mail. Every text is decoded, free of control characters, and bounded."""

    headers: dict[str, str] = {}
    """First value of each header of the mail itself, lower-case names."""
    content_type: str = "text/plain"
    report_type: str = ""
    """`report-type` of a multipart/report (RFC 6522), lower case."""
    part_types: tuple[str, ...] = ()
    """Content types of all parts, the mail itself first."""
    sender: Person | None = None
    from_domain: str | None = None
    """In lower case, of the one address in the one From header; None where another reader may see another sender."""
    authentication_results: tuple[str, ...] = ()
    """Every Authentication-Results header, the newest first (RFC 8601)."""
    subject: str = ""
    message_id: str | None = None
    """With its angle brackets; None where it is missing or unusable."""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    date: AwareDatetime | None = None
    """The sender's clock (E: fixtures run from 1970 to the future)."""
    language: str | None = None
    text: str = ""
    """What the person wrote now."""
    full_text: str = ""
    """With the quoted history."""
    attachments: tuple[Attachment, ...] = ()
    report: Report | None = None
