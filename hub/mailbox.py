"""The web channel's mailbox, kept in the store."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.clock import Clock
from core.model import Json
from core.storage import Store


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """Satisfies `core.ports.SentMessage`."""

    seq: int
    body: dict[str, Json]


@dataclass(frozen=True)
class StoreMailbox:
    """Satisfies `core.ports.Mailbox`."""

    store: Store
    clock: Clock

    async def deliver(self, conversation_id: str, out_id: str, seq: int, body: dict[str, Json]) -> None:
        """Keep a message; the same `out_id` again changes nothing."""
        await self.store.deliver(conversation_id, out_id, seq, body, self.clock.now())

    async def after(self, conversation_id: str, seq: int, limit: int) -> Sequence[StoredMessage]:
        """Return messages of both directions with a greater `seq`, in order."""
        return [StoredMessage(number, body) for number, body in await self.store.bodies(conversation_id, seq, limit)]
