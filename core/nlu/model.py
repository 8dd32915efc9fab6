"""The trained intent model: what a text's evidence is, how sure that makes us, and whether the text is ours at all.

Two members look at a text: linear borders over words, pieces and the vector (`linear.py`), and a network over the
vector alone (`dense.py`). Their blend, the confidence and the border of the scope are fitted on examples kept aside.
Training needs scikit-learn (1.4 s to import); reading needs numpy only, so a start with a stored model is quick.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.errors import ConfigError
from core.nlu.dense import Neighbours, Network
from core.nlu.features import normalized
from core.nlu.linear import Linear
from core.nlu.spelling import Speller
from core.nlu.vectors import Encoder, Floats
from core.understanding import IntentScore

NEARNESS_WEIGHT = 2.0
"""What nearness to known examples counts beside the best margin, when we ask whether a text is ours (NLU.md 5)."""
MAX_LOG_ODDS = 12.0
MENDED_SHARE = 0.6
"""What a text with mended words counts; the rest is the text as it was written, for not every mending is right, and
any mending makes a text more like ours. Chosen on validation sets, with and without typing errors (docs/nlu.md)."""
RANKED = 10
"""Intents that a reading tells, the best ones; what comes behind them is never worth a question."""


@dataclass(frozen=True)
class Evidence:
    """What the members say of a text, before it is weighed."""

    margins: Floats
    """Shape (intents,)."""
    log_probabilities: Floats | None
    """Shape (intents,); None without an encoder."""
    nearness: float
    """Mean cosine of the nearest examples, 0 without an encoder."""

    def mixed(self, other: "Evidence", share: float) -> "Evidence":
        """Return this share of this evidence, and of the other one what is left."""
        rest = 1.0 - share
        logs, others = self.log_probabilities, other.log_probabilities
        return Evidence(
            margins=np.asarray(share * self.margins + rest * other.margins, dtype=np.float32),
            log_probabilities=None if logs is None or others is None else share * logs + rest * others,
            nearness=share * self.nearness + rest * other.nearness,
        )

    @property
    def belonging(self) -> float:
        """Return how much the text is like what we know; greater is more. The scale is that of margins."""
        return float(self.margins.max()) + NEARNESS_WEIGHT * self.nearness


@dataclass(frozen=True)
class Judgement:
    """Weighs evidence; all of it fitted on examples that the members had not seen.

    Args:
        margin_weight: of the margins in the blend.
        network_weight: of the network's log probabilities.
        slopes: with `offset` turn the log odds of the best intent's share, and its belonging, into a confidence.
        offset: see `slopes`.
        border: the belonging that 5 % of examples kept aside fall below; a text below it is out of scope.
    """

    margin_weight: float
    network_weight: float
    slopes: tuple[float, float]
    offset: float
    border: float

    def shares(self, evidence: Evidence) -> Floats:
        """Return what share of the belief each intent has, shape (intents,); the sum is one."""
        raw = self.margin_weight * evidence.margins.astype(np.float64)
        if evidence.log_probabilities is not None:
            raw = raw + self.network_weight * evidence.log_probabilities
        shares = np.exp(raw - raw.max())
        return np.asarray(shares / shares.sum(), dtype=np.float32)

    def confidences(self, evidence: Evidence) -> Floats:
        """Return the confidence of each intent, 0 to 1: of readings at 0.8, four in five are right."""
        shares = self.shares(evidence)
        best = float(shares.max())
        steep, near = self.slopes
        sureness = steep * log_odds(best) + near * evidence.belonging + self.offset
        return np.asarray(shares * (1.0 / (1.0 + np.exp(-sureness)) / best), dtype=np.float32)


def log_odds(share: float) -> float:
    """Return the logarithm of share to not-share, kept within what a sum of floats can tell.

    >>> round(log_odds(0.5), 3), log_odds(1.0)
    (0.0, 12.0)
    """
    rest = max(1.0 - share, 1e-9)
    return float(np.clip(np.log(max(share, 1e-9) / rest), -MAX_LOG_ODDS, MAX_LOG_ODDS))


@dataclass(frozen=True)
class Scores:
    """How well examples were read that the members had not seen: what a model card says.

    Args:
        examples: all that the model was learned from.
        kept_aside: those that were judged unseen.
        accuracy: share of these whose intent came first.
        calibration_error: by how much confidence and share of right readings differ, on average over ten bins.
    """

    examples: int
    kept_aside: int
    accuracy: float
    calibration_error: float


@dataclass(frozen=True)
class Reading:
    """What the model makes of a text."""

    intents: tuple[IntentScore, ...]
    """The best ones, best first; equal ones in the order of training."""
    belonging: float
    in_scope: bool


@dataclass(frozen=True)
class Model:
    """Everything that was learned.

    Args:
        intents: names, in the order of all arrays.
        linear: the first member.
        network: the second one; None without an encoder.
        neighbours: the examples' vectors; None without an encoder.
        judgement: how the members are weighed.
        words: to mend misspelt words with, most frequent first.
        encoder: the one that the model was trained with, or None.
        scores: how well it read what it had not seen.
    """

    intents: tuple[str, ...]
    linear: Linear
    network: Network | None
    neighbours: Neighbours | None
    judgement: Judgement
    words: tuple[str, ...]
    encoder: Encoder | None
    scores: Scores

    def __post_init__(self) -> None:
        """Refuse parts that do not belong together.

        Raises:
            ConfigError: the vectors of this encoder are not of the size that the model was trained with.
        """
        size = self.encoder.comparable if self.encoder is not None else 0
        if self.linear.vector_weights.shape[0] != size:
            raise ConfigError("this intent model was trained with another encoder")

    def read(self, text: str) -> Reading:
        """Read a text. The same text always reads the same."""
        evidence = self.weighed_evidence(text)
        confidences = self.judgement.confidences(evidence)
        order = np.argsort(-confidences, kind="stable")[:RANKED].tolist()
        return Reading(
            intents=tuple(IntentScore(name=self.intents[i], confidence=float(confidences[i])) for i in order),
            belonging=evidence.belonging,
            in_scope=evidence.belonging >= self.judgement.border,
        )

    def shares(self, text: str) -> dict[str, float]:
        """Return what share of the belief each intent has; the sum is one."""
        shares = self.judgement.shares(self.weighed_evidence(text))
        return dict(zip(self.intents, shares.tolist(), strict=True))

    def weighed_evidence(self, text: str) -> Evidence:
        """Return what the members say of a text as it was written and, where words were mended, as it was meant."""
        written = normalized(text)
        mended = self._speller.mend(written)
        if mended == written:
            return self.evidence(written)
        return self.evidence(mended).mixed(self.evidence(written), MENDED_SHARE)

    def evidence(self, text: str) -> Evidence:
        """Return what the members say of a normalized text."""
        if self.encoder is None or self.network is None or self.neighbours is None:
            return Evidence(self.linear.margins(text, None), None, 0.0)
        vector = self.encoder.encode(text)
        margins = self.linear.margins(text, vector)
        return Evidence(margins, self.network.log_probabilities(vector), self.neighbours.nearness(vector, margins))

    @cached_property
    def _speller(self) -> Speller:
        return Speller(self.words, self.encoder.is_word if self.encoder is not None else lambda word: False)
