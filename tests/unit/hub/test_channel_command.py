"""`frontdesk channel new`: what it writes and refuses. tests/integration/test_new_channel.py runs the result."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import ConfigError
from hub.cli import channel as command
from hub.cli.main import app
from tests.unit.hub.adapter_kit import install, looked_at_anew

CLI = CliRunner()


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    with looked_at_anew():
        yield


def test_the_new_folder_is_the_skeleton_under_the_new_name(tmp_path: Path) -> None:
    result = CLI.invoke(app, ["channel", "new", "fax", "--in", str(tmp_path)])
    assert result.exit_code == 0, result.output
    made = tmp_path / "frontdesk-fax"
    files = {path.relative_to(made).as_posix(): path.read_text() for path in made.rglob("*") if path.is_file()}
    assert {"README.md", "pyproject.toml", "tests/test_contract.py", "frontdesk_fax/channel.py"} <= files.keys()
    assert [name for name, text in files.items() if "parrot" in f"{name} {text}".lower()] == []
    assert [name for name in files if "cache" in name] == []
    assert 'fax = "frontdesk_fax"' in files["pyproject.toml"]
    assert "class FaxChannel:" in files["frontdesk_fax/channel.py"]
    assert "docs/write-an-adapter.md" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("slack", "frontdesk brings a channel 'slack' already"),
        ("metrics", "taken"),
        ("My-Fax", "lower-case letters"),
        ("../x", "lower-case letters"),
    ],
)
def test_a_name_that_cannot_be_had_is_refused(name: str, told: str, tmp_path: Path) -> None:
    result = CLI.invoke(app, ["channel", "new", name, "--in", str(tmp_path)])
    assert isinstance(result.exception, ConfigError)
    assert told in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_an_adapter_that_is_installed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch)
    with pytest.raises(ConfigError, match=r"frontdesk-fax 0\.1\.0 brings a channel 'fax' already"):
        command.make_adapter("fax", tmp_path)


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "frontdesk-fax").mkdir()
    with pytest.raises(ConfigError, match="frontdesk-fax cannot be made: File exists"):
        command.make_adapter("fax", tmp_path)
    assert list((tmp_path / "frontdesk-fax").iterdir()) == []


def test_where_the_skeleton_was_left_out_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SKELETON", tmp_path / "docs")
    with pytest.raises(ConfigError, match="run this in a checkout of Frontdesk"):
        command.make_adapter("fax", tmp_path)
