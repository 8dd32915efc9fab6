"""What makes a mail itself, by whichever way it comes. Pure; never raises (E6, SEMANTICS section 2)."""

import hashlib
import re

from channels.email.mime import MAX_HEADER_BYTES, normalize_lines, split_head

NAMED = (b"message-id", b"from", b"date", b"subject")
"""What the sender wrote and no mail server on the way changes."""


def name_mail(account: str, raw: bytes) -> str:
    """Name a mail by its content: `email:{account}:sha256:{hex}`.

    The same mail by IMAP and by SMTP is one; the same Message-ID with another text is two.

    (UIDVALIDITY, UID) is no part of the key: a mailbox that is built anew counts from the start, and a key that says
    "known" for another mail would lose it (F107).
    """
    return f"email:{account}:sha256:{_digest(raw)}"


def _digest(raw: bytes) -> str:
    head, body = split_head(normalize_lines(raw))
    unfolded = re.sub(rb"\n[ \t]+", b" ", head[:MAX_HEADER_BYTES])
    fields = {
        name.strip().lower(): b" ".join(value.split())
        for name, colon, value in (line.partition(b":") for line in reversed(unfolded.split(b"\n")))
        if colon
    }
    text = body.translate(None, b" \t\n")  # white space is what servers on the way do change
    known = [fields.get(name, b"") for name in NAMED]
    stands_for_header = b"" if any(known) else head
    return hashlib.sha256(b"\x00".join((*known, stands_for_header, text))).hexdigest()
