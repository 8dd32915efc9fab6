"""Message-IDs and what they say about threads. Pure (CHANNELS 4.3).

Our own ids are `<{out_id}.{root16}@{domain}>`: `root16` are the first 16 hex digits of the SHA-256 of the thread's root
id, so that an answer which names nothing but our id still finds its thread.
"""

import hashlib
import re
from collections.abc import Sequence

from core.ids import OutId

MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")
"""Printable ASCII in angle brackets: what may stand in References again."""
OWN_ID = re.compile(r"<(?P<out_id>[a-z2-7]{26})\.(?P<root16>[0-9a-f]{16})@(?P<domain>[^>]+)>", re.IGNORECASE)
MAX_OWN_HOPS = 5
"""Answers of ours that a mail may refer to and still get another one; with the other side's, ten hops (F101)."""
MAX_LAST_REFERENCES = 10
"""Of a long chain the first id and the last ten are kept (CHANNELS 4.3)."""


def ids_in(header: str) -> tuple[str, ...]:
    """Return the usable Message-IDs of a header, in order; junk between them is skipped.

    >>> ids_in("<a@x> Your message of Tuesday <b@y>")
    ('<a@x>', '<b@y>')
    """
    return tuple(MESSAGE_ID.findall(header))


def own_id(header: str) -> str | None:
    """Return the mail's own id; one without its brackets is given them.

    >>> own_id(" <a@x> "), own_id("a@x"), own_id(""), own_id("two words")
    ('<a@x>', '<a@x>', None, None)
    """
    found = MESSAGE_ID.search(header)
    if found:
        return found.group()
    bare = f"<{header.strip()}>"
    return bare if MESSAGE_ID.fullmatch(bare) else None


def our_message_id(out_id: str, root16: str, domain: str) -> str:
    """Return the Message-ID of an answer; the same on every try, so that receivers can drop a second copy."""
    return f"<{out_id}.{root16}@{domain}>"


def root16_in(message_id: str, domain: str) -> str | None:
    """Return the root that one of our own ids carries, None for a stranger's id."""
    found = OWN_ID.fullmatch(message_id)
    if found is None or found["domain"].lower() != domain:
        return None
    return found["root16"].lower()


def out_id_in(message_id: str, domain: str) -> OutId | None:
    """Return our name of a send that one of our own ids carries, None for a stranger's id."""
    found = OWN_ID.fullmatch(message_id)
    return OutId(found["out_id"].lower()) if found and found["domain"].lower() == domain else None


def is_endless(in_reply_to: Sequence[str], references: Sequence[str], domain: str) -> bool:
    """Tell whether a thread has gone to and fro so often that the other side may be a machine which does not say so."""
    ours = {message_id for message_id in (*in_reply_to, *references) if root16_in(message_id, domain)}
    return len(ours) >= MAX_OWN_HOPS


def root16_of(own: str, in_reply_to: Sequence[str], references: Sequence[str], domain: str) -> str:
    """Name the thread's root: what one of our ids carries, else the first of References, In-Reply-To, the mail itself.

    Args:
        own: the mail's Message-ID, or whatever stands for it where that is missing.
        in_reply_to: ids of In-Reply-To.
        references: ids of References, oldest first.
        domain: ours, in lower case.
    """
    for message_id in (*in_reply_to, *reversed(references)):
        if carried := root16_in(message_id, domain):
            return carried
    root = next(iter((*references, *in_reply_to)), own)
    return hashlib.sha256(root.encode()).hexdigest()[:16]


def thread_of(sender: str, root16: str) -> str:
    """Name a thread: 32 hex digits. The sender is part of it, so nobody can write into another's thread by its ids."""
    return hashlib.sha256(f"{sender}\x1f{root16}".encode()).hexdigest()[:32]


def references_for(own: str | None, in_reply_to: Sequence[str], references: Sequence[str]) -> tuple[str, ...]:
    """Return the References of an answer (RFC 5322 section 3.6.4), the middle of a long chain left out.

    >>> references_for("<c@x>", ["<b@x>"], ["<a@x>", "<b@x>"])
    ('<a@x>', '<b@x>', '<c@x>')
    """
    chain = list(dict.fromkeys((*(references or in_reply_to[:1]), *((own,) if own else ()))))
    return tuple(chain if len(chain) <= MAX_LAST_REFERENCES else [chain[0], *chain[-MAX_LAST_REFERENCES:]])
