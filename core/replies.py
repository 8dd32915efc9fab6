"""What to say, before and after it takes a channel's shape: reply -> api call -> receipt."""

from typing import Literal

from core.events import Attachment
from core.model import Json, Model

ReplyKind = Literal["answer", "question", "side_effect", "handoff_notice", "agent"]
"""Decides what happens when a send ends in doubt (SEMANTICS section 6.4)."""


class Choice(Model):
    """One thing a person can pick: a button, a list row, or a number in a list."""

    token: str
    """Opaque and short (at most 24 ASCII characters), so it fits Telegram's 64 bytes; looked up in the session."""
    label: str
    value: str
    """What picking it means to the bot; never leaves the hub."""


class Reply(Model):
    """Something to say, by the name of its template; no channel's words or shape in it."""

    template: str
    context: dict[str, Json] = {}
    choices: tuple[Choice, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    kind: ReplyKind = "answer"


class ApiCall(Model):
    """One platform request as data. It is stored with the commit, so a retry says the same."""

    method: str
    """The platform's own name: `chat.postMessage`, `sendMessage`, `Messages.create`."""
    params: dict[str, Json]
    bucket: str
    """What the platform's rate limit counts by, inside the account: a channel id, a chat id, a recipient."""
    kind: ReplyKind = "answer"
    role: Literal["message", "aside"] = "message"
    """An aside (answering a button press, a typing sign) is tried once: losing or repeating it harms nobody."""


class Receipt(Model):
    """The platform accepted an api call."""

    provider_id: str
    """The platform's id of the message: Slack `ts`, Telegram `message_id`, Twilio SID, mail Message-ID."""
    details: dict[str, Json] = {}
