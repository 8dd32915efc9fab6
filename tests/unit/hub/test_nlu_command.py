"""`frontdesk nlu`: a model is learned, kept with its card, and a text is shown as it is read."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli.main import app
from hub.model_card import model_card
from hub.models import finder_of, load_model
from tests.conversation.telling import model_folder, starter_content

CONTENT = starter_content()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRONTDESK_DATA", str(tmp_path))
    return tmp_path


def test_training_keeps_a_model_with_its_card_and_reading_uses_it(folder: Path) -> None:
    trained = CliRunner().invoke(app, ["nlu", "train", "--backend", "lexical"])
    assert trained.exit_code == 0, trained.output
    assert "right first" in trained.output
    (model,) = (folder / "models").glob("*.npz")
    card = model.with_suffix(".md").read_text()
    assert "backend: lexical" in card
    assert "## Limits" in card
    written = model.stat().st_mtime_ns
    read = CliRunner().invoke(app, ["nlu", "read", "where is my order A-1001?", "--backend", "lexical"])
    shown = json.loads(read.output)
    assert shown["intents"][0]["name"] == "order_status"
    assert shown["entities"] == [{"name": "order_number", "value": "A-1001", "start": 18, "end": 24}]
    assert model.stat().st_mtime_ns == written


def test_a_card_names_its_data_its_scores_and_intents_with_few_examples_row_150() -> None:
    model = load_model(CONTENT.examples, finder_of(CONTENT.entities), model_folder())
    card = model_card(model, "intents.npz", CONTENT.version, CONTENT.intents)
    assert CONTENT.version in card
    assert f"{model.scores.accuracy:.1%}" in card
    assert "cancel (16)" in card
    assert "order_status (" not in card
    assert 0.5 < model.scores.accuracy < 1
    assert model.scores.kept_aside == model.scores.examples == len(CONTENT.examples)
