"""What comes in and what may go out, as plain values: the part of the contract that pure modules use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import Field

from channels.cuts import Measure, utf8_bytes, utf16_units
from core.ids import AccountName, ChannelName
from core.model import Model
from core.outbox import UnknownSends
from core.window import ServiceWindow

NAMELESS_ALBUM = ""
"""`MessageReceived.album` where the platform sends several messages for what a person sent as one, and says nothing."""


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


TextUnit = Literal["code_points", "utf16_units", "bytes"]
MEASURES: Mapping[TextUnit, Measure] = {"code_points": len, "utf16_units": utf16_units, "bytes": utf8_bytes}


class TypingAbility(Model):
    """How a platform shows that somebody writes."""

    renew_every_s: float = Field(gt=0)
    """A little less than the platform shows one sign for."""
    must_end: bool = False
    """It stays until it is taken away; else it goes by itself, or with the next message."""


class Capabilities(Model):
    """What an account can carry, in the platform's own units. Rendering reads it; limits are of one message."""

    max_text: int
    """Of the words that people are shown; what is longer becomes several messages."""
    text_unit: TextUnit = "code_points"
    """What `max_text` and every other limit but those on tokens and subjects count."""
    text_counted: Literal["as_sent", "after_entities"] = "as_sent"
    """`after_entities`: tags and escapes are read first, and only what is shown counts (T12)."""
    max_text_over_choices: int | None = None
    """Where fewer words may stand over buttons or a list; None: as many as anywhere."""
    max_section: int | None = None
    """Of one section, where a message is made of several."""
    max_sections: int | None = None
    max_fallback: int | None = None
    """Of the words that stand in for sections where those cannot be shown: notifications, screen readers."""
    max_subject: int | None = None
    """Code points of a subject; None: messages have none."""
    max_buttons: int = 0
    """Buttons under one message; 0 means that choices become a numbered list."""
    max_button_label: int = 0
    max_options: int = 0
    """Entries of a list to pick from, where more choices than buttons become one; 0: there is no such list."""
    max_option_label: int = 0
    max_token_bytes: int | None = None
    """Of what a button or option carries and gives back; None: nothing carries it."""
    threads: bool = False
    edits: bool = False
    typing: TypingAbility | None = None
    """None: this platform has no typing sign that a bot may show."""
    unknown_sends: UnknownSends = "unprovable"
    counts_answers: bool = False
    """Whether what one address is told is counted over all conversations, and reports of failed deliveries are kept:
    where machines answer machines."""
    pace: Pace | None = None
    """How fast the platform takes messages of this account, whoever they are for."""
    bucket_paces: Mapping[str, Pace] = {}
    """How fast it takes messages for one bucket, by how the bucket's name begins; every entry that fits counts."""
    window: ServiceWindow | None = None
    """None: everything may be written to everybody at any time."""
    catch_up: CatchUp | None = None
    """None: there is nothing to ask; the sender comes again until we have taken it."""

    def measure(self, text: str) -> int:
        r"""Count a text in the platform's units.

        >>> Capabilities(max_text=9, text_unit="utf16_units", unknown_sends="provable").measure("\U0001f600")
        2
        """
        return MEASURES[self.text_unit](text)
