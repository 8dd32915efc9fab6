"""The trained intent model as plain numbers: reading a text with it is dictionary look-ups and one sum.

Training needs scikit-learn (1.4 s to import); reading needs numpy only, so a start with stored bytes is quick.
"""

import io
import json
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.nlu.features import counted
from core.understanding import IntentScore

FORMAT = 1
"""Raised when the arrays change their meaning; older bytes are then trained anew."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """A linear one-vs-rest model over TF-IDF features.

    Args:
        intents: names, in the order of the columns.
        vocabularies: the words, then the pieces; a feature's row is its place in the two lists laid end to end.
        idf: inverse document frequency, shape (features,).
        weights: shape (features, intents).
        bias: shape (intents,).
        slope: with `offset` turns a margin into a confidence: `1 / (1 + exp(-(slope * margin + offset)))`.
        offset: see `slope`; both are fitted on margins of examples that the model had not seen.
    """

    intents: tuple[str, ...]
    vocabularies: tuple[tuple[str, ...], tuple[str, ...]]
    idf: Floats
    weights: Floats
    bias: Floats
    slope: float
    offset: float

    def margins(self, text: str) -> Floats:
        """Return the signed distance from each intent's border, shape (intents,)."""
        total = self.bias.astype(np.float32)
        for counts, rows in zip(counted(text), self._rows, strict=True):
            total = total + self._part(counts, rows)
        return total

    def scores(self, text: str) -> tuple[IntentScore, ...]:
        """Return every intent with its confidence, best first; equal confidences in the order of training."""
        confidences = 1.0 / (1.0 + np.exp(-(self.slope * self.margins(text).astype(np.float64) + self.offset)))
        order = np.argsort(-confidences, kind="stable")
        return tuple(IntentScore(name=self.intents[i], confidence=float(confidences[i])) for i in order)

    @cached_property
    def _rows(self) -> tuple[dict[str, int], dict[str, int]]:
        words, pieces = self.vocabularies
        return (
            {feature: row for row, feature in enumerate(words)},
            {feature: row for row, feature in enumerate(pieces, start=len(words))},
        )

    def _part(self, counts: Counter[str], rows: dict[str, int]) -> Floats:
        known = [(rows[feature], count) for feature, count in counts.items() if feature in rows]
        if not known:
            return np.zeros(len(self.intents), dtype=np.float32)
        index = np.array([row for row, _ in known])
        values = (1.0 + np.log([float(count) for _, count in known])) * self.idf[index]
        values /= np.sqrt(np.dot(values, values))
        return np.asarray(values @ self.weights[index], dtype=np.float32)

    def to_bytes(self) -> bytes:
        """Return the model as an npz archive without pickled objects; the same model gives the same bytes."""
        words, pieces = self.vocabularies
        about = {"format": FORMAT, "intents": self.intents, "slope": self.slope, "offset": self.offset}
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            about=_packed(json.dumps(about)),
            words=_packed("\n".join(words)),
            pieces=_packed("\n".join(pieces)),
            idf=self.idf,
            weights=self.weights,
            bias=self.bias,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Model":
        """Read what `to_bytes` wrote.

        Raises:
            ConfigError: not such an archive, or of another format; train anew.
        """
        try:
            with np.load(io.BytesIO(stored), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            return cls._from_arrays(arrays)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ConfigError(f"these bytes hold no intent model: {error}") from error

    @classmethod
    def _from_arrays(cls, arrays: dict[str, NDArray[np.generic]]) -> "Model":
        about = json.loads(_unpacked(arrays["about"]))
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']} is not {FORMAT}")
        return cls(
            intents=tuple(about["intents"]),
            vocabularies=(_lines(arrays["words"]), _lines(arrays["pieces"])),
            idf=arrays["idf"].astype(np.float32),
            weights=arrays["weights"].astype(np.float32),
            bias=arrays["bias"].astype(np.float32),
            slope=float(about["slope"]),
            offset=float(about["offset"]),
        )


def _packed(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _unpacked(array: NDArray[np.generic]) -> str:
    return array.tobytes().decode()


def _lines(array: NDArray[np.generic]) -> tuple[str, ...]:
    return tuple(_unpacked(array).split("\n"))
