"""F078: no mail costs more than two seconds of processor time and 256 MiB, each read in a process of its own."""

import json
import subprocess
import sys

import pytest

from tests.faults.mail_bombs import BOMBS
from tests.shared_files import PROJECT

pytestmark = pytest.mark.faults

SPENT_AT_MOST_S = 2.0
GREW_AT_MOST_BYTES = 256 * 1024 * 1024


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_read_or_set_aside_within_its_means(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.mail_bombs", name],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    cost = json.loads(done.stdout)
    print(f"{cost['spent_s']:.2f} s, {cost['grew_bytes'] / 2**20:.0f} MiB, {cost['outcome']}")
    assert cost["spent_s"] < SPENT_AT_MOST_S
    assert cost["grew_bytes"] < GREW_AT_MOST_BYTES
