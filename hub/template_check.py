"""Rendering every template on every channel with sample values, before anybody is answered with it.

`templates/samples.yaml` gives each reply the values it is tried with; `frontdesk check` shows what is found.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from core.errors import ConfigError
from core.model import Json, Model
from core.ports import Escape
from core.replies import Choice, Reply
from hub.templating import DEFAULT, SUFFIX, BoundWords, Templates

MAX_CHARS = 300
MAX_LINES = 3
"""What fits a phone's screen (row 113); a reply that needs more says `long: true` in the samples."""

TAG = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
MARKUP = re.compile(r"[<>&*_~`]")

Escapes = Mapping[str, Mapping[str, Escape]]
"""Channel -> block -> escape."""


class Sample(Model):
    """Values that a template is tried with."""

    context: dict[str, Json] = {}
    choices: tuple[str, ...] = ()
    long: bool = False


class TemplateFinding(Model):
    """One defect."""

    template: str
    channel: str
    block: str
    problem: str


def load_samples(root: Path) -> dict[str, Sample]:
    """Read `samples.yaml` of a template folder.

    Raises:
        ConfigError: it is missing or not what it should be.
    """
    path = root / "samples.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return {name: Sample.model_validate(sample or {}) for name, sample in content.items()}
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error


def check_templates(
    root: Path,
    escapes: Escapes,
    wanted: frozenset[str] = frozenset(),
    adapters: Mapping[str, Path] = MappingProxyType({}),
) -> list[TemplateFinding]:
    """Return every defect of the templates; an empty list is good news.

    Args:
        root: the folder with `default/` and the channels' folders.
        escapes: each channel's own, as in `channels/<name>/render.py`.
        wanted: replies that content and code name; each needs a template.
        adapters: folders with the templates of channels that are not ours.
    """
    try:
        templates, samples = Templates(root, adapters), load_samples(root)
    except ConfigError as error:
        return [TemplateFinding(template="", channel="", block="", problem=str(error))]
    found = [_missing(name, "no template says it") for name in sorted(wanted - templates.replies)]
    found += [
        _missing(name, "samples.yaml has no sample for it") for name in sorted(templates.replies - samples.keys())
    ]
    found += [
        _missing(name, "samples.yaml knows it, no template does") for name in sorted(samples.keys() - templates.replies)
    ]
    found += _markup_in_defaults(root)
    for name in sorted(templates.replies & samples.keys()):
        for channel in sorted(escapes):
            found += _try(templates, name, samples[name], channel, escapes[channel])
    return found


def _markup_in_defaults(root: Path) -> Iterator[TemplateFinding]:
    """Find what one channel would take for its syntax in words that are meant for all of them."""
    for path in sorted((root / DEFAULT).glob(f"*{SUFFIX}")):
        if marks := sorted(set(MARKUP.findall(TAG.sub("", path.read_text(encoding="utf-8"))))):
            problem = f"{' '.join(marks)} means something else on each channel"
            yield TemplateFinding(template=path.name, channel=DEFAULT, block="", problem=problem)


def _missing(name: str, problem: str) -> TemplateFinding:
    return TemplateFinding(template=name, channel="default", block="", problem=problem)


def _try(
    templates: Templates, name: str, sample: Sample, channel: str, escapes: Mapping[str, Escape]
) -> Iterator[TemplateFinding]:
    choices = tuple(Choice(token=str(i), label=label, value=label) for i, label in enumerate(sample.choices))
    reply = Reply(template=name, context=sample.context, choices=choices)
    problems: dict[tuple[str, str], None] = {}
    for locale, tone in sorted(templates.variants):
        for block, problem in _problems(templates, channel, reply, escapes, (locale, tone), sample):
            problems[block, problem] = None
    for block, problem in problems:
        yield TemplateFinding(template=name, channel=channel, block=block, problem=problem)


def _problems(
    templates: Templates,
    channel: str,
    reply: Reply,
    escapes: Mapping[str, Escape],
    variant: tuple[str, str],
    sample: Sample,
) -> Iterator[tuple[str, str]]:
    locale, tone = variant
    for tried in ((locale, tone), (None, locale)):
        words = templates.words(channel, reply, escapes, *tried)
        for block in ("text", *sorted(set(escapes) - {"text"})):
            if block == "text" or words.has(block):
                yield from ((block, problem) for problem in _problems_of(words, block, channel, sample))


def _problems_of(words: BoundWords, block: str, channel: str, sample: Sample) -> Iterator[str]:
    try:
        text = words.block(block)
    except ConfigError as error:
        yield str(error)
        return
    if not text.strip():
        yield f"templates/{words.file} says nothing"
    if block in ("blocks", "view"):
        yield from _not_blocks(text)
    if block == "text" and channel != "email" and not sample.long:
        yield from _too_long(text)


def _not_blocks(text: str) -> Iterator[str]:
    try:
        blocks: Any = json.loads(text)
    except ValueError as error:
        yield f"not JSON: {error}"
        return
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        yield "not a list of objects"


def _too_long(text: str) -> Iterator[str]:
    lines = sum(1 for line in text.splitlines() if line.strip())
    if len(text) > MAX_CHARS:
        yield f"{len(text)} characters; at most {MAX_CHARS}, or say `long: true` in samples.yaml"
    if lines > MAX_LINES:
        yield f"{lines} lines; at most {MAX_LINES}, or say `long: true` in samples.yaml"
