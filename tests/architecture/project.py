"""What the architecture tests look at: the project's files, modules and stated dependencies."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.shared_files import PROJECT

PACKAGES = ("hub", "channels", "core")
NOT_OURS = frozenset({".venv", ".git", "node_modules", "__pycache__", "data", ".servers", "build", "dist"})
REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@cache
def pyproject() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


def source_files() -> list[Path]:
    """Return every Python file of the three packages."""
    return sorted(path for package in PACKAGES for path in (PROJECT / package).rglob("*.py"))


def example_files() -> list[Path]:
    """Return every Python file of the examples' packages, which are no part of the three.

    What those promise about their imports and files they show themselves, by the contract suite's `PackageContract`.
    """
    return sorted((PROJECT / "docs" / "examples").glob("*/frontdesk_*/*.py"))


def module_name(path: Path) -> str:
    """Name the module of a source file."""
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def channel_folders() -> list[Path]:
    """Return the folder of each channel."""
    return sorted(path.parent for path in (PROJECT / "channels").glob("*/channel.py"))


def requirement_names(requirements: list[str]) -> list[str]:
    """Return the bare names of a list of requirements, in the spelling of package metadata."""
    found = (REQUIREMENT.match(requirement) for requirement in requirements)
    return [match[0].lower().replace("_", "-") for match in found if match]


def direct_dependencies() -> dict[str, list[str]]:
    """Return the direct dependencies by group: `runtime` and each extra."""
    project = pyproject()["project"]
    groups = {"runtime": project["dependencies"], **project["optional-dependencies"]}
    return {group: requirement_names(requirements) for group, requirements in groups.items()}


def own_files() -> Iterator[Path]:
    """Yield every text file that belongs to the project: what git keeps, or without git what lies there."""
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(git, cwd=PROJECT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        candidates = [PROJECT / name for name in listed.stdout.split("\0") if name]
    else:
        candidates = [path for path in PROJECT.rglob("*") if not NOT_OURS & set(path.relative_to(PROJECT).parts)]
    for path in sorted(candidates):
        if path.is_file() and not path.is_symlink() and b"\0" not in path.read_bytes()[:4096]:
            yield path
