"""The contract of a channel: what the hub hands it, what it hands back."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from aiohttp import web
from pydantic import BaseModel

from channels.inbound import Capabilities, DeliveryKey, Inbound
from channels.media import Download
from core.clock import Clock
from core.events import Address, Attachment, Event
from core.ids import AccountName, ChannelName, ConversationId, OutId
from core.installations import Installations
from core.model import Model
from core.ports import Escape, Mailbox, MediaShelf, Offers, Words
from core.replies import ApiCall, Receipt, Reply
from core.window import ContentTemplate

CONTRACT = 1
"""Version of what a hub and a channel promise each other, in this module and in `channels.inbound`. Raised when an
adapter that was written for the version before would not work any more (docs/write-an-adapter.md)."""


class Acceptance(StrEnum):
    """What became of a payload: both mean that the platform may forget it."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


Accept = Callable[[Inbound], Awaitable[Acceptance]]
"""Journals a payload. Returns once it is durable.

Raises:
    StoreUnavailable: nothing is durable; answer 503 (SMTP 451, no IMAP cursor move) so that the platform comes again.
"""


class Finding(Model):
    """One line of `frontdesk doctor`."""

    account: str
    """`slack:acme`."""
    check: str
    ok: bool
    detail: str
    fix: str | None = None
    """What to do about it; required in spirit when `ok` is false."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a platform may have kept something from us."""

    since: datetime
    conversation_id: ConversationId | None = None
    """None: the account as a whole."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a platform answered when it was asked for what it may not have delivered."""

    payloads: tuple[Inbound, ...] = ()
    """Each as it would have come, and with the same name; oldest first. Most are known already."""
    closed: tuple[Gap, ...] = ()
    """With this answer and those before it, these are looked through."""
    pending: int | None = None
    """How much the platform says it has for us; None where it does not say."""


async def nothing_missed() -> AsyncIterator[Look]:
    """Yield nothing: what `Channel.catch_up` returns where there is nobody to ask."""
    looks: tuple[Look, ...] = ()
    for look in looks:
        yield look


def _nobody_asks(_channel: ChannelName, _account: AccountName) -> None:
    """Stand for `Resources.missed` where no backfill runs (one account alone, as the commands use it)."""


def _no_offers(_channel: ChannelName, _account: AccountName) -> Offers | None:
    """Stand for `Resources.offers` where nothing is shown (one account alone, as the commands use it)."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What the hub lends to a channel."""

    clock: Clock
    accept: Accept
    public_url: str
    """The origin that platforms and visitors see, without a trailing slash."""
    mailbox: Mailbox
    missed: Callable[[ChannelName, AccountName], None] = _nobody_asks
    """Called when a connection is back: what came meanwhile may be lost, and is asked for."""
    installations: Installations | None = None
    """Where accounts that their customers install keep what they are given; None where nothing is kept."""
    media: MediaShelf | None = None
    """Where uploads are kept; None where none are taken."""
    offers: Callable[[ChannelName, AccountName], Offers | None] = _no_offers
    """Returns what the account's desk offers before anybody writes."""


class Channel(Protocol):
    """One account of one medium."""

    @property
    def name(self) -> ChannelName:
        """Return the medium."""
        ...

    @property
    def account(self) -> AccountName:
        """Return our identity there, by its name in the settings."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """Return what this account can carry."""
        ...

    @property
    def escapes(self) -> Mapping[str, Escape]:
        """Return the escape of each block; the hub applies it to every variable in it."""
        ...

    def identify(self, inbound: Inbound) -> DeliveryKey:
        """Name a payload. Never raises."""
        ...

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        """Translate a payload; `()` for what we do not handle.

        Raises:
            MalformedPayload: the payload lacks what the platform promises. Nothing else leaves this method.
        """
        ...

    def render(self, reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
        """Give a reply its shape. One reply may take several calls; each is sent, and named, apart."""
        ...

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        """Make one api call once; no retries in here.

        Raises:
            DeliveryError: one of its subclasses; anything not known to be unsent is `UnknownOutcome`.
        """
        ...

    async def show_typing(self, event: Event, *, is_on: bool) -> None:
        """Show whoever said this that an answer is being made, or take the sign away.

        Only called where `capabilities.typing` says how. What becomes of it matters to nobody: one try, no retries.

        Args:
            event: what is being answered.
            is_on: False only where the sign has to be taken away.

        Raises:
            DeliveryError: it is not shown.
        """
        ...

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime, others: frozenset[str]) -> Receipt | None:
        """Ask the platform whether a call in doubt arrived; None means certainly not.

        Only called where `capabilities.unknown_sends` is `provable`.

        Args:
            call: as it was sent.
            out_id: as it was sent.
            since: our clock when it was claimed.
            others: the platform's ids of messages in this conversation that are known to be other sends of ours.

        Raises:
            DeliveryError: the platform cannot say now; asked again later.
        """
        ...

    async def find_media(self, attachment: Attachment, inbound: Inbound) -> Download | bytes:
        """Say how a file that somebody sent can be fetched now; or return it, where the payload itself holds it.

        Addresses that expire are asked for anew, by the platform's id of the file.

        Args:
            attachment: one of those that `normalize` found in `inbound`.
            inbound: the payload of the message.

        Raises:
            MediaRefused: the platform will not hand it over.
            DeliveryError: the platform could not be asked.
        """
        ...

    def routes(self) -> list[web.RouteDef]:
        """Return the HTTP routes that receive for this account."""
        ...

    async def listen(self) -> None:
        """Receive where the platform is asked rather than calls us (polling, IMAP, sockets); runs until cancelled.

        Returns at once where there is nothing to listen to. Reconnects by itself.
        """
        ...

    def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """Ask the platform for what it may not have delivered; one `Look` for each answer.

        Only called where `capabilities.catch_up` says how. What was yielded before an error counts.

        Args:
            gaps: one of the account as a whole; where it is asked by conversation, one of each, the most urgent first.

        Raises:
            DeliveryError: the platform cannot say now (RateLimited: not before its pause); the rest is asked later.
        """
        ...

    async def check(self) -> list[Finding]:
        """Ask the platform whether this account is set up right; never raises."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class SpeaksTemplates(Protocol):
    """A channel whose platform takes approved templates when it takes nothing else (`capabilities.window`)."""

    def render_template(
        self, template: ContentTemplate, values: Mapping[str, str], reply: Reply, address: Address
    ) -> ApiCall | None:
        """Give a template its shape; None where the platform has no such template, or cannot take these values.

        Args:
            template: what is approved.
            values: its variables, not empty; text of people in them is not escaped yet.
            reply: what it says.
            address: whom it is for.
        """
        ...


@runtime_checkable
class Renewable(Protocol):
    """A channel that can go on with other credentials while it runs."""

    def renew(self, settings: BaseModel) -> None:
        """Send with these from now on, and believe what is signed with them; what is under way ends with the old."""
        ...
