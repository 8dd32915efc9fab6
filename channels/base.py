"""The contract of a channel: what the hub hands it, what it hands back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from aiohttp import web

from channels.inbound import Capabilities, DeliveryKey, Inbound
from core.clock import Clock
from core.events import Address, Event
from core.ids import AccountName, ChannelName, ConversationId, OutId
from core.model import Model
from core.ports import Escape, Mailbox, Words
from core.replies import ApiCall, Receipt, Reply


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
class Resources:
    """What the hub lends to a channel."""

    clock: Clock
    accept: Accept
    public_url: str
    """The origin that platforms and visitors see, without a trailing slash."""
    mailbox: Mailbox


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

    def routes(self) -> list[web.RouteDef]:
        """Return the HTTP routes that receive for this account."""
        ...

    async def listen(self) -> None:
        """Receive where the platform is asked rather than calls us (polling, IMAP, sockets); runs until cancelled.

        Returns at once where there is nothing to listen to. Reconnects by itself.
        """
        ...

    async def check(self) -> list[Finding]:
        """Ask the platform whether this account is set up right; never raises."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
