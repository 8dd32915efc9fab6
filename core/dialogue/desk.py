"""One service with its own content and rules: what it handles, in which tone, and how sure it must be."""

from functools import cached_property

from core.dialogue.choices import ChoiceWords, joined
from core.dialogue.flows import Flow
from core.dialogue.intents import Intent
from core.ids import DeskName
from core.model import Model
from core.understanding import IntentScore, Understanding


class Thresholds(Model):
    """How sure the bot must be, from 0 to 1. Our first choice, watched by `tests/unit/core/test_nlu_held_out.py`."""

    sure: float = 0.6
    """From here an intent is followed at once."""
    intent: float = 0.4
    """From here an intent is followed unless an article answers; below it is at most worth a question."""
    clarify: float = 0.15
    """From here an intent is worth a question."""
    close: float = 0.15
    """Two intents nearer than this are not told apart: ask which."""
    knowledge: float = 0.6
    """From here an article answers: the share of the question that it knows."""


class Desk(Model):
    """A desk's content."""

    name: DeskName
    tone: str | None = None
    """Suffix of the templates that it prefers; only templating reads it."""
    introduces_itself: bool = True
    """Whether it says who it is when it is added to a group or a channel."""
    languages: tuple[str, ...] = ("en",)
    """The first one is spoken to people whose language is unknown."""
    intents: tuple[Intent, ...]
    """The enabled ones."""
    flows: tuple[Flow, ...] = ()
    thresholds: Thresholds = Thresholds()
    content_version: str = ""
    time_zone: str = "UTC"
    """IANA name; what "yesterday" means where a customer's own is not known."""
    choice_words: dict[str, ChoiceWords] = {}
    """By language: how people write which entry of a list they mean."""

    @cached_property
    def _intents_by_name(self) -> dict[str, Intent]:
        return {intent.name: intent for intent in self.intents}

    @cached_property
    def _flows_by_name(self) -> dict[str, Flow]:
        return {flow.name: flow for flow in self.flows}

    @cached_property
    def menu(self) -> tuple[str, ...]:
        """Return the intents that the desk lists when asked what it can do (row 124)."""
        listed = [(intent.menu, intent.name) for intent in self.intents if intent.menu is not None]
        return tuple(name for _, name in sorted(listed))

    def intent(self, name: str) -> Intent | None:
        """Return an enabled intent."""
        return self._intents_by_name.get(name)

    def flow(self, name: str) -> Flow | None:
        """Return a flow by its name."""
        return self._flows_by_name.get(name)

    def choice_words_in(self, language: str | None) -> ChoiceWords:
        """Return the words of a language, then those of the others that this desk speaks: many people mix them."""
        spoken = dict.fromkeys((language or self.languages[0], *self.languages))
        return joined(self.choice_words[name] for name in spoken if name in self.choice_words)

    def by_command(self, command: str) -> Intent | None:
        """Return the enabled intent that a command stands for."""
        return next((intent for intent in self.intents if command in intent.commands), None)

    def by_automation(self, automation: str) -> Intent | None:
        """Return the first enabled intent that is handled in that way."""
        return next((intent for intent in self.intents if intent.automation == automation), None)

    def ranked(self, understanding: Understanding) -> tuple[IntentScore, ...]:
        """Return the readings that this desk handles, best first; none when the best is something it does not do."""
        best = self.intent(understanding.intent.name)
        if best is None or best.automation == "none":
            return ()
        return tuple(
            score
            for score in understanding.intents
            if (known := self.intent(score.name)) is not None and known.automation != "none"
        )

    def slots_in(self, understanding: Understanding) -> dict[str, str]:
        """Return what a text says of the slots of this desk's flows."""
        wanted = ((step.slot, step.entity) for flow in self.flows for step in flow.collects)
        return {slot: value for slot, entity in wanted if (value := understanding.entity(entity)) is not None}
