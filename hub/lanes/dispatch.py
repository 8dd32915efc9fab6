"""Brings work to the process whose it is: here at once, elsewhere by a hint, and where neither works by the sweep."""

from collections.abc import Callable
from dataclasses import dataclass

from core.events import Event
from core.ids import ConversationId, account_key
from core.inbox import READ_LATER, InboxRow
from hub.lanes.hints import Hints
from hub.lanes.local import Lanes
from hub.lanes.members import Members, partition_of

UNREAD = "unread:"
"""Before the name of an account that has rows of which nobody knows the conversation yet."""


@dataclass
class Dispatch:
    """Where a new row goes.

    While this process is alone, its rows go to its lanes as they are: nobody else can have an earlier one. With
    others beside it a row is only announced, and its owner reads from the database what is open, in order.
    """

    members: Members
    lanes: Lanes | None
    hints: Hints | None

    def offer(self, row: InboxRow, events: tuple[Event, ...] | None) -> None:
        """Bring a row that has just become durable to where it is taken."""
        if self.lanes is not None and self.members.is_alone and row.channel not in READ_LATER:
            self.lanes.offer(row, events)
        elif row.conversation_id is not None:
            self.call(row.conversation_id)
        else:
            account = account_key(row.channel, row.account)
            self._announce(f"{UNREAD}{account}", account, lambda lanes: lanes.read_later(account))

    def call(self, name: ConversationId) -> None:
        """Have somebody look at what a conversation has to do."""
        self._announce(name, name, lambda lanes: lanes.look(name))

    def _announce(self, what: str, key: str, here: "Callable[[Lanes], None]") -> None:
        if self.lanes is not None and (self.members.is_alone or self.members.owns(key)):
            here(self.lanes)
        elif self.hints is not None:
            self.hints.send(partition_of(key), what)

    def hear(self, what: str) -> None:
        """Take a hint from another process."""
        if self.lanes is None:
            return
        if what.startswith(UNREAD):
            self.lanes.read_later(what.removeprefix(UNREAD))
        else:
            self.lanes.look(ConversationId(what))
