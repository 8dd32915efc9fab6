"""`frontdesk emulate` on the command line: which platforms it plays, and the hub's environment for them."""

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from channels.slack.account import AccountSettings as SlackSettings
from channels.whatsapp.account import AccountSettings as TwilioSettings
from channels.whatsapp.cloud.account import CloudSettings
from hub.cli.main import app
from hub.emulate.slack_installs import CLIENT_ID
from hub.settings import AccountPlan, load_settings

CLI = CliRunner()


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_DATA", str(tmp_path / "data"))


def environment(*options: str) -> dict[str, str]:
    """Return what the command tells a hub."""
    result = CLI.invoke(app, ["emulate", "--print-env", "--port", "9000", *options])
    assert result.exit_code == 0, result.output
    lines = (line.removeprefix("export ").partition("=") for line in result.output.splitlines())
    return {name: shlex.split(value)[0] for name, _, value in lines}


def accounts(given: dict[str, str], folder: Path) -> dict[str, AccountPlan]:
    settings = load_settings(environ={"FRONTDESK_DATA": str(folder), **given})
    return {plan.key: plan for plan in settings.accounts}


@pytest.mark.parametrize(("options", "kind"), [((), TwilioSettings), (("--whatsapp", "cloud"), CloudSettings)])
def test_whatsapp_is_carried_by_whom_the_option_names(
    options: tuple[str, ...], kind: type[object], tmp_path: Path
) -> None:
    assert isinstance(accounts(environment(*options), tmp_path)["whatsapp:main"].settings, kind)


def test_whatsapp_is_carried_by_whom_the_account_names_and_the_option_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTDESK_WHATSAPP_MAIN_PROVIDER", "cloud")
    assert environment()["FRONTDESK_WHATSAPP_MAIN_PROVIDER"] == "cloud"
    given = environment("--whatsapp", "twilio")
    plan = accounts({"FRONTDESK_WHATSAPP_MAIN_PROVIDER": "cloud"} | given, tmp_path)["whatsapp:main"]
    assert isinstance(plan.settings, TwilioSettings)


@pytest.mark.parametrize(("option", "is_installed"), [("token", False), ("installs", True)])
def test_slack_has_one_token_or_is_installed_by_workspaces(option: str, is_installed: bool, tmp_path: Path) -> None:
    settings = accounts(environment("--slack", option), tmp_path)["slack:acme"].settings
    assert isinstance(settings, SlackSettings)
    assert (settings.client_id == CLIENT_ID) is is_installed
    assert (settings.bot_token is None) is is_installed


def test_a_carrier_that_nobody_knows_is_told() -> None:
    result = CLI.invoke(app, ["emulate", "--print-env", "--whatsapp", "pigeon"])
    assert result.exit_code == 2
    assert "pigeon" in result.output
