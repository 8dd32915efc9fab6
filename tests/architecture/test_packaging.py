"""The image, the compose file and the pages say what the program really takes. No engine is needed for these."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

import hub.cli.common
import hub.cli.main
import hub.cli.serve
from hub.settings import load_settings
from tests.servers.database import secantus_command
from tests.servers.ports import free_port
from tests.shared_files import PROJECT

VARIABLE = re.compile(r"\bFRONTDESK_[A-Z0-9_]*[A-Z0-9]\b")
TESTS_ONLY = frozenset({"FRONTDESK_CI", "FRONTDESK_TEST_MONGO_URI"})
DOCUMENTED = ("README.md", "ARCHITECTURE.md", "compose.yaml", "Dockerfile", "config/example.env", "docs/guides")
UNPRIVILEGED = 65532


class Recorder(dict[str, str]):
    """An environment that holds the data folder alone, and remembers what it was asked for."""

    def __init__(self, data: Path) -> None:
        super().__init__({"FRONTDESK_DATA": str(data)})
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


@pytest.fixture(scope="module")
def known_variables(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Every variable that the program reads for the project's own configuration."""
    recorder = Recorder(tmp_path_factory.mktemp("data"))
    load_settings(environ=recorder)
    return recorder.asked


def documents() -> list[Path]:
    paths = [PROJECT / name for name in DOCUMENTED]
    return [page for path in paths for page in (sorted(path.rglob("*.md")) if path.is_dir() else [path])]


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_variable_that_a_page_names_is_read_by_the_program(page: Path, known_variables: set[str]) -> None:
    named = set(VARIABLE.findall(page.read_text()))
    assert named - known_variables - TESTS_ONLY == set()


def test_the_example_environment_names_every_variable(known_variables: set[str]) -> None:
    named = set(VARIABLE.findall((PROJECT / "config/example.env").read_text()))
    assert {name for name in known_variables if not name.endswith("_FILE")} - named == set()


def test_the_readme_explains_every_variable_that_belongs_to_no_account(known_variables: set[str]) -> None:
    named = set(VARIABLE.findall((PROJECT / "README.md").read_text()))
    accounts = tuple(f"FRONTDESK_{channel}_" for channel in ("SLACK", "TELEGRAM", "WHATSAPP", "EMAIL", "WEB"))
    general = {name for name in known_variables if not name.endswith("_FILE") and not name.startswith(accounts)}
    assert general - named == set()


def test_the_example_environment_is_all_comments_and_so_changes_nothing() -> None:
    lines = (PROJECT / "config/example.env").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


# Commands


class Reached(Exception):
    """The command line was understood and the command began."""


@pytest.fixture
def _stop_at_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_args: object, **_kwargs: object) -> None:
        raise Reached

    monkeypatch.setattr(hub.cli.serve, "load_settings", stop)
    monkeypatch.setattr(hub.cli.common, "load_settings", stop)


def is_understood(arguments: list[str]) -> bool:
    result = CliRunner().invoke(hub.cli.main.app, arguments)
    return isinstance(result.exception, Reached)


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    return document


def hub_services() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose()["services"].items() if service["image"] == "frontdesk"}


@pytest.mark.usefixtures("_stop_at_the_settings")
@pytest.mark.parametrize("name", list(hub_services()))
def test_every_service_of_ours_runs_a_command_that_exists(name: str) -> None:
    assert is_understood(hub_services()[name]["command"])


@pytest.mark.usefixtures("_stop_at_the_settings")
def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    assert not is_understood(["serve", "--role", "wbe"])
    assert not is_understood(["sreve"])


def commands_of(page: Path) -> set[str]:
    lines = [line.strip() for line in page.read_text().splitlines()]
    return {line.split("#")[0].strip() for line in lines if line.startswith("frontdesk ")}


@pytest.mark.parametrize("name", ["README.md", "docs/guides/deployment.md"])
def test_every_command_that_a_page_shows_exists(name: str) -> None:
    group = typer.main.get_command(hub.cli.main.app)
    for line in commands_of(PROJECT / name):
        words = shlex.split(line)[1:]
        result = CliRunner().invoke(hub.cli.main.app, [*takes_no_value(words), "--help"])
        assert result.exit_code == 0, line
        assert words[0] in group.commands, line  # type: ignore[attr-defined]  # the application is a group


def takes_no_value(words: list[str]) -> list[str]:
    """Return the command and its options as they are; `--help` ends the reading before values are checked."""
    return [word for word in words if not word.startswith("<")]


# Compose


def test_two_webs_a_mail_process_and_three_workers_stand_behind_a_proxy() -> None:
    roles = [tuple(service["command"]) for service in hub_services().values()]
    assert roles.count(("serve", "--role", "web")) == 2
    assert roles.count(("serve", "--role", "worker")) == 3
    assert roles.count(("serve", "--role", "mail")) == 1
    nodes = [service["environment"].get("FRONTDESK_NODE") for service in hub_services().values()]
    assert len(set(nodes)) == len(nodes), "a node's name belongs to one process"
    published = [name for name, service in compose()["services"].items() if "ports" in service]
    assert published == ["proxy"]


@pytest.mark.parametrize("name", list(compose()["services"]))
def test_every_service_is_locked_down(name: str) -> None:
    """SECURITY section 8."""
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "/tmp" in service["tmpfs"]
    assert "cap_add" not in service
    assert not service.get("privileged")


def test_no_secret_stands_in_the_compose_file() -> None:
    for service in hub_services().values():
        for name, value in service["environment"].items():
            if re.search(r"SECRET|TOKEN|PASSWORD|URI", name):
                assert name.endswith("_FILE"), name
                assert str(value).startswith("/run/secrets/"), name


def test_every_secret_that_a_service_reads_is_handed_to_it() -> None:
    declared = set(compose()["secrets"])
    for service in hub_services().values():
        files = {Path(v).name for k, v in service["environment"].items() if k.endswith("_FILE")}
        assert files == set(service["secrets"]) <= declared


def test_all_processes_share_the_secret_that_signs_visitors_tokens() -> None:
    values = {service["environment"]["FRONTDESK_WEB_SITE_SECRET_FILE"] for service in hub_services().values()}
    assert len(values) == 1


def test_no_two_processes_poll_the_same_telegram_bot() -> None:
    """T6: a second one makes Telegram answer 409 to both."""
    modes = {service["environment"]["FRONTDESK_TELEGRAM_SUPPORT_MODE"] for service in hub_services().values()}
    assert modes == {"webhook"}


def test_the_database_is_a_replica_set_and_not_the_trials() -> None:
    services = compose()["services"]
    members = [name for name, service in services.items() if "--replSet" in service.get("command", ())]
    assert len(members) == 3
    assert all(services[name]["image"].startswith("mongo:8") for name in members)


def test_every_volume_network_secret_and_dependency_is_declared() -> None:
    document = compose()
    for service in document["services"].values():
        named = {volume.split(":")[0] for volume in service.get("volumes", ()) if not volume.startswith(".")}
        assert named <= set(document["volumes"])
        assert set(service["networks"]) <= set(document["networks"])
        assert set(service.get("depends_on", {})) <= set(document["services"])
        assert {entry["source"] for entry in service.get("configs", ())} <= set(document["configs"])


def test_the_proxy_passes_web_sockets_and_hides_what_is_not_for_the_outside() -> None:
    text = compose()["configs"]["nginx"]["content"]
    assert "proxy_set_header Upgrade $$http_upgrade" in text
    assert "proxy_http_version 1.1" in text
    assert "location = /metrics { return 404; }" in text
    assert "ip_hash" not in text


# The image


def dockerfile() -> list[list[str]]:
    """Return the instructions as words, continued lines joined."""
    text = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def instructions(name: str) -> list[list[str]]:
    return [words for words in dockerfile() if words[0] == name]


def test_the_image_is_built_in_two_stages() -> None:
    assert len(instructions("FROM")) == 2
    assert instructions("FROM")[0][2:] == ["AS", "build"]
    last = max(index for index, words in enumerate(dockerfile()) if words[0] == "FROM")
    runtime = dockerfile()[last:]
    assert not any("pip" in words for words in runtime)
    assert all("--from=build" in words for words in runtime if words[0] == "COPY")


def test_the_image_installs_the_locked_list_by_hash() -> None:
    commands = [" ".join(words) for words in instructions("RUN")]
    assert any("--require-hashes" in command and "requirements/runtime.txt" in command for command in commands)
    assert ["COPY", "requirements/runtime.txt", "requirements/runtime.txt"] in instructions("COPY")
    assert not any("trial" in command or "development" in command for command in commands)


def test_the_image_runs_as_nobody_and_writes_to_one_place() -> None:
    user = instructions("USER")[-1][1].split(":")[0]
    assert int(user) == UNPRIVILEGED
    assert ["VOLUME", "/data"] in instructions("VOLUME")
    assert "FRONTDESK_DATA=/data" in instructions("ENV")[-1]
    assert "PYTHONDONTWRITEBYTECODE=1" in instructions("ENV")[-1]


@pytest.mark.usefixtures("_stop_at_the_settings")
def test_the_image_starts_the_hub_and_asks_it_whether_it_is_ready() -> None:
    assert json.loads(" ".join(instructions("ENTRYPOINT")[-1][1:])) == ["frontdesk"]
    assert is_understood(json.loads(" ".join(instructions("CMD")[-1][1:])))
    assert instructions("EXPOSE")[-1][1] == "8080"
    health = " ".join(instructions("HEALTHCHECK")[-1])
    assert "/readyz" in health
    assert 'CMD ["python"' in health


def test_every_file_that_the_image_copies_passes_the_ignore_file() -> None:
    allowed = {line[1:].rstrip("*").rstrip("/") for line in _ignore_lines() if line.startswith("!")}
    copied = {word for words in instructions("COPY") if "--from=build" not in words for word in words[1:-1]}
    assert copied == allowed
    assert all((PROJECT / name).exists() for name in copied)
    assert _ignore_lines()[0] == "*"


def _ignore_lines() -> list[str]:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


# The same as the image, without an engine


def as_nobody(command: list[str], environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return a command that runs as uid 65532, which owns nothing here and so finds every file read-only.

    The interpreter of a development machine may lie in a folder that only its owner can enter: the one privilege left
    is to read. Nothing can be written with it.
    """
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv")
    only = "-all,+dac_read_search"
    drop = [f"--{option}={UNPRIVILEGED}" for option in ("reuid", "regid")]
    drop += ["--clear-groups", "--no-new-privs", f"--inh-caps={only}", f"--ambient-caps={only}"]
    inherited = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return ["setpriv", *drop, f"--bounding-set={only}", *command], inherited | environment


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    return folder


WRITABLE = """
import os, sys
paths = (os.path.join(folder, name) for folder, _, names in os.walk(sys.argv[1]) for name in (".", *names))
print([path for path in paths if os.path.exists(path) and os.access(path, os.W_OK)][:5])
"""


@pytest.mark.integration
def test_the_user_of_the_image_can_write_to_none_of_the_code(own_folder: Path) -> None:
    for folder in ("hub", "channels", "core", "templates", "config"):
        command, environment = as_nobody([sys.executable, "-c", WRITABLE, str(PROJECT / folder)], {})
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        assert run.stdout.strip() == "[]"


@pytest.mark.integration
def test_the_hub_checks_itself_as_another_user_on_read_only_code(own_folder: Path) -> None:
    """SECURITY S32."""
    command, environment = as_nobody([sys.executable, "-m", "hub", "check"], {"FRONTDESK_DATA": str(own_folder)})
    run = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert {path.stat().st_uid for path in own_folder.rglob("*")} == {UNPRIVILEGED}


@pytest.mark.integration
def test_the_hub_serves_as_another_user_and_writes_only_to_its_data(own_folder: Path) -> None:
    """SECURITY S32."""
    secantus_command()
    port = free_port()
    given = {
        "FRONTDESK_DATA": str(own_folder),
        "FRONTDESK_PORT": str(port),
        "FRONTDESK_DATABASE_PORT": str(free_port()),
        "HOME": str(own_folder),
    }
    command, environment = as_nobody([sys.executable, "-m", "hub", "serve"], given)
    log = own_folder.parent / "hub.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=output)
    try:
        _wait_until_ready(process, port, log)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/web/site", timeout=5) as page:
            assert page.status == 200
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    assert code == 0, log.read_text()[-2000:]
    assert {path.stat().st_uid for path in own_folder.rglob("*")} == {UNPRIVILEGED}


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"not ready: {log.read_text()[-2000:]}")
