"""The worked example of docs/write-an-adapter.md in a hub: settings, words, commands, as after `pip install`."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.adapters import GROUP
from hub.cli.main import app
from hub.settings import PROJECT
from tests.unit.hub.adapter_kit import announce, looked_at_anew

EXAMPLE = PROJECT / "docs" / "examples" / "messenger"
CLI = CliRunner()
ACCOUNT = {"PAGE_ID": "104000000000001", "ACCESS_TOKEN": "EAAB", "APP_SECRET": "secret", "VERIFY_TOKEN": "ours"}


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the package by what its own pyproject.toml says, and give a desk an account of it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    ((channel, package),) = project["entry-points"][GROUP].items()
    announce(tmp_path, channel, package, project["name"])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    (tmp_path / "frontdesk.yaml").write_text("desks: {support: {accounts: ['messenger:shop']}}\n")
    for name, value in {
        "CONFIG": str(tmp_path / "frontdesk.yaml"),
        "CONTENT": str(PROJECT / "config" / "content"),
        "DATA": str(tmp_path / "data"),
    }.items():
        monkeypatch.setenv(f"FRONTDESK_{name}", value)
    with looked_at_anew():
        yield


@pytest.fixture
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(f"FRONTDESK_MESSENGER_SHOP_{name}", value)


def test_check_knows_the_adapter_says_what_its_account_lacks_and_finds_its_words_right() -> None:
    result = CLI.invoke(app, ["check"])
    told = " ".join(result.output.split())
    assert result.exit_code == 0, told
    assert "adapter messenger: frontdesk-messenger 0.1.0 (frontdesk_messenger)" in told
    assert "off messenger:shop: In developers.facebook.com make an app" in told
    assert "FRONTDESK_MESSENGER_SHOP_PAGE_ID" in told


@pytest.mark.usefixtures("_account")
def test_a_payload_of_the_adapter_is_replayed_to_its_api_calls(tmp_path: Path) -> None:
    happening = {
        "sender": {"id": "7000000000000001"},
        "recipient": {"id": ACCOUNT["PAGE_ID"]},
        "timestamp": 1795348800000,
        "message": {"mid": "m_1", "text": "how do I reset my password?"},
    }
    payload = {"object": "page", "entry": [{"id": ACCOUNT["PAGE_ID"], "time": 1, "messaging": [happening]}]}
    (tmp_path / "payload.json").write_text(json.dumps(payload))
    result = CLI.invoke(app, ["replay", str(tmp_path / "payload.json"), "--channel", "messenger"])
    assert result.exit_code == 0, result.output
    assert '"primary": "messenger:shop:m_1"' in result.output
    assert '"messaging_type": "RESPONSE"' in result.output
    assert '"id": "7000000000000001"' in result.output


def test_without_its_settings_a_replay_says_which_to_give(tmp_path: Path) -> None:
    (tmp_path / "payload.json").write_text("{}")
    result = CLI.invoke(app, ["replay", str(tmp_path / "payload.json"), "--channel", "messenger"])
    assert "messenger:shop is off; set FRONTDESK_MESSENGER_SHOP_PAGE_ID" in str(result.exception)


def test_emulate_leaves_out_what_nothing_plays() -> None:
    result = CLI.invoke(app, ["emulate", "--print-env", "--port", "9000"])
    assert result.exit_code == 0, result.output
    assert "MESSENGER" not in result.output
