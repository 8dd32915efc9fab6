"""What `frontdesk channel new` makes passes the contract suite as it is, and a hub knows it; each in a process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.cli.channel import make_adapter
from tests.shared_files import PROJECT
from tests.unit.hub.adapter_kit import announce

pytestmark = pytest.mark.integration

NAME = "carrierpigeon"
"""Longer than the skeleton's: lines grow."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(NAME, tmp_path_factory.mktemp("adapters"))


def run(folder: Path, *command: str, **environ: str) -> str:
    """Run a module in a folder as its author would, this project installed."""
    given = {**os.environ, "PYTHONPATH": str(PROJECT), **environ}
    ended = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-4000:]
    return ended.stdout


def test_its_own_tests_pass_as_it_is_made(made: Path) -> None:
    told = run(made, "pytest", "-q", "-p", "no:cacheprovider")
    assert "failed" not in told
    assert int(told.split(" passed")[0].split()[-1]) > 30, told


def test_a_promise_that_is_broken_is_told_with_its_values(made: Path, tmp_path: Path) -> None:
    """The author is to see what differs, though the assertion stands in another package."""
    broken = make_adapter(NAME, tmp_path)
    module = broken / f"frontdesk_{NAME}" / "normalize.py"
    module.write_text(module.read_text().replace("text=update.text", "text=update.text.upper()"))
    with pytest.raises(AssertionError, match="'WHERE IS MY ORDER\\?' == 'where is my order\\?'"):
        run(broken, "pytest", "-q", "-p", "no:cacheprovider")


def test_a_hub_knows_it_once_it_is_installed(made: Path, tmp_path: Path) -> None:
    announce(tmp_path, NAME, f"frontdesk_{NAME}", f"frontdesk-{NAME}")
    (tmp_path / "frontdesk.yaml").write_text(f"desks: {{support: {{accounts: ['{NAME}:main']}}}}\n")
    environ = {
        "PYTHONPATH": os.pathsep.join(map(str, (PROJECT, tmp_path, made))),
        "FRONTDESK_CONFIG": str(tmp_path / "frontdesk.yaml"),
        "FRONTDESK_CONTENT": str(PROJECT / "config" / "content"),
        "FRONTDESK_DATA": str(tmp_path / "data"),
        **{f"FRONTDESK_{NAME.upper()}_MAIN_{field}": "something" for field in ("BOT_ID", "TOKEN", "SECRET")},
    }
    checked = run(tmp_path, "hub", "check", **environ)
    assert f"adapter {NAME}: frontdesk-{NAME} 0.1.0" in checked
    assert f"on  {NAME}:main" in checked
    sender = {"id": "p1", "name": "Mira"}
    update = {"id": "1", "kind": "message", "sender": sender, "chat": "c1", "at": 1795348800, "text": "help"}
    (tmp_path / "payload.json").write_text(json.dumps(update))
    replayed = run(tmp_path, "hub", "replay", "payload.json", "--channel", NAME, **environ)
    assert f'"conversation_id": "{NAME}:main:c1"' in replayed
    assert "api call" in replayed
