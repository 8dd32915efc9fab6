"""What comes in and what may go out, as plain values: the part of the contract that pure modules use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import Field

from core.ids import AccountName, ChannelName
from core.model import Model
from core.outbox import UnknownSends


class Pace(Model):
    """How often something may happen: `per_s` in the long run, `burst` at once."""

    per_s: float = Field(gt=0)
    burst: int = Field(default=1, ge=1)


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
        primary: what the platform calls it, prefixed with channel and account; the inbox row's `_id`. Whichever way a
            thing comes, and however often the platform tells it, it has this one name (ADR 0010).
        order: the platform's own order inside a conversation, comparable as text.
    """

    primary: str
    order: str | None = None


class CatchUp(Model):
    """How a platform is asked for what it may not have delivered (SEMANTICS section 9)."""

    every_s: float = Field(gt=0)
    """Pause between two rounds, in seconds."""
    overlap_s: float = Field(default=0.0, ge=0)
    """So much further back than the last round is looked: what is found again is known by its name."""
    by_conversation: bool = False
    """Conversations are asked for one by one, and only those in which something was done lately."""


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
    counts_answers: bool = False
    """Whether what one address is told is counted over all conversations, and reports of failed deliveries are kept:
    where machines answer machines."""
    pace: Pace | None = None
    """How fast the platform takes messages of this account, whoever they are for."""
    bucket_paces: Mapping[str, Pace] = {}
    """How fast it takes messages for one bucket, by how the bucket's name begins; every entry that fits counts."""
    catch_up: CatchUp | None = None
    """None: there is nothing to ask; the sender comes again until we have taken it."""
