"""The turn of a message that gets no automatic answer although it deserves one: people have it, and nobody is told."""

from core.conversation import Conversation, Handoff, Trace, Turn, remembering
from core.events import Event
from core.handoff.ownership import to_queue
from core.handoff.summary import summarize


def left_to_people(conversation: Conversation, event: Event, text: str) -> Turn:
    """Return the turn of an event whose sender has had the day's answers (F101).

    A conversation that people have already stays theirs. Without a notice: the notice would be one more answer.
    """
    met = remembering(conversation, event).model_copy(
        update={
            "address": event.address or conversation.address,
            "customer_name": event.sender.display_name or conversation.customer_name,
        }
    )
    if conversation.owner != "bot":
        return Turn(conversation=met, trace=Trace(event_id=event.id, rung="silent"))
    proof, slots = event.sender.verified_by, conversation.session.slots
    handoff = Handoff(reason="answer_limit", summary=summarize(None, text), collected=slots, verified_by=proof)
    trace = Trace(event_id=event.id, rung="handoff", handoff=handoff.reason, verified_by=proof)
    given = to_queue(met).model_copy(update={"handoff": handoff})
    return Turn(conversation=given, handoff=handoff, trace=trace)
