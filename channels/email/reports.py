"""Reports of failed deliveries -> whom they are about and which mail they quote. Pure (RFC 3464, CHANNELS 4.5)."""

import re
from collections.abc import Iterator, Mapping

from channels.email.account import PLAIN_ADDRESS
from channels.email.mime import (
    CLOSED_STATUS,
    Part,
    clean_line,
    content_of,
    decode_bytes,
    is_leaf,
    normalize_lines,
    walk,
)
from channels.email.payloads import Report

STATUS_TYPES = frozenset({CLOSED_STATUS, "message/global-delivery-status"})
EXIM_RECIPIENTS = "x-failed-recipients"
"""Exim and Gmail name the recipients of a report for people here; it is written only when delivery failed for good."""
MAX_READ_BYTES = 64 * 1024
"""Of each part; the header of the returned mail stands at the beginning of its own."""
MAX_RECIPIENTS = 10
"""Our mails have one, and a report may name it as it was and as it is."""
MAX_QUOTED = 10
FIELD = re.compile(r"^([A-Za-z-]{1,40})[ \t]*:[ \t]*([^\n]{0,1000}(?:\n[ \t][^\n]{0,1000}){0,3})", re.MULTILINE)
QUOTED = re.compile(r"<[a-z2-7]{26}\.[0-9a-f]{16}@[^<>\s]{1,250}>", re.IGNORECASE)
"""Our own Message-IDs (`threads.OWN_ID`), with an end to how far each is looked for."""


def read_report(mail: Part, headers: Mapping[str, str]) -> Report | None:
    """Return what a mail reports of another; None where it names nobody to whom a delivery failed.

    Args:
        mail: as parsed.
        headers: its own, decoded, by lower-case name.
    """
    parts = [part for part, _ in walk(mail) if is_leaf(part)]
    groups = [group for part in parts if _type(part) in STATUS_TYPES for group in _groups(_text(part))]
    failures = [group for group in groups if _is_failure(group)]
    named = [address for group in failures for address in _recipients(group)]
    by_exim = [] if named else _addresses(headers.get(EXIM_RECIPIENTS, "").split(","))
    if not named and not by_exim:
        return None
    quoted = (found for part in parts for found in QUOTED.findall(_text(part)))
    return Report(
        recipients=tuple(dict.fromkeys(named or by_exim))[:MAX_RECIPIENTS],
        is_permanent=bool(by_exim) or any(group.get("status", "").startswith("5") for group in failures),
        message_ids=tuple(dict.fromkeys(quoted))[:MAX_QUOTED],
        envelope_id=next((group["original-envelope-id"] for group in groups if "original-envelope-id" in group), ""),
    )


def _type(part: Part) -> str:
    return part.get_content_type()


def _text(part: Part) -> str:
    return decode_bytes(normalize_lines(content_of(part)[:MAX_READ_BYTES]), None)


def _groups(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each paragraph: the first is about the report, each other one about a recipient."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        yield {name.lower(): clean_line(value) for name, value in reversed(FIELD.findall(paragraph))}


def _is_failure(group: Mapping[str, str]) -> bool:
    """Tell whether delivery was given up: `delayed` may still arrive, and the others are no failures."""
    action = group.get("action", "failed").partition(" ")[0].lower()
    return action == "failed" and group.get("status", "5")[:1] in ("4", "5")


def _recipients(group: Mapping[str, str]) -> list[str]:
    """Return the address that was written to, where the report says so, and then the one where delivery ended."""
    fields = (group.get(name, "") for name in ("original-recipient", "final-recipient"))
    return _addresses(field.rpartition(";")[2] for field in fields)


def _addresses(written: Iterator[str] | list[str]) -> list[str]:
    found = (text.strip().strip("<>").lower() for text in written)
    return [address for address in found if PLAIN_ADDRESS.fullmatch(address)]
