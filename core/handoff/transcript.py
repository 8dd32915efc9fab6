"""A conversation as an agent reads it: who said what, what became of it, and what was done to it afterwards. Pure."""

from collections.abc import Iterable, Iterator

from core.conversation import Conversation
from core.feedback import opinions
from core.storage import TranscriptRow

HAPPENED = {
    "blocked": "The customer blocked us.",
    "unblocked": "The customer can be written to again.",
    "opted_out": "The customer wants no more messages.",
    "opted_in": "The customer wants messages again.",
    "gone": "The customer's account there is no more.",
    "joined": "We were added.",
    "left": "We were removed.",
}
"""What a line that is no message tells, by its reason."""
WENT_WELL = frozenset({"sent", "delivered", "read"})


def told(conversation: Conversation, lines: Iterable[TranscriptRow]) -> Iterator[str]:
    """Tell a conversation, oldest first, and what an agent has to know of it now."""
    if conversation.came_from is not None:
        yield f"Goes on from {conversation.came_from}."
    for line in lines:
        yield f"{line.at:%Y-%m-%d %H:%M:%S}  {_line(line)}"
    if conversation.goes_to is not None:
        yield f"Goes on in {conversation.goes_to}."
    if (handoff := conversation.handoff) is not None and conversation.owner != "bot":
        yield f"Given to people ({handoff.reason}): {handoff.summary}"
    if (gone := conversation.unreachable) is not None:
        yield f"UNREACHABLE since {gone.since:%Y-%m-%d %H:%M:%S}: {gone.reason}"


def _line(line: TranscriptRow) -> str:
    match line.kind:
        case "edited":
            return f"The customer edited a message: {line.text}"
        case "deleted":
            return "The customer deleted a message."
        case "moved":
            return "The platform gave this conversation another name."
        case "reachability" | "membership":
            return HAPPENED.get(line.reason or "", line.reason or "")
        case _:
            return _message(line)


def _message(line: TranscriptRow) -> str:
    who = "customer" if line.direction == "in" else "bot"
    text = "[deleted by the customer]" if line.deleted_at is not None else line.text
    return f"{who}: {text}" + "".join(f"  [{mark}]" for mark in _marks(line))


def _marks(line: TranscriptRow) -> Iterator[str]:
    if line.quoted:
        yield f"on: {line.quoted}"
    if line.edited_at is not None and line.deleted_at is None:
        yield "edited, before: " + " / ".join(version.text for version in line.versions)
    if line.late:
        yield "came late"
    if line.direction == "out" and line.state not in WENT_WELL:
        yield f"{line.state}: {line.reason}" if line.reason else str(line.state)
    if there := [reaction.name for reaction in line.reactions if reaction.is_there]:
        yield "reactions: " + " ".join(there)
    if line.direction == "out":
        for opinion, count in sorted(opinions(line.reactions).items()):
            yield f"thumbs {opinion}: {count}"
