"""What the core asks of the outside, as protocols. The hub plugs in the real ones, tests plug in fakes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.conversation import ActionResult, ActionWanted, Conversation, Turn
from core.events import Event
from core.forms import Form
from core.media import MediaFile
from core.model import Json
from core.understanding import Moment, Understanding

Escape = Callable[[str], str]
"""Makes a variable harmless inside one kind of block: the boundary between user text and a channel's syntax."""


class Words(Protocol):
    """The words of one reply, already bound to its template, context, channel, locale and tone."""

    def block(self, name: str) -> str:
        """Render one named block; user text in it is escaped for that block.

        Raises:
            ConfigError: the template has no such block, or uses a variable that the reply does not give.
        """
        ...

    def has(self, name: str) -> bool:
        """Tell whether the template, or one that it extends, has that block."""
        ...


class Understander(Protocol):
    """Reads a text."""

    def understand(self, text: str, moment: Moment | None = None) -> Understanding:
        """Return intents best first, and entities; dates only when the moment is known."""
        ...


class Responder(Protocol):
    """The bot, as the hub sees it: a function of its arguments."""

    def respond(
        self, conversation: Conversation, event: Event, now: datetime, results: Mapping[str, ActionResult]
    ) -> Turn | ActionWanted:
        """Take one turn, or name the action whose result is missing; then call again with that result added."""
        ...


Action = Callable[[Mapping[str, Json]], Awaitable[ActionResult]]
"""One thing the bot may ask of another system."""


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing that a desk can do."""

    command: str
    """What asks for it, without the slash."""
    label: str


class Offers(Protocol):
    """What a desk offers before anybody writes, for channels that have a place for it."""

    @property
    def forms(self) -> Sequence[Form]:
        """Return the forms."""
        ...

    @property
    def abilities(self) -> Sequence[Ability]:
        """Return what the desk can do, in the order of its menu."""
        ...

    def words(self, template: str, context: Mapping[str, Json], escapes: Mapping[str, Escape]) -> Words:
        """Bind a template in the desk's own language.

        Raises:
            ConfigError: there is none.
        """
        ...


class MediaShelf(Protocol):
    """Files that people sent: fetched when somebody asks for them, and kept under a policy."""

    async def fetch(self, row: str, number: int) -> MediaFile:
        """Return an attachment of a message; the first time it is fetched from its platform.

        Args:
            row: the inbox row of the message, `Event.raw_ref`.
            number: the attachment's place among those of the message, from 0.

        Raises:
            MediaRefused: it cannot be had; its `state` says why.
            StoreError: the database cannot say.
        """
        ...

    async def keep(self, data: bytes, claimed: str | None) -> MediaFile:
        """Keep what somebody uploaded.

        Raises:
            MediaRefused: too big, or of a type that is not kept.
            StoreError: nothing is kept.
        """
        ...

    async def kept(self, sha256: str) -> MediaFile | None:
        """Return a file that is kept.

        Raises:
            StoreError: the database cannot say.
        """
        ...


class SentMessage(Protocol):
    """One message of a web conversation, as its client gets it."""

    @property
    def seq(self) -> int:
        """Rises over the conversation."""
        ...

    @property
    def body(self) -> dict[str, Json]:
        """The message as the web channel rendered it."""
        ...


class Mailbox(Protocol):
    """Where the web channel leaves replies until the visitor's client has fetched them."""

    async def deliver(self, conversation_id: str, out_id: str, seq: int, body: dict[str, Json]) -> None:
        """Keep a message; the same `out_id` again changes nothing."""
        ...

    async def after(self, conversation_id: str, seq: int, limit: int) -> Sequence[SentMessage]:
        """Return messages of both directions with a greater `seq`, in order."""
        ...
