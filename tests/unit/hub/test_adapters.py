"""Channels that other packages bring: found by their entry point, and told apart from what cannot work."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from channels.contract import HubAround
from core.errors import ConfigError
from core.ids import AccountName
from core.replies import Reply
from hub.adapters import BUILT_IN, build_channel, channel_names, installed, part, problem_of, template_folders
from hub.cli.main import app
from hub.settings import PROJECT, Settings, load_settings
from hub.templating import Templates
from tests.servers.ports import free_port
from tests.unit.hub.adapter_kit import announce, install, looked_at_anew

NUMBER = {"FRONTDESK_FAX_MAIN_NUMBER": "+49 30 1"}


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    with looked_at_anew():
        yield


def read(folder: Path, account: str = "fax:main", **environ: str) -> Settings:
    path = folder / "frontdesk.yaml"
    path.write_text(f"desks: {{a: {{accounts: ['{account}']}}}}\n")
    return load_settings(path, {"FRONTDESK_DATA": str(folder / "data"), **environ})


def test_without_any_adapter_there_are_our_own_channels() -> None:
    assert channel_names() == BUILT_IN
    assert installed() == ()


def test_an_adapters_channel_has_accounts_as_ours_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch)
    (plan,) = read(tmp_path).accounts
    assert (plan.settings, plan.missing, plan.switch_on) == (None, ("FRONTDESK_FAX_MAIN_NUMBER",), "Buy a fax machine.")
    (plan,) = read(tmp_path, **NUMBER).accounts
    assert plan.settings is not None
    channel = build_channel("fax", AccountName(plan.name), plan.settings, HubAround().resources())
    assert (channel.name, channel.account) == ("fax", "main")


def test_a_channel_that_nothing_brings_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no channel 'fax': use one of slack, .*, or install the adapter"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="no channel 'fax'"):
        part("fax", "render")


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"account": None}, "ModuleNotFoundError: No module named 'frontdesk_fax.account'; install it again"),
        ({"account": "1 / 0"}, "ZeroDivisionError"),
        ({"account": "def"}, "SyntaxError"),
        ({"account": "SWITCH_ON = ''"}, "needs CONTRACT, the version of the contract that it keeps"),
        ({"account": "CONTRACT = True"}, "needs CONTRACT"),
        ({"account": "CONTRACT = 1\nclass AccountSettings: pass"}, "needs AccountSettings, a pydantic model"),
        ({"channel": ""}, "needs build, a function"),
        ({"render": "ESCAPES = {'html': str}"}, "needs ESCAPES, a mapping of blocks to functions, with `text`"),
    ],
    ids=["no module", "a crash", "no Python", "no version", "no number", "no settings", "no build", "no escape"],
)
def test_a_broken_adapter_is_told_with_whose_it_is(
    broken: dict[str, str | None], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, **broken)
    (adapter,) = installed()
    problem = problem_of(adapter)
    assert problem is not None
    assert problem.startswith("channel fax (frontdesk-fax 0.1.0): frontdesk_fax.")
    assert told in problem


@pytest.mark.parametrize(("version", "which"), [(0, "the adapter"), (2, "Frontdesk")])
def test_another_version_of_the_contract_is_refused_with_what_to_install(
    version: int, which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = f"from frontdesk_fax.older import *\nCONTRACT = {version}"
    older = "from pydantic import BaseModel\nclass AccountSettings(BaseModel, extra='forbid'): pass\nSWITCH_ON = ''"
    install(tmp_path, monkeypatch, account=account, older=older)
    with pytest.raises(
        ConfigError, match=f"keeps version {version} .* this Frontdesk has 1: install a version of {which} that"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("web", "which is built in"),
        ("metrics", "that name is taken"),
        ("my_fax", "lower-case letters and digits"),
        ("Fax", "lower-case letters and digits"),
    ],
)
def test_a_name_that_a_channel_cannot_have_is_told(
    name: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, entry=name)
    with pytest.raises(ConfigError, match=f"frontdesk-fax 0.1.0 brings a channel '{name}'.*{told}"):
        channel_names()


def test_two_packages_that_bring_the_same_channel_are_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch)
    announce(tmp_path, "fax", "another_fax", "another-fax")
    with pytest.raises(ConfigError, match=r"another-fax 0.1.0 and frontdesk-fax 0.1.0 both bring a channel 'fax'"):
        channel_names()


def test_an_entry_point_names_a_package_and_not_a_thing_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(tmp_path, "fax", "frontdesk_fax.channel:build")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"must name a package, not 'frontdesk_fax\.channel:build'"):
        channel_names()


def test_an_adapter_that_calls_itself_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its messages would be stored under a name that no account has."""
    install(tmp_path, monkeypatch, entry="telefax")
    (plan,) = read(tmp_path, "telefax:main", FRONTDESK_TELEFAX_MAIN_NUMBER="1").accounts
    assert plan.settings is not None
    with pytest.raises(ConfigError, match="is called fax:main and must be telefax:main"):
        build_channel("telefax", AccountName("main"), plan.settings, HubAround().resources())


def test_an_adapter_may_bring_words_of_its_own_and_those_of_the_desk_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch)
    brought = tmp_path / "frontdesk_fax" / "templates"
    brought.mkdir()
    (brought / "hello.j2").write_text("{% block text %}by fax{% endblock %}")
    desk = tmp_path / "templates"
    (desk / "default").mkdir(parents=True)
    (desk / "default" / "hello.j2").write_text("{% block text %}to all{% endblock %}")

    def said(channel: str) -> str:
        words = Templates(desk, template_folders()).words(channel, Reply(template="hello"), {"text": str})
        return words.block("text")

    assert (said("fax"), said("slack")) == ("by fax", "to all")
    (desk / "fax").mkdir()
    (desk / "fax" / "hello.j2").write_text("{% block text %}the desk's{% endblock %}")
    assert said("fax") == "the desk's"


def test_a_template_of_an_adapter_that_is_wrong_is_told_by_its_own_path(tmp_path: Path) -> None:
    (tmp_path / "hello.j2").write_text("{% block text %}")
    with pytest.raises(ConfigError, match=str(tmp_path / "hello.j2")):
        Templates(PROJECT / "templates", {"fax": tmp_path})


def test_check_lists_adapters_and_fails_on_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_DATA", str(tmp_path / "data"))
    install(tmp_path, monkeypatch)
    good = CliRunner().invoke(app, ["check"])
    assert good.exit_code == 0, good.output
    assert "adapter fax: frontdesk-fax 0.1.0 (frontdesk_fax)" in good.output
    (tmp_path / "frontdesk_fax" / "render.py").write_text("")
    with looked_at_anew():
        bad = CliRunner().invoke(app, ["check"])
    assert bad.exit_code == 1
    assert "frontdesk_fax.render needs ESCAPES" in " ".join(bad.output.split())


def test_doctor_says_whether_an_adapter_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FRONTDESK_DATABASE_PORT", str(free_port()))
    install(tmp_path, monkeypatch)
    told = CliRunner().invoke(app, ["doctor"]).output
    assert "frontdesk-fax 0.1.0" in told
    assert "Mend the package" not in told
    (tmp_path / "frontdesk_fax" / "channel.py").write_text("")
    with looked_at_anew():
        broken = CliRunner().invoke(app, ["doctor"])
    assert broken.exit_code == 1
    assert "Mend the package" in broken.output
