"""The embedded database, or a real MongoDB named by FRONTDESK_TEST_MONGO_URI."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.ports import free_port, wait_for_port


def secantus_command() -> str:
    """Return the embedded server's program, or skip."""
    program = Path(sys.executable).parent / "secantusd-py"
    if not program.exists():
        pytest.skip("needs the embedded database: install the extra `trial`")
    return str(program)


@contextmanager
def running_database(folder: Path, port: int | None = None) -> Iterator[str]:
    """Run a database while the block lasts; yields its URI."""
    if uri := os.environ.get("FRONTDESK_TEST_MONGO_URI"):
        yield uri
        return
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.log").open("ab") as log:
        process = subprocess.Popen(
            [secantus_command(), "--host", "127.0.0.1", "--port", str(port), "--storage-path", str(folder)],
            stdout=log,
            stderr=log,
        )
    try:
        wait_for_port(port, process)
        yield f"mongodb://127.0.0.1:{port}/?retryWrites=false"
    finally:
        process.terminate()
        process.wait(10)
