"""The model of a content: kept, found again, and never that of another content."""

from pathlib import Path

import pytest

import hub.models
from core.nlu.model import Model
from core.nlu.model_file import from_bytes, to_bytes
from hub.models import finder_of, load_model
from tests.conversation.telling import starter_content

CONTENT = starter_content()
FINDER = finder_of(CONTENT.entities)


def load(cache: Path | None) -> Model:
    return load_model(CONTENT.examples, FINDER, cache)


def test_the_second_start_learns_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(tmp_path / "models")

    def no_training(*_arguments: object) -> Model:
        raise AssertionError("trained again")

    monkeypatch.setattr(hub.models, "train", no_training)
    assert to_bytes(load(tmp_path / "models")) == to_bytes(first)
    assert [path.suffix for path in (tmp_path / "models").iterdir()] == [".npz"]


def test_without_a_cache_nothing_is_kept() -> None:
    assert load(None).intents == tuple(sorted(intent.name for intent in CONTENT.intents))


def test_a_damaged_cache_is_learned_anew(tmp_path: Path) -> None:
    first = load(tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    assert to_bytes(load(tmp_path)) == to_bytes(first)
    assert from_bytes(path.read_bytes(), None).intents == first.intents


def test_another_example_is_another_model(tmp_path: Path) -> None:
    load(tmp_path)
    load_model([*CONTENT.examples, ("hello hello", "greeting")], FINDER, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
