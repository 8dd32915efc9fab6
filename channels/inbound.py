"""What comes in and what may go out, as plain values: the part of the contract that pure modules use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from core.ids import AccountName, ChannelName
from core.model import Model
from core.outbox import UnknownSends


@dataclass(frozen=True, slots=True)
class Inbound:
    """What a platform handed us, before anything was parsed. `headers` has lower-case names."""

    channel: ChannelName
    account: AccountName
    body: bytes
    received_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeliveryKey:
    """What makes a payload itself. Building one never raises: unreadable bytes are named by their hash.

    Args:
        primary: the platform's delivery id, prefixed with channel and account; the inbox row's `_id`.
        second: a further unique key, where a platform tells the same thing twice.
        order: the platform's own order inside a conversation, comparable as text.
    """

    primary: str
    second: str | None = None
    order: str | None = None


class Capabilities(Model):
    """What an account can carry, in the platform's own units. Rendering reads it."""

    max_text: int
    text_unit: Literal["code_points", "utf16_units", "bytes"] = "code_points"
    max_buttons: int = 0
    """Buttons under one message; 0 means that choices become a numbered list."""
    max_button_label: int = 0
    threads: bool = False
    edits: bool = False
    typing: bool = False
    unknown_sends: UnknownSends = "unprovable"
