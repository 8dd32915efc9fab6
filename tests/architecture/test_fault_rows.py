"""The table of faults is complete and tells the truth: tests/faults/rows.yaml against the tests that it names."""

import ast
import re
from functools import cache
from typing import Any

import pytest
import yaml

from tests.shared_files import PROJECT

TABLE = PROJECT / "tests" / "faults" / "rows.yaml"
NUMBERS = [f"F{number:03}" for number in (*range(1, 91), *range(100, 108))]
ROWS: dict[str, dict[str, Any]] = yaml.safe_load(TABLE.read_text("utf-8"))
NAMED = sorted((number, test) for number, row in ROWS.items() for test in row.get("shown_by", ()))


@cache
def named_in(path: str) -> frozenset[str]:
    """Return the names of all tests in a file, methods of classes among them."""
    tree = ast.parse((PROJECT / path).read_text("utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(function.name for function in functions if function.name.startswith("test_"))


@cache
def numbers_in(path: str) -> frozenset[str]:
    """Return every fault that a file quotes; `F007-F011` quotes five, and a name may end in `_f064`."""
    text = (PROJECT / path).read_text("utf-8")
    single = {number.upper() for number in re.findall(r"(?<![0-9A-Za-z])[Ff]\d{3}(?!\d)", text)}
    ranges = re.findall(r"F(\d{3})-F(\d{3})", text)
    return frozenset(single | {f"F{number:03}" for a, b in ranges for number in range(int(a), int(b) + 1)})


def test_every_row_is_in_the_table_and_nothing_else_is() -> None:
    assert list(ROWS) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_a_row_is_shown_or_says_why_not(number: str) -> None:
    row = ROWS[number]
    assert row.keys() <= {"shown_by", "not_yet"}
    assert row.get("shown_by") or len(row.get("not_yet", "")) > 10
    assert len(set(row.get("shown_by", ()))) == len(row.get("shown_by", ()))


@pytest.mark.parametrize(("number", "test"), NAMED)
def test_every_test_that_is_named_exists_and_quotes_its_row(number: str, test: str) -> None:
    path, _, name = test.partition("::")
    assert name in named_in(path), f"{path} has no test {name}"
    assert number in numbers_in(path), f"{path} does not quote {number}"
