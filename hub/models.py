"""The intent model of a content: out of the cache where it fits, else trained anew, and then kept.

A model is named by a hash of what it was learned from (the examples, with their entities masked), of its encoder and of
its format. So it fits or it is not found: no release is read with the model of another.
"""

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from core.errors import ConfigError
from core.model import Model as Record
from core.nlu.corpus import LabelledText
from core.nlu.entities import EntityFinder, EntityKind, Learned
from core.nlu.language import telling
from core.nlu.model import Model
from core.nlu.model_file import FORMAT, from_bytes, to_bytes
from core.nlu.moods import Moods
from core.nlu.training import MIN_EXAMPLES, Report, silent, train
from core.nlu.understander import TextUnderstander, prepared
from core.nlu.vectors import Encoder
from hub.slots import learn_slot

NAME_CHARS = 12
"""Of a SHA-256 in hex: 48 bits name a set of examples."""

Examples = Annotated[tuple[str, ...], Field(min_length=MIN_EXAMPLES)]


class Sentiments(Record):
    """How people feel about their matter, in examples."""

    negative: Examples
    neutral: Examples
    positive: Examples


class Urgencies(Record):
    """Whether a matter can wait, in examples."""

    normal: Examples
    urgent: Examples


class MoodExamples(Record):
    """How people sound."""

    sentiment: Sentiments
    urgency: Urgencies


def finder_of(kinds: Sequence[EntityKind]) -> EntityFinder:
    """Return what finds the entities of a content; what is learned from examples is learned here.

    Raises:
        ConfigError: a kind is learned and the extra for it is not installed, or its examples mark nothing.
    """
    taggers = {kind.name: learn_slot(kind.name, kind.examples) for kind in kinds if isinstance(kind, Learned)}
    return EntityFinder(kinds, taggers)


def understander_of(
    examples: Sequence[LabelledText],
    finder: EntityFinder,
    cache: Path | None,
    encoder: Encoder | None,
    moods: MoodExamples | None = None,
    languages: Sequence[str] = (),
) -> TextUnderstander:
    """Return what reads the texts of a content; see `load_model`. Without examples of moods none is told."""
    model = load_model(examples, finder, cache, encoder)
    read_moods = moods_of(moods, finder, cache, encoder) if moods is not None else None
    return TextUnderstander(model, finder, read_moods, telling(languages))


def moods_of(moods: MoodExamples, finder: EntityFinder, cache: Path | None, encoder: Encoder | None) -> Moods:
    """Return what reads moods; its models are kept like that of the intents."""
    return Moods(
        sentiment=load_model(labelled(moods.sentiment), finder, cache, encoder),
        urgency=load_model(labelled(moods.urgency), finder, cache, encoder),
    )


def labelled(examples: Sentiments | Urgencies) -> list[LabelledText]:
    """Return each example with its label."""
    return [(text, label) for label, texts in examples.model_dump().items() for text in texts]


def load_model(
    examples: Sequence[LabelledText],
    finder: EntityFinder,
    cache: Path | None,
    encoder: Encoder | None = None,
    report: Report = silent,
) -> Model:
    """Return the model of these examples: from the cache where it is there and readable, else trained and kept.

    Args:
        examples: of the content.
        finder: masks their entities.
        cache: folder of trained models; None keeps nothing.
        encoder: the backend beside the lexical one.
        report: hears how training goes.
    """
    learned_from = prepared(examples, finder)
    if cache is None:
        return train(learned_from, encoder, report)
    path = cache / _name(learned_from, encoder)
    if (stored := _stored(path, encoder)) is not None:
        return stored
    model = train(learned_from, encoder, report)
    _store(path, model)
    return model


def model_name(examples: Sequence[LabelledText], finder: EntityFinder, encoder: Encoder | None) -> str:
    """Name the file of a model by what it is learned from."""
    return _name(prepared(examples, finder), encoder)


def _name(examples: Sequence[LabelledText], encoder: Encoder | None) -> str:
    learned_from = repr((encoder.name if encoder is not None else None, list(examples)))
    return f"intents-{FORMAT}-{hashlib.sha256(learned_from.encode()).hexdigest()[:NAME_CHARS]}.npz"


def _stored(path: Path, encoder: Encoder | None) -> Model | None:
    try:
        return from_bytes(path.read_bytes(), encoder)
    except (OSError, ConfigError):
        return None


def _store(path: Path, model: Model) -> None:
    """Put a whole file in place at once: a crash in the middle leaves none, not half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{secrets.token_hex(4)}.unfinished")  # two processes may start at once
    unfinished.write_bytes(to_bytes(model))
    unfinished.replace(path)
