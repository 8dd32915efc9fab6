"""The names of things: what identifies a channel, an account, a conversation, an event, a reply."""

import base64
import hashlib
from typing import NewType

ChannelName = NewType("ChannelName", str)
AccountName = NewType("AccountName", str)
ConversationId = NewType("ConversationId", str)
EventId = NewType("EventId", str)
OutId = NewType("OutId", str)
DeskName = NewType("DeskName", str)

OUT_ID_CHARS = 26  # 130 bits of a SHA-256 in base32: short enough for a Message-ID, a URL path, a metadata field


def conversation_id(channel: str, account: str, thread: str) -> ConversationId:
    """Join the three parts of a conversation's name: `{channel}:{account}:{thread}`.

    The thread may hold colons, the other two may not.

    >>> conversation_id("slack", "acme", "C1:1700000000.000100")
    'slack:acme:C1:1700000000.000100'
    """
    return ConversationId(f"{channel}:{account}:{thread}")


def account_key(channel: str, account: str) -> str:
    """Name one account of one channel, as the settings write it.

    >>> account_key("slack", "acme")
    'slack:acme'
    """
    return f"{channel}:{account}"


def account_of(conversation: str) -> str:
    """Return the account that a conversation is with, as the settings write it.

    >>> account_of("telegram:support:-100:7")
    'telegram:support'
    """
    return conversation.rsplit(":", conversation.count(":") - 1)[0]


def replanned_id(name: OutId) -> OutId:
    """Name the call that takes the place of one that was taken at first and refused later; the same one, always.

    >>> replanned_id(OutId("a")) == replanned_id(OutId("a")) != replanned_id(replanned_id(OutId("a")))
    True
    """
    return out_id("replanned", name, 0, 0)


def out_id(desk: str, event_id: str, step: int, index: int) -> OutId:
    """Name one api call of the plan for one event; the same event always yields the same names.

    A second run of a turn can therefore never create a second reply (SEMANTICS section 5).

    Args:
        desk: the desk that answers.
        event_id: the event that is answered.
        step: 0 for the turn itself; later steps of the same event (a parked turn that goes on) count up.
        index: position of the api call in the plan, from 0.
    """
    digest = hashlib.sha256("\x1f".join((desk, event_id, str(step), str(index))).encode()).digest()
    return OutId(base64.b32encode(digest).decode().lower()[:OUT_ID_CHARS])
