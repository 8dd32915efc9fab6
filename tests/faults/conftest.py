"""Which fault tests belong to every `make test`; the others take minutes and are the campaign of `make faults`."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
IN_EVERY_TEST = {"test_checker", "test_kill9", "test_send_points", "test_mutants", "test_descriptors", "test_forgeries"}
CRASHES_IN_EVERY_TEST = ("[accept.inserted-one]", "[commit.done-many]", "[send.sent-one]", "[spool.synced-one]")
"""One place each of the door, the turn, the send and the spool, on both shapes. Two webs that die over and over while
the spool is written have reordered on a loaded machine (docs/reliability.md): that place is in the campaign."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent != FOLDER or item.path.stem in IN_EVERY_TEST:
            continue
        if not (item.path.stem == "test_crash_matrix" and item.name.endswith(CRASHES_IN_EVERY_TEST)):
            item.add_marker("campaign")
