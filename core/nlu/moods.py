"""How a text sounds: two small models of the same kind as the intents', learned from `config/content/moods.yaml`.

Lists of good and bad words are thirty points worse than what is learned (NLU.md section 6).
"""

from dataclasses import dataclass

from core.nlu.model import Model
from core.understanding import Mood


@dataclass(frozen=True)
class Moods:
    """Reads sentiment and urgency."""

    sentiment: Model
    urgency: Model

    def read(self, text: str) -> Mood:
        """Return how a text sounds."""
        feeling, haste = self.sentiment.shares(text), self.urgency.shares(text)
        return Mood(negative=feeling["negative"], positive=feeling["positive"], urgent=haste["urgent"])
