"""Whether a mail is for us. Mail carries no signature that a mailbox could insist on.

Whoever knows the address may write; From is a claim, and `trust` says how far it is proven. A thread belongs to one
sender and one unguessable root id (`threads`). What is checked is the envelope (E5): our listener is no open relay.
"""

from collections.abc import Set


def is_for_us(recipient: str, own: Set[str]) -> bool:
    """Tell whether an envelope recipient is one of our addresses; `name+tag@domain` is `name@domain`.

    >>> [is_for_us(to, {"help@shop.example"}) for to in ("Help+x@Shop.example", "root@shop.example", "")]
    [True, False, False]
    """
    local, _, domain = recipient.strip("<> ").lower().rpartition("@")
    return f"{local}@{domain}" in own or f"{local.partition('+')[0]}@{domain}" in own
