"""From replies to rows of the outbox: every reply is rendered once, so that a retry says the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from channels.base import Channel
from core.clock import Clock
from core.conversation import Conversation
from core.ids import EventId, OutId, account_key, out_id
from core.outbox import SEQ_STEP, OutboxRow
from core.ports import Escape, Words
from core.replies import ApiCall, Reply
from hub.approved import ApprovedTemplates
from hub.settings import Desk


class Speaks(Protocol):
    """Gives a reply its words: `hub.templating.Templates`."""

    def words(
        self, channel: str, reply: Reply, escapes: Mapping[str, Escape], locale: str | None, tone: str | None
    ) -> Words:
        """Bind a reply to its template."""
        ...


@dataclass(frozen=True)
class Planner:
    """Plans what is sent."""

    channels: Mapping[str, Channel]
    desks: Mapping[str, Desk]
    """By `channel:account`."""
    templates: Speaks
    approved: ApprovedTemplates
    clock: Clock

    def plan(
        self,
        conversation: Conversation,
        inbox_id: str,
        inbox_home: str | None,
        event_id: EventId,
        replies: Sequence[Reply],
        step: int = 0,
    ) -> list[OutboxRow]:
        """Return the rows of replies, in order.

        Args:
            conversation: with the version that it has once they are committed.
            inbox_id: the inbox row that is done when they are.
            inbox_home: that row's `home`.
            event_id: what they answer.
            replies: what to say.
            step: 0 for the turn of the event itself.
        """
        rows: list[OutboxRow] = []
        for reply in replies:
            calls, approved = self._calls(conversation, reply)
            first: OutId | None = None
            for call in calls:
                index = len(rows)
                name = out_id(conversation.desk, event_id, step, index)
                rows.append(
                    OutboxRow(
                        id=name,
                        event_id=event_id,
                        inbox_id=inbox_id,
                        inbox_home=inbox_home,
                        call=call,
                        epoch=conversation.epoch,
                        seq=conversation.version * SEQ_STEP + 1 + index,
                        created_at=self.clock.now(),
                        first=first,
                        approved=approved if first is None else None,
                    )
                )
                first = first or name
        return rows

    def _calls(self, conversation: Conversation, reply: Reply) -> tuple[tuple[ApiCall, ...], ApiCall | None]:
        """Render a reply, and what says it outside of the service window, where there is one."""
        key = account_key(conversation.channel, conversation.account)
        channel, desk = self.channels[key], self.desks[key]
        locale = conversation.session.language or desk.languages[0]
        tone = conversation.session.tone or desk.tone
        words = self.templates.words(channel.name, reply, channel.escapes, locale, tone)
        calls = channel.render(reply, words, conversation.address)
        if channel.capabilities.window is None:
            return calls, None
        return calls, self.approved.call(channel, reply, locale, conversation.address)
