"""Saying something to a customer who has not asked now: planned into their conversation, sent by a running hub.

Outside WhatsApp's window it goes as its policy says, like everything else (`hub/window.py`).
"""

import asyncio

from core.conversation import RECENT_EVENTS
from core.errors import ConfigError
from core.ids import ConversationId, EventId
from core.outbox import MAX_OUTBOX_ROWS, OutboxRow
from core.replies import Reply
from hub.holds import LEASE_S, Hold, Holds
from hub.planning import Planner

ASK_AGAIN_S = 1.0


async def taken(holds: Holds, name: ConversationId) -> Hold:
    """Wait for a conversation; a hub that holds it gives it back when it is idle.

    Raises:
        ConfigError: there is no such conversation, or it stays busy.
    """
    for _ in range(int(2 * LEASE_S / ASK_AGAIN_S)):
        hold = await holds.take(name)
        if hold is not None and hold.conversation is not None:
            return hold
        if hold is not None:
            raise ConfigError(f"there is no conversation {name}")
        await asyncio.sleep(ASK_AGAIN_S)
    raise ConfigError("the conversation is busy; try again in a minute")


async def notify(holds: Holds, planner: Planner, name: ConversationId, reply: Reply, key: str) -> list[OutboxRow]:
    """Plan a reply into a conversation that exists.

    Args:
        holds: of a process of its own; given back by the caller.
        planner: renders it.
        name: the conversation.
        reply: what to say.
        key: names this notice; the same one again plans nothing.

    Returns:
        The rows that were planned.

    Raises:
        ConfigError: no such conversation, words that the reply does not have, or too much waits there already.
    """
    hold = await taken(holds, name)
    conversation = hold.conversation
    assert conversation is not None  # noqa: S101  taken() looks
    event = EventId(f"notice:{name}:{key}")
    if conversation.remembers(event):
        return []
    recent = (*conversation.recent, event)[-RECENT_EVENTS:]
    changed = conversation.model_copy(update={"version": conversation.version + 1, "recent": recent})
    plan = planner.plan(changed, event, None, event, [reply])
    if len(hold.open_rows) + len(plan) > MAX_OUTBOX_ROWS:
        raise ConfigError("too many messages wait in this conversation; try again when they are sent")
    hold.conversation, hold.out = changed, (*hold.out, *plan)
    await holds.save(hold)
    return plan
