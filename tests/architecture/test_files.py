"""What no file of the project may hold, and what its lists and pages must."""

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.project import direct_dependencies, own_files, requirement_names
from tests.shared_files import PROJECT

REGISTRIES = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com/", "deb.deb" + "ian.org")
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.}>~])/(work|ro" + r"ot|ho" + r"me)/")
LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")
PROSE = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs", "channels", "config")
SHARE_ALIKE = re.compile(r"\b(A?GPL|SSPL)|(?<!Lesser )General Public License|Affero", re.IGNORECASE)
"""Licences that would bind whoever runs the hub's process; the Lesser GPL of an imported library is none."""


def offending(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(PROJECT)}:{number}"
        for path in own_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry() -> None:
    assert offending(re.compile("|".join(map(re.escape, REGISTRIES)))) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert offending(MACHINE_PATH) == []


def test_no_file_is_marked_unfinished() -> None:
    assert offending(UNFINISHED) == []


@pytest.mark.parametrize("path", sorted((PROJECT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_a_lock_file_names_no_place_and_has_a_hash_for_everything(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(i|f|-index-url|-extra-index-url|-find-links)\b", text, re.MULTILINE)
    for block in re.split(r"\n(?=\S)", text.strip()):
        if not block.startswith("#"):
            assert re.match(r"[A-Za-z0-9._\[\]-]+==\S+", block), block[:80]
            assert "--hash=sha256:" in block, block[:80]


def test_the_emulators_lock_names_no_place_to_load_from() -> None:
    text = (PROJECT / "tests" / "servers" / "package-lock.json").read_text()
    assert '"resolved": "http' not in text


def locked(name: str) -> list[str]:
    lines = (PROJECT / "requirements" / name).read_text().splitlines()
    return requirement_names([line for line in lines if line and line[0] not in "# -"])


def test_the_image_gets_no_trial_or_development_package() -> None:
    """SECURITY section 8: the embedded database is GPL and stays out of the image."""
    groups = direct_dependencies()
    kept_out = set(groups["trial"]) | set(groups["dev"])
    assert kept_out & set(locked("runtime.txt")) == set()
    assert set(groups["runtime"]) <= set(locked("runtime.txt"))
    assert "secantusdb" in locked("trial.txt")


@pytest.mark.parametrize("group", list(direct_dependencies()))
def test_every_direct_dependency_has_its_reason_written_down(group: str) -> None:
    rows = [line for line in (PROJECT / "docs/dependencies.md").read_text().splitlines() if line.startswith("| `")]
    reasons = {row.split("`")[1].lower(): row.split("|")[2].strip() for row in rows}
    without = [name for name in direct_dependencies()[group] if len(reasons.get(name, "")) < 15]
    assert without == []


def test_the_page_of_dependencies_names_nothing_that_is_gone() -> None:
    rows = [line for line in (PROJECT / "docs/dependencies.md").read_text().splitlines() if line.startswith("| `")]
    named = {row.split("`")[1].lower() for row in rows}
    assert named - {name for names in direct_dependencies().values() for name in names} == set()


def stated_licences(name: str) -> Iterator[str]:
    metadata = importlib.metadata.metadata(name)
    yield from metadata.get_all("License-Expression") or ()
    yield from (text.split("\n", 1)[0] for text in metadata.get_all("License") or ())
    yield from (entry for entry in metadata.get_all("Classifier") or () if entry.startswith("License ::"))


def installed(names: list[str]) -> list[str]:
    """Leave out what this system does not install: packages of another operating system or Python version."""
    present = {entry.name.lower().replace("_", "-") for entry in importlib.metadata.distributions() if entry.name}
    return [name for name in names if name in present]


def test_nothing_that_runs_inside_the_hub_is_gpl_agpl_or_sspl() -> None:
    """SECURITY section 8. Looks at everything of the runtime list, not only at what we name ourselves."""
    names = installed(locked("runtime.txt"))
    assert len(names) > len(direct_dependencies()["runtime"])
    strict = {name: text for name in names for text in stated_licences(name) if SHARE_ALIKE.search(text)}
    assert strict == {}


@pytest.mark.parametrize(
    ("text", "binds"),
    [
        ("GPL-2.0-only AND CC-BY-4.0", True),
        ("AGPL-3.0", True),
        ("License :: OSI Approved :: GNU General Public License v3 (GPLv3)", True),
        ("LGPL-3.0-only", False),
        ("License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", False),
        ("Apache-2.0 AND MIT", False),
    ],
)
def test_the_licence_check_tells_the_lesser_gpl_from_the_others(text: str, binds: bool) -> None:
    assert bool(SHARE_ALIKE.search(text)) is binds


def pages() -> list[Path]:
    roots = (PROJECT / name for name in PROSE)
    return sorted(page for root in roots for page in ([root] if root.is_file() else root.rglob("*.md")))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = [match[1] for match in LINK.finditer(page.read_text())]
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []
