"""What a text means, as far as we can tell."""

from typing import Literal

from core.model import AwareDatetime, Model


class IntentScore(Model):
    """One candidate goal of the person, with a confidence from 0 to 1."""

    name: str
    confidence: float


class Entity(Model):
    """A piece of data found in a text."""

    name: str
    """`order_number`, `email`, ..."""
    value: str
    """Normalised: what systems expect."""
    start: int
    end: int
    """Span in the raw text, in code points."""


class Wish(Model):
    """One of several goals in a message."""

    name: str
    confidence: float
    start: int
    end: int
    """Span of the words that say it, in code points of the raw text."""


class Mood(Model):
    """How a text sounds, each from 0 to 1."""

    negative: float
    positive: float
    urgent: float

    @property
    def sentiment(self) -> Literal["negative", "neutral", "positive"]:
        """Return the likeliest of the three; what is left over is neutral."""
        neutral = 1.0 - self.negative - self.positive
        if max(self.negative, self.positive) <= neutral:
            return "neutral"
        return "negative" if self.negative > self.positive else "positive"


class Moment(Model):
    """When and where a text was written: what "last Thursday" depends on."""

    now: AwareDatetime
    time_zone: str = "UTC"
    """IANA name of the customer's, else of the desk's."""


class Understanding(Model):
    """The reading of one message: intents best first, entities in order of appearance."""

    text: str
    intents: tuple[IntentScore, ...] = ()
    entities: tuple[Entity, ...] = ()
    language: str | None = None
    wishes: tuple[Wish, ...] = ()
    """The goals of a message that has more than one, in order."""
    mood: Mood | None = None
    """None where the content has no examples of moods."""
    in_scope: bool = True
    """Whether the text is like anything that the intents were learned from; if not, the intents are guesses."""

    @property
    def intent(self) -> IntentScore:
        """Return the best intent; `out_of_scope` with confidence 0 when there is none."""
        return self.intents[0] if self.intents else IntentScore(name=OUT_OF_SCOPE, confidence=0.0)

    def entity(self, name: str) -> str | None:
        """Return the first value of that entity, or None."""
        return next((found.value for found in self.entities if found.name == name), None)


OUT_OF_SCOPE = "out_of_scope"
"""The intent of everything this desk does not do."""

Rung = Literal["flow", "faq", "model", "clarify", "fallback", "handoff", "silent"]
"""Which step of the ladder spoke."""
