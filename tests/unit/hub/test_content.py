"""Content: read, checked as a whole, versioned, and learned once."""

import shutil
from pathlib import Path

import pytest

from core.bot import Bot
from core.errors import ConfigError
from hub.content import build_responders, load_content
from tests.conversation.telling import DESK, starter_content
from tests.shared_files import PROJECT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(PROJECT / "config" / "content", tmp_path / "content")


def test_the_starter_content_is_complete() -> None:
    content = starter_content()
    names = {intent.name for intent in content.intents}
    assert {"greeting", "order_status", "refund_request", "password_reset", "billing_question", "help"} <= names
    assert len(content.articles) >= 6
    assert {flow.name for flow in content.flows} == {"it_request", "order_status", "refund_request"}
    assert content.actions == {"orders.find"}


def test_every_intent_has_examples_enough_and_says_that_we_made_them_up_row_138() -> None:
    for intent in starter_content().intents:
        assert len(intent.examples) >= 10
        assert {example.source for example in intent.examples} == {"synthetic"}


def test_the_version_changes_with_every_byte_and_with_nothing_else(folder: Path) -> None:
    before = load_content(folder).version
    assert before == starter_content().version
    article = folder / "articles" / "returns.md"
    article.write_text(article.read_text() + "!")
    assert load_content(folder).version != before


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("intents/help.yaml", "automation: reply", "automation: magic", r"help\.yaml: automation"),
        ("intents/help.yaml", "use: help", "", r"help\.yaml: .*`use`"),
        ("intents/help.yaml", "name: help", "name: [", r"(?s)help\.yaml.*line 1"),
        ("intents/help.yaml", "name: help", "name: greeting", "greeting is defined twice"),
        ("intents/help.yaml", "[help, menu]", "[start]", "start is defined twice"),
        ("intents/help.yaml", "offer_menu: true", "offer_menu: true\nmenu: 9", "needs a label"),
        ("intents/order_status.yaml", "use: order_status", "use: nothing", "uses flow nothing"),
        ("intents/password_reset.yaml", "use: password-reset", "use: nothing", "uses article nothing"),
        ("flows/order_status.yaml", "actions: [orders.find]", "actions: []", "does not permit"),
        ("flows/order_status.yaml", "entity: email", "entity: fax", "names fax"),
        ("flows/order_status.yaml", "offer: [talk_to_person]", "offer: [nobody]", "names nobody"),
        ("articles/returns.md", "---\nid", "id", "line 1: an article begins"),
        ("articles/returns.md", "valid_from: 2026-01-01", "valid_from: soon", r"returns\.md: valid_from"),
        ("articles/returns.md", "source: Terms of sale, section 6\n", "", r"returns\.md: source"),
        ("entities.yaml", "case: upper", "case: tall", r"entities\.yaml: 2\.pattern\.case"),
        ("choices.yaml", "last: [last]", "end: [last]", r"choices\.yaml: en\.end"),
    ],
)
def test_a_mistake_is_told_with_its_place(folder: Path, file: str, old: str, new: str, message: str) -> None:
    path = folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_content(folder)


def test_missing_and_unreadable_files_are_told(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        load_content(folder / "nowhere")
    (folder / "intents" / "help.yaml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_content(folder)
    (folder / "entities.yaml").unlink()
    (folder / "intents" / "help.yaml").unlink()
    with pytest.raises(ConfigError, match=r"entities\.yaml cannot be read"):
        load_content(folder)


def test_each_desk_gets_its_bot(tmp_path: Path) -> None:
    other = DESK.model_copy(update={"name": "it", "tone": "direct"})
    bots = build_responders(
        starter_content(), [DESK, other], tmp_path, lambda desk, i: (desk, i.name) != ("it", "thanks")
    )
    assert sorted(bots) == ["it", "support"]
    assert all(isinstance(bot, Bot) for bot in bots.values())
    assert bots["it"].desk.tone == "direct"
    assert bots["it"].desk.intent("thanks") is None
    assert bots["support"].desk.content_version == starter_content().version
