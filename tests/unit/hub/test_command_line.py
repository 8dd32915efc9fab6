import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import ConfigError
from hub.cli.main import app
from hub.settings import PROJECT
from tests.unit.channels.whatsapp import cloud_kit

CLI = CliRunner()
PAYLOADS = Path(__file__).parents[2] / "fixtures" / "payloads"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: what is learned by the first command is read by the others."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def _own_data(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_DATA", str(data))


def test_every_command_explains_itself() -> None:
    own = ["serve", "chat", "replay", "check", "doctor", "schema", "undelivered", "notify", "emulate"]
    commands = [*own, "channel", "dead-letters", "holds", "media", "spool", "templates"]
    listed = CLI.invoke(app, ["--help"]).output
    for name in commands:
        assert name in listed
        assert CLI.invoke(app, [name, "--help"]).exit_code == 0


def test_the_schema_describes_every_kind_of_event() -> None:
    result = CLI.invoke(app, ["schema"])
    document = json.loads(result.output)
    kinds = set(document["discriminator"]["mapping"])
    assert kinds >= {"message", "choice", "command", "edited", "deleted", "reaction", "delivery_status"}
    assert document["$schema"].startswith("https://json-schema.org/")


def test_check_says_what_is_on_and_what_would_switch_the_rest_on() -> None:
    result = CLI.invoke(app, ["check"])
    assert result.exit_code == 0, result.output
    assert "web:site" in result.output
    assert "FRONTDESK_TELEGRAM_SUPPORT_TOKEN" in result.output


def test_check_tries_the_templates_that_whatsapp_has_approved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PROJECT / "config" / "content", tmp_path / "content")
    monkeypatch.setenv("FRONTDESK_CONTENT", str(tmp_path / "content"))
    sid = "HX" + "a" * 32
    approved = tmp_path / "content" / "whatsapp_templates.yaml"
    approved.write_text(f"order_status: [{{twilio: {sid}, variables: {{'1': order.order_number}}}}]")
    assert CLI.invoke(app, ["check"]).exit_code == 0
    approved.write_text(
        f"order_status: [{{twilio: {sid}, variables: {{'1': order.colour}}}}]\ngone: [{{twilio: {sid}}}]"
    )
    result = CLI.invoke(app, ["check"])
    assert result.exit_code == 1
    assert "gone: no reply has this name" in result.output
    assert "order_status: variable 1" in result.output
    approved.write_text("order_status: [{twilio: nonsense}]")
    assert isinstance(CLI.invoke(app, ["check"]).exception, ConfigError)


def test_check_fails_on_content_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PROJECT / "templates", tmp_path / "templates")
    (tmp_path / "templates" / "default" / "thanks.j2").write_text(
        "{% block text %}{{ nobody_gives_this }}{% endblock %}"
    )
    monkeypatch.setenv("FRONTDESK_TEMPLATES", str(tmp_path / "templates"))
    result = CLI.invoke(app, ["check"])
    assert result.exit_code == 1
    assert "thanks" in result.output


def test_a_chat_in_the_terminal_answers_and_shows_its_trace() -> None:
    result = CLI.invoke(app, ["chat", "--trace"], input="where is my order A-1001?\nann@example.com\nexit\n")
    assert result.exit_code == 0, result.output
    assert "Order A-1001 is on its way" in result.output
    assert '"rung": "flow"' in result.output


@pytest.mark.parametrize("channel", ["slack", "telegram", "whatsapp", "email", "web"])
def test_a_payload_of_every_channel_is_replayed_to_its_api_calls(channel: str, tmp_path: Path) -> None:
    result = CLI.invoke(app, ["replay", str(a_message(channel, tmp_path)), "--channel", channel])
    assert result.exit_code == 0, result.output
    assert "event" in result.output
    assert "api call" in result.output


@pytest.mark.parametrize("how", ["by the option", "as configured"])
def test_a_payload_of_the_cloud_api_is_replayed_whoever_carries_whatsapp_else(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cloud.json").write_bytes(cloud_kit.body(cloud_kit.change(cloud_kit.message(text={"body": "help"}))))
    command = ["replay", str(tmp_path / "cloud.json"), "--channel", "whatsapp"]
    if how == "as configured":
        monkeypatch.setenv("FRONTDESK_WHATSAPP_MAIN_PROVIDER", "cloud")
    else:
        monkeypatch.setenv("FRONTDESK_WHATSAPP_MAIN_ACCOUNT_SID", "AC" + "1" * 32)
        monkeypatch.setenv("FRONTDESK_WHATSAPP_MAIN_AUTH_TOKEN", "secret")
        monkeypatch.setenv("FRONTDESK_WHATSAPP_MAIN_NUMBER", "whatsapp:+15550000000")
        command += ["--provider", "cloud"]
    result = CLI.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert '"text": "help"' in result.output
    assert '"messaging_product": "whatsapp"' in result.output


def a_message(channel: str, folder: Path) -> Path:
    """Return a file with one direct message, of our own writing, in the platform's shape."""
    if channel == "web":
        path = folder / "web.json"
        path.write_text(
            json.dumps({"session": "5e" * 16, "id": "0b8f6a52-7b0e-4f87-9d29-3b8f6e1c0001", "text": "help"})
        )
        return path
    names = {"slack": "text_dm.json", "telegram": "text_private.json", "whatsapp": "text.form", "email": "text.eml"}
    path = PAYLOADS / channel / names[channel]
    assert path.exists(), sorted(other.name for other in path.parent.iterdir())
    return path


def test_a_payload_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("[[[")
    result = CLI.invoke(app, ["replay", str(tmp_path / "bad.json"), "--channel", "slack"])
    assert result.exit_code == 0
    assert "quarantined" in result.output


def test_a_wrong_channel_or_file_is_told() -> None:
    assert "use one of" in CLI.invoke(app, ["replay", "x", "--channel", "fax"]).output
    wrong = CLI.invoke(app, ["replay", "x", "--channel", "whatsapp", "--provider", "pigeon"])
    assert "providers: twilio, cloud" in " ".join(wrong.output.replace("\u2502", "").split())
    assert "is no file" in CLI.invoke(app, ["replay", "/nowhere", "--channel", "slack"]).output


def test_a_database_that_does_not_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.servers.ports import free_port

    monkeypatch.setenv("FRONTDESK_DATABASE_PORT", str(free_port()))
    for command in (["dead-letters", "list"], ["holds", "list"]):
        result = CLI.invoke(app, command)
        assert isinstance(result.exception, ConfigError)
        assert "start the hub" in str(result.exception)
