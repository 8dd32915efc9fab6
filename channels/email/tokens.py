"""Names that only we can have written, in addresses and envelopes. Pure (CHANNELS 4.3, 4.5).

`help+t.{root16}.{mac}@shop.example` finds its thread where a client drops In-Reply-To and References, or a relay
rewrites our Message-ID. `{out_id}.{mac}` is the ENVID of a mail (RFC 3461 section 4.4): a report repeats it.
Neither opens a thread to a stranger: its name has the sender in it (`threads.thread_of`).
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Set

from core.ids import OutId

MAC_BYTES = 10
"""80 bits, 16 characters: nobody can try them out by mail."""
MAX_LOCAL_CHARS = 64 - len("+t.") - 16 - len(".") - 16
"""Of our own address, so that with the token it stays a local part (RFC 5321 section 4.5.3.1.1)."""
ADDRESS = re.compile(
    r"(?P<local>[^\s@<>(),;:\"+]{1,64})\+t\.(?P<root16>[0-9a-f]{16})\.(?P<mac>[a-z2-7]{16})@(?P<domain>[^\s@<>(),;:\"]{1,255})",
    re.IGNORECASE,
)
ENVELOPE_ID = re.compile(r"(?P<out_id>[a-z2-7]{26})\.(?P<mac>[a-z2-7]{16})", re.IGNORECASE)
MAX_RECIPIENTS_CHARS = 8192


def reply_address(address: str, root16: str, key: bytes) -> str:
    """Return the address to answer to."""
    local, _, domain = address.rpartition("@")
    return f"{local}+t.{root16}.{_mac(key, 'reply', address.lower(), root16)}@{domain}"


def root16_to(recipients: Iterable[str], own: Set[str], key: bytes) -> str | None:
    """Return the root that a signed address among the recipients carries; None for forged ones and others' addresses.

    Args:
        recipients: as the envelope and the headers name them, one or several in a text.
        own: our addresses, in lower case.
        key: of the account.
    """
    for text in recipients:
        for found in ADDRESS.finditer(text[:MAX_RECIPIENTS_CHARS]):
            address, root16 = f"{found['local']}@{found['domain']}".lower(), found["root16"].lower()
            if address in own and _is_ours(found["mac"], _mac(key, "reply", address, root16)):
                return root16
    return None


def envelope_id(out_id: str, key: bytes) -> str:
    """Return the ENVID of a mail."""
    return f"{out_id}.{_mac(key, 'envelope', out_id)}"


def out_id_of(envelope: str, key: bytes) -> OutId | None:
    """Return our name of the send that a report's Original-Envelope-Id names; None where we did not write it."""
    found = ENVELOPE_ID.fullmatch(envelope.strip())
    if found is None:
        return None
    out_id = found["out_id"].lower()
    return OutId(out_id) if _is_ours(found["mac"], _mac(key, "envelope", out_id)) else None


def _mac(key: bytes, *words: str) -> str:
    digest = hmac.digest(key, "\x1f".join(words).encode(), hashlib.sha256)
    return base64.b32encode(digest[:MAC_BYTES]).decode("ascii").lower()


def _is_ours(mac: str, expected: str) -> bool:
    return hmac.compare_digest(mac.lower().encode(), expected.encode())
