"""Which way imports point, what pure modules pull in, and what every channel folder holds."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from channels.contract import MODULES, PURE_MODULES, QUALITY_KEYS, is_grade
from tests.architecture.project import PACKAGES, channel_folders, example_files, module_name, pyproject, source_files
from tests.shared_files import PROJECT

CHANNEL_FILES = ("README.md", "quality.yaml", *MODULES)
IMPURE_CORE = frozenset({"core.store.mongo"})
HEAVY = {"httpx", "requests", "nats", "sklearn", "uvloop", "typer", "rich"}
"""Libraries that the import contracts do not name and that no pure module needs when it is imported."""

LOOK = """
import importlib, json, os, sys
forbidden = set(json.loads(sys.argv[1]))
import pydantic, orjson, yaml  # pure modules may use these; loading them once for all saves most of the time
assert not forbidden & sys.modules.keys(), forbidden & sys.modules.keys()
sys.modules["tqdm"] = None  # bm25s takes it where a development package brought it, and it loads asyncio
sys.path.insert(0, os.getcwd())
for name in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
            found = sorted(forbidden & sys.modules.keys())
        except BaseException as error:
            found = [f"{type(error).__name__}: {error}"]
        print(json.dumps([name, found]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""
"""Each module is imported in a process that has loaded nothing of ours before it."""


def forbidden_modules() -> list[str]:
    """Return what the import contracts forbid to pure code, without the standard library, and the heavy ones."""
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    named = {name for contract in contracts for name in contract.get("forbidden_modules", ())}
    return sorted((named | HEAVY) - set(sys.stdlib_module_names) | {"asyncio"})


def pure_modules() -> list[str]:
    core = [module_name(path) for path in source_files() if path.is_relative_to(PROJECT / "core")]
    channels = [f"channels.{folder.name}.{name}" for folder in channel_folders() for name in PURE_MODULES]
    return sorted({"channels", "channels.inbound", "channels.payload", *core, *channels} - IMPURE_CORE)


def test_a_pure_module_imported_alone_loads_no_platform_library_and_no_network_code() -> None:
    command = [sys.executable, "-c", LOOK, json.dumps(forbidden_modules()), *pure_modules()]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=100, check=False)
    seen = dict(json.loads(line) for line in run.stdout.splitlines())
    assert sorted(seen) == pure_modules(), run.stderr
    assert {name: found for name, found in seen.items() if found} == {}


def test_the_look_at_pure_modules_would_notice_a_library() -> None:
    command = [sys.executable, "-c", LOOK, json.dumps(forbidden_modules()), "core.store.mongo"]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True)
    _, found = json.loads(run.stdout)
    assert {"motor", "pymongo"} <= set(found)


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    if not linter.exists():
        pytest.skip("needs import-linter: `make setup-test`")
    run = subprocess.run([linter, "--no-cache"], cwd=PROJECT, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stdout[-3000:]


def test_one_file_imports_a_database_driver() -> None:
    users = {
        module_name(path)
        for path in source_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if name.split(".")[0] in {"motor", "pymongo", "bson", "gridfs"}
    }
    assert users == {"core.store.mongo"}


@pytest.mark.parametrize("folder", channel_folders(), ids=lambda folder: folder.name)
def test_every_channel_folder_holds_the_same_files(folder: Path) -> None:
    missing = [name for name in CHANNEL_FILES if not (folder / name).is_file()]
    assert missing == []


def test_the_table_of_channels_has_those_that_have_a_folder() -> None:
    from hub.adapters import BUILT_IN

    assert sorted(BUILT_IN) == [folder.name for folder in channel_folders()]


@pytest.mark.parametrize("folder", channel_folders(), ids=lambda folder: folder.name)
def test_a_channels_package_holds_a_docstring_and_nothing_else(folder: Path) -> None:
    tree = ast.parse((folder / "__init__.py").read_text())
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


@pytest.mark.parametrize("folder", channel_folders(), ids=lambda folder: folder.name)
def test_every_channel_grades_itself_on_the_whole_scale(folder: Path) -> None:
    path = folder / "quality.yaml"
    assert path.is_file(), f"{folder.name} has no quality.yaml"
    grades = yaml.safe_load(path.read_text())
    assert set(grades) == QUALITY_KEYS
    assert {name: grade for name, grade in grades.items() if not is_grade(grade)} == {}


def test_every_account_says_how_to_switch_it_on() -> None:
    import importlib

    for folder in channel_folders():
        module = importlib.import_module(f"channels.{folder.name}.account")
        assert module.SWITCH_ON.strip(), folder.name
        assert module.AccountSettings.model_config.get("frozen"), folder.name
        assert module.AccountSettings.model_config.get("extra") == "forbid", folder.name


@pytest.mark.parametrize("path", [*source_files(), *example_files()], ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "a module begins with a docstring"


def test_every_package_is_one() -> None:
    folders = {path.parent for path in source_files()}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []
    assert {folder.relative_to(PROJECT).parts[0] for folder in folders} == set(PACKAGES)


def test_nothing_in_the_environment_reaches_the_code_but_through_the_settings() -> None:
    readers = {
        module_name(path)
        for path in [*source_files(), *example_files()]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}
    }
    assert readers == {"hub.settings"}
