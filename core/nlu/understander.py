"""Reading a text: entities by their form, then the intent of what is left."""

from collections.abc import Sequence

from core.nlu.clauses import wishes
from core.nlu.corpus import LabelledText
from core.nlu.entities import EntityFinder
from core.nlu.language import Tell
from core.nlu.model import Model, Reading
from core.nlu.moods import Moods
from core.understanding import Entity, Moment, Understanding

MAX_READ_CHARS = 2000
"""Of a longer text only the beginning is read: a wish stands there, and a pasted log file must not cost seconds."""


class TextUnderstander:
    """Joins the entities, the intent model, moods and language."""

    def __init__(
        self, model: Model, finder: EntityFinder, moods: Moods | None = None, tell_language: Tell = lambda _text: None
    ) -> None:
        """Take what reads; without moods and a language those fields stay empty."""
        self._model = model
        self._finder = finder
        self._moods = moods
        self._tell_language = tell_language

    def at(self, desk: str) -> "TextUnderstander":
        """Return what reads at a desk: the same, with the identifiers of that desk."""
        return TextUnderstander(self._model, self._finder.at(desk), self._moods, self._tell_language)

    def understand(self, text: str, moment: Moment | None = None) -> Understanding:
        """Return intents best first, and entities; dates only when the moment is known.

        The same text at the same moment always reads the same.
        """
        text = text[:MAX_READ_CHARS]
        if not text.strip():
            return Understanding(text=text)
        entities = self._finder.find(text, moment)
        reading = self.read(text, entities)
        return Understanding(
            text=text,
            intents=reading.intents,
            entities=entities,
            language=self._tell_language(text),
            wishes=wishes(text, self.read),
            mood=self._moods.read(text) if self._moods is not None else None,
            in_scope=reading.in_scope,
        )

    def read(self, text: str, entities: Sequence[Entity] | None = None) -> Reading:
        """Return the intent model's reading of a text with its identifiers masked."""
        known = self._finder.find(text) if entities is None else entities
        return self._model.read(self._finder.masked(text, known))


def prepared(examples: Sequence[LabelledText], finder: EntityFinder) -> list[LabelledText]:
    """Mask the entities of examples as `understand` masks those of texts; what is trained is what is read."""
    return [(finder.masked(text, finder.find(text)), label) for text, label in examples]
