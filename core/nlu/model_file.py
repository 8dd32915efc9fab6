"""The intent model as bytes: an npz archive of numbers and JSON. Nothing in it is executed when it is read."""

import io
import json
import zipfile
import zlib
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.nlu.dense import Neighbours, Network
from core.nlu.linear import Linear
from core.nlu.model import Judgement, Model, Scores
from core.nlu.vectors import Encoder, Floats

FORMAT = 3
"""Raised when the arrays change their meaning; older bytes are then trained anew."""

Arrays = dict[str, NDArray[np.generic]]


def to_bytes(model: Model) -> bytes:
    """Return the model's bytes; the same model gives the same ones."""
    about = {
        "format": FORMAT,
        "intents": model.intents,
        "encoder": model.encoder.name if model.encoder is not None else None,
        "judgement": asdict(model.judgement),
        "scores": asdict(model.scores),
    }
    arrays: Arrays = {
        "about": _packed(json.dumps(about)),
        "words": _packed("\n".join(model.words)),
        "vocabulary": _packed("\n".join(model.linear.vocabularies[0])),
        "pieces": _packed("\n".join(model.linear.vocabularies[1])),
        "idf": model.linear.idf,
        "weights": model.linear.weights,
        "bias": model.linear.bias,
        "vector_weights": model.linear.vector_weights,
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays, **_dense(model))
    return buffer.getvalue()


def _dense(model: Model) -> Arrays:
    if model.network is None or model.neighbours is None:
        return {}
    network, neighbours = model.network, model.neighbours
    names = ("first", "first_bias", "second", "second_bias")
    return {
        **dict(zip(names, (*network.first, *network.second), strict=True)),
        "neighbours": neighbours.vectors.astype(np.float16),
        "starts": neighbours.starts,
    }


def from_bytes(stored: bytes, encoder: Encoder | None) -> Model:
    """Read what `to_bytes` wrote; the encoder must be the one that it was trained with.

    Raises:
        ConfigError: not such an archive, of another format, or trained with another encoder; train anew.
    """
    try:
        with np.load(io.BytesIO(stored), allow_pickle=False) as archive:
            return _from_arrays({name: archive[name] for name in archive.files}, encoder)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ConfigError(f"these bytes hold no intent model: {error}") from error


def _from_arrays(arrays: Arrays, encoder: Encoder | None) -> Model:
    about = json.loads(_unpacked(arrays["about"]))
    if about["format"] != FORMAT:
        raise ValueError(f"format {about['format']} is not {FORMAT}")
    if about["encoder"] != (encoder.name if encoder is not None else None):
        raise ValueError(f"it was trained with the encoder {about['encoder']}")
    judgement = about["judgement"]
    return Model(
        intents=tuple(about["intents"]),
        linear=Linear(
            vocabularies=(_lines(arrays["vocabulary"]), _lines(arrays["pieces"])),
            idf=_floats(arrays["idf"]),
            weights=_floats(arrays["weights"]),
            bias=_floats(arrays["bias"]),
            vector_weights=_floats(arrays["vector_weights"]),
        ),
        network=_network(arrays) if encoder is not None else None,
        neighbours=_neighbours(arrays) if encoder is not None else None,
        judgement=Judgement(**{**judgement, "slopes": tuple(judgement["slopes"])}),
        words=_lines(arrays["words"]),
        encoder=encoder,
        scores=Scores(**about["scores"]),
    )


def _network(arrays: Arrays) -> Network:
    return Network(
        first=(_floats(arrays["first"]), _floats(arrays["first_bias"])),
        second=(_floats(arrays["second"]), _floats(arrays["second_bias"])),
    )


def _neighbours(arrays: Arrays) -> Neighbours:
    return Neighbours(vectors=_floats(arrays["neighbours"]), starts=arrays["starts"].astype(np.int64))


def _floats(array: NDArray[np.generic]) -> Floats:
    return array.astype(np.float32)


def _packed(text: str) -> NDArray[np.generic]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _unpacked(array: NDArray[np.generic]) -> str:
    return array.tobytes().decode()


def _lines(array: NDArray[np.generic]) -> tuple[str, ...]:
    text = _unpacked(array)
    return tuple(text.split("\n")) if text else ()
