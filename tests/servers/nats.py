"""A real NATS server."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.ports import free_port, wait_for_port


def nats_command() -> str:
    """Return the server's program, or skip."""
    beside = Path(sys.executable).parent / "nats-server"
    program = str(beside) if beside.exists() else shutil.which("nats-server")
    if program is None:
        pytest.skip("needs nats-server: install the extra `dev`")
    return program


@contextmanager
def running_nats(folder: Path, port: int | None = None) -> Iterator[str]:
    """Run a server with JetStream while the block lasts; yields its URL."""
    port = port or free_port()
    process = subprocess.Popen(
        [nats_command(), "-js", "-sd", str(folder), "-a", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, process)
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
