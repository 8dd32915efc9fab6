"""Reading a text: entities by their form, then the intent of what is left."""

from collections.abc import Sequence

from core.nlu.corpus import LabelledText
from core.nlu.entities import EntityFinder, masked
from core.nlu.model import Model
from core.understanding import Understanding

MAX_READ_CHARS = 2000
"""Of a longer text only the beginning is read: a wish stands there, and a pasted log file must not cost seconds."""


class TextUnderstander:
    """Joins the entity patterns and the intent model."""

    def __init__(self, model: Model, finder: EntityFinder) -> None:
        self._model = model
        self._finder = finder

    def understand(self, text: str) -> Understanding:
        """Return intents best first, and entities. The same text always reads the same."""
        text = text[:MAX_READ_CHARS]
        if not text.strip():
            return Understanding(text=text)
        entities = self._finder.find(text)
        reading = self._model.read(masked(text, entities))
        return Understanding(text=text, intents=reading.intents, entities=entities, in_scope=reading.in_scope)


def prepared(examples: Sequence[LabelledText], finder: EntityFinder) -> list[LabelledText]:
    """Mask the entities of examples as `understand` masks those of texts; what is trained is what is read."""
    return [(masked(text, finder.find(text)), label) for text, label in examples]
