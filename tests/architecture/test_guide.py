"""The guide to adapters tells the truth: its code stands in the example, and it names every file and every promise."""

import ast
import re
import textwrap
from pathlib import Path

import pytest

from hub.adapters import GUIDE
from hub.cli.channel import SKELETON
from tests.shared_files import PROJECT

PAGE = (PROJECT / GUIDE).read_text(encoding="utf-8")
EXAMPLE = PROJECT / "docs" / "examples" / "messenger"
FILES = sorted({path.name for path in EXAMPLE.rglob("*") if path.suffix in {".py", ".yaml", ".toml", ".md", ".j2"}})
QUOTED = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
NAMED = re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE)


def promises() -> list[str]:
    tree = ast.parse((PROJECT / "channels" / "contract.py").read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [function.name.removeprefix("test_") for function in functions if function.name.startswith("test_")]


def lines(text: str) -> str:
    """Return a text without its indentation, which a quotation has not."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def test_the_guide_says_what_each_test_of_the_suite_proves() -> None:
    assert sorted(set(promises()) - set(NAMED)) == []
    assert sorted({name for name in NAMED if name.count("_") > 2} - set(promises())) == []


@pytest.mark.parametrize("name", FILES)
def test_the_guide_goes_through_every_file_of_the_example(name: str) -> None:
    assert name in PAGE


@pytest.mark.parametrize("code", QUOTED, ids=lambda code: code.split("\n")[0])
def test_code_in_the_guide_stands_in_the_example(code: str) -> None:
    sources = [path.read_text(encoding="utf-8") for path in EXAMPLE.rglob("*.py")]
    assert any(lines(textwrap.dedent(code)) in lines(source) for source in sources)


def test_what_is_quoted_is_not_nothing() -> None:
    assert len(QUOTED) >= 5


def test_the_skeleton_has_the_same_files_as_the_example() -> None:
    def modules(folder: Path) -> set[str]:
        return {path.name for path in folder.glob("frontdesk_*/*.py")}

    assert modules(EXAMPLE) - modules(SKELETON) == {"attachments.py", "media.py", "parts.py"}
