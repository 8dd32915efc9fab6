"""A conversation with a person, and the turn that moves it on."""

from datetime import datetime
from typing import Literal

from core.events import Address, Event, VerifiedBy, names_of
from core.ids import AccountName, ChannelName, ConversationId, DeskName, EventId
from core.model import AwareDatetime, Json, Model
from core.replies import Choice, Reply
from core.understanding import Rung

RECENT_EVENTS = 64
"""Event ids a conversation remembers, so that a turn whose mark in the inbox was lost is not taken twice."""

Owner = Literal["bot", "queue", "agent"]


class FlowPosition(Model):
    """Where in a flow a conversation stands."""

    flow: str
    step: str


class OfferedChoice(Model):
    """A choice that was put before the person and may still be picked."""

    choice: Choice
    expires_at: AwareDatetime


class Session(Model):
    """What the bot remembers between two turns."""

    position: FlowPosition | None = None
    slots: dict[str, str] = {}
    asked: dict[str, int] = {}
    """How often each slot or clarification was asked, so that nothing is asked twice in the same words."""
    offered: tuple[OfferedChoice, ...] = ()
    last_intent: str | None = None
    last_action: str | None = None
    fallbacks: int = 0
    """Turns in a row that were not understood."""
    turns: int = 0
    language: str | None = None
    tone: str | None = None


class Handoff(Model):
    """The bot gives the conversation to people."""

    reason: Literal[
        "customer_request",
        "repeated_fallback",
        "action_unavailable",
        "urgent",
        "frustrated",
        "policy",
        "error",
        "answer_limit",
    ]
    summary: str
    collected: dict[str, str] = {}
    matter: str | None = None
    """What it is about, as the summary names it."""
    message_id: str | None = None
    """The message whose words are in the summary."""
    verified_by: VerifiedBy | None = None
    """How far its sender is proven; None where it was not kept."""


class Unreachable(Model):
    """The person cannot be written to: what waits for them is ended, and people see why."""

    reason: str
    """`blocked`, `opted_out`, `gone`, `removed`, or the platform's word for refusing a message."""
    since: AwareDatetime
    event_id: EventId | None = None
    """The event that told it; its own answer may still go."""


class LastSaid(Model):
    """The last message of the person, and the session before its turn: what a correction of it goes back to."""

    message_id: str
    event_id: EventId
    """The event that was answered: the message's own, or that of its last correction."""
    before: Session


class EarlyChange(Model):
    """An edit or a deletion that came before its message (FAULTS F066)."""

    event_id: EventId
    message_id: str
    text: str | None
    """None: it was deleted."""
    at: AwareDatetime
    """When it came to us."""


class Place(Model):
    """How far a conversation has come in its platform's own order."""

    order: str
    """Comparable as text."""
    at: AwareDatetime
    """The platform's clock."""

    def is_behind(self, order: str, at: datetime) -> bool:
        """Tell whether something was handled before what comes now. A platform may count anew, from below (T4)."""
        return order < self.order and at <= self.at


class Conversation(Model):
    """The unit of consistency: one document, changed by one compare-and-set per turn."""

    id: ConversationId
    desk: DeskName
    channel: ChannelName
    account: AccountName
    version: int = 0
    """Turns committed so far; 0 means that nothing was committed yet."""
    owner: Owner = "bot"
    epoch: int = 0
    """Counts changes of owner; a reply planned in an older epoch is not sent."""
    address: Address = {}
    """Where replies go; taken from the latest event."""
    session: Session = Session()
    recent: tuple[EventId, ...] = ()
    customer_name: str | None = None
    last_said: LastSaid | None = None
    """None where the person did something else last, such as pressing a button."""
    early: tuple[EarlyChange, ...] = ()
    """Oldest first."""
    handoff: Handoff | None = None
    """What people were told when they got the conversation; follows an edit of what it quotes."""
    unreachable: Unreachable | None = None
    heard_at: AwareDatetime | None = None
    """When the person last wrote, pressed or commanded, by our clock."""
    latest: Place | None = None
    """Of the latest message that had its turn; None where the platform orders nothing."""
    came_from: ConversationId | None = None
    """The conversation that this one goes on with, under the name that its platform gave it later."""
    goes_to: ConversationId | None = None
    is_introduced: bool = False
    """We have said in this group or channel who we are."""
    window_until: AwareDatetime | None = None
    """When the service window ends that the person's last message opened; None: there is none, or nobody knows."""
    album: str | None = None
    """The last album that was answered; a part of it that comes late is not answered again."""

    def remembers(self, event: EventId) -> bool:
        """Tell whether the turn of this event is already in the state."""
        return event in self.recent


def remembering(conversation: Conversation, event: Event) -> Conversation:
    """Return the conversation with one more event that it has taken, and what was said along with it."""
    return conversation.model_copy(update={"recent": (*conversation.recent, *names_of(event))[-RECENT_EVENTS:]})


class ActionWanted(Model):
    """The bot needs something from outside before it can finish its turn."""

    key: str
    """Names this use of the action inside the turn; the result comes back under it."""
    action: str
    arguments: dict[str, Json] = {}


class ActionResult(Model):
    """What an action came to. `unavailable` means that the system behind it did not answer properly."""

    outcome: Literal["ok", "not_found", "refused", "unavailable"]
    data: dict[str, Json] = {}
    latency_ms: float = 0.0


class Trace(Model):
    """Why the bot said what it said: stored with every turn, shown by `frontdesk chat --trace`."""

    event_id: EventId
    intent: str | None = None
    confidence: float | None = None
    """0..1, of whatever spoke: an intent's probability, or an article's score on the faq rung."""
    entities: dict[str, str] = {}
    rung: Rung
    flow: str | None = None
    step: str | None = None
    templates: tuple[str, ...] = ()
    actions: dict[str, str] = {}
    """Action name to outcome."""
    article: str | None = None
    handoff: str | None = None
    """The reason, when the turn handed off."""
    verified_by: VerifiedBy | None = None
    """How far the sender is proven; None where it was not kept."""
    content_version: str = ""
    latency_ms: float = 0.0
    """From the claim of the event to its commit, measured by the hub."""


class Turn(Model):
    """One event taken: the new state, what to say, and why. `ignored` says why nothing was done."""

    conversation: Conversation
    replies: tuple[Reply, ...] = ()
    handoff: Handoff | None = None
    trace: Trace
    ignored: str | None = None
    withdraws: EventId | None = None
    """The event whose answer, as far as it has not left yet, is not to be sent any more."""
