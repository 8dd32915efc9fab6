"""Checking DKIM signatures ourselves, where no mail server in front of us does (RFC 6376; dkimpy).

Done when a mail comes in: keys are withdrawn later, and reading a mail again has to say the same. What was found goes
along with the raw mail. Every step is bounded: signatures, their keys, the time of each question to a name server.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace

import dkim
import dns.exception
import dns.rdatatype
import dns.resolver

from channels.base import Accept, Acceptance
from channels.email.mime import MAX_HEADER_BYTES, PARSER_ERRORS
from channels.email.normalize import DKIM_SIGNERS
from channels.inbound import Inbound

MAX_SIGNATURES = 3
"""Looked at in one mail, the topmost first; a signer and its mail service make two."""
MAX_CHECKS = 4
"""At once for one account."""
LOOKUP_TIMEOUT_S = 2.0
MAX_KEY_CHARS = 1024
"""Of a key's record; 4,096 bits take 750 characters. A larger key only costs us time."""
SIGNED = re.compile(rb"^dkim-signature[ \t]*:", re.IGNORECASE | re.MULTILINE)
LONG_GAP = re.compile(rb"[ \t]{1000}")
"""dkimpy's cost is the square of a run of white space (F078)."""

KeyLookup = Callable[[str], bytes | None]
"""Asks for the TXT record of a name; None where there is none, or nobody answers in time."""


def look_up(name: str) -> bytes | None:
    """Ask the system's name servers for a TXT record."""
    try:
        answer = dns.resolver.resolve(name, dns.rdatatype.TXT, lifetime=LOOKUP_TIMEOUT_S, search=False)
    except (dns.exception.DNSException, OSError, ValueError):
        return None
    return next((b"".join(record.strings) for record in answer), None)


def signers_of(raw: bytes, lookup: KeyLookup) -> tuple[str, ...]:
    """Return the domains whose signatures over the whole mail are good, in lower case."""
    head = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    count = min(len(SIGNED.findall(head)), MAX_SIGNATURES)
    if not count or LONG_GAP.search(raw):
        return ()
    found = (_signer(raw, number, lookup) for number in range(count))
    return tuple(dict.fromkeys(domain for domain in found if domain))


def _signer(raw: bytes, number: int, lookup: KeyLookup) -> str | None:
    """Check one signature; one that covers only the beginning of the body (`l=`) lets anybody write the rest."""
    try:
        mail = dkim.DKIM(raw)
        is_good = mail.verify(number, dnsfunc=lambda name, timeout: _key(name, lookup))
        covers_all = b"l" not in mail.signature_fields
        domain = mail.domain.decode("ascii").lower()
    except (dkim.DKIMException, *PARSER_ERRORS):
        return None
    return domain if is_good and covers_all else None


def _key(name: bytes | str, lookup: KeyLookup) -> bytes | None:
    record = lookup(name.decode("ascii") if isinstance(name, bytes) else name)
    return record if record is not None and len(record) <= MAX_KEY_CHARS else None


def checking(accept: Accept, lookup: KeyLookup = look_up) -> Accept:
    """Return an `accept` that first notes who signed a mail."""
    slots = asyncio.Semaphore(MAX_CHECKS)

    async def check(inbound: Inbound) -> Acceptance:
        if not SIGNED.search(inbound.body[:MAX_HEADER_BYTES]):
            return await accept(inbound)
        async with slots:
            signers = await asyncio.to_thread(signers_of, inbound.body, lookup)
        return await accept(replace(inbound, headers={**inbound.headers, DKIM_SIGNERS: " ".join(signers)}))

    return check
