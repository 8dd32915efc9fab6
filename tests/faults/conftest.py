"""Which fault tests belong to every `make test`; the others take minutes and are the campaign of `make faults`."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
IN_EVERY_TEST = {"test_checker", "test_kill9", "test_send_points", "test_mutants", "test_descriptors", "test_forgeries"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == FOLDER and item.path.stem not in IN_EVERY_TEST:
            item.add_marker("campaign")
