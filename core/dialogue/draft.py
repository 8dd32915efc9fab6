"""What a turn has come to so far: a value that each step of the turn adds to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from core.conversation import FlowPosition, Session
from core.dialogue.flows import HandoffReason
from core.model import Json
from core.replies import ReplyKind
from core.understanding import Rung


@dataclass(frozen=True, slots=True)
class Saying:
    """One thing to say; the offered intents become choices when the turn is done."""

    template: str
    context: Mapping[str, Json] = field(default_factory=dict)
    offer: tuple[str, ...] = ()
    kind: ReplyKind = "answer"


@dataclass(frozen=True, slots=True)
class Draft:
    """A turn in the making."""

    session: Session
    rung: Rung
    sayings: tuple[Saying, ...] = ()
    confidence: float | None = None
    """Of whatever spoke: the intent's, or the article's score."""
    flow: str | None = None
    step: str | None = None
    article: str | None = None
    actions: Mapping[str, str] = field(default_factory=dict)
    handoff: HandoffReason | None = None

    def say(
        self,
        template: str,
        context: Mapping[str, Json] | None = None,
        *,
        offer: tuple[str, ...] = (),
        kind: ReplyKind = "answer",
    ) -> "Draft":
        """Say one thing more."""
        return replace(self, sayings=(*self.sayings, Saying(template, context or {}, offer, kind)))

    def at(self, flow: str, step: str) -> "Draft":
        """Note the step that is being taken."""
        return replace(self, flow=flow, step=step)

    def acted(self, action: str, outcome: str) -> "Draft":
        """Note what an action came to."""
        session = self.session.model_copy(update={"last_action": action})
        return replace(self, session=session, actions={**self.actions, action: outcome})

    def hand_off(self, reason: HandoffReason) -> "Draft":
        """Give the matter to people."""
        return replace(self, handoff=reason)

    def ruled_by(self, rung: Rung) -> "Draft":
        """Say which rung of the ladder decided in the end."""
        return replace(self, rung=rung)

    def waiting(self, flow: str, step: str, slot: str) -> "Draft":
        """Stop at a collect step, having asked for its slot once more."""
        asked = {**self.session.asked, slot: self.session.asked.get(slot, 0) + 1}
        return self.remember(position=FlowPosition(flow=flow, step=step), asked=asked)

    def forget(self, slots: tuple[str, ...]) -> "Draft":
        """Drop slots."""
        return self.remember(slots={name: value for name, value in self.session.slots.items() if name not in slots})

    def remember(self, **changes: object) -> "Draft":
        """Change fields of the session."""
        return replace(self, session=self.session.model_copy(update=changes))
