"""The real hub as a process of its own, as `frontdesk serve` starts it."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.database import secantus_command
from tests.servers.ports import free_port
from tests.shared_files import PROJECT

READY_WITHIN_S = 30.0


@dataclass
class Hub:
    """One hub process; may be killed and started again on the same data."""

    folder: Path
    environment: Mapping[str, str]
    port: int = field(default_factory=free_port)
    database_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    role: str = "all"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_file(self) -> Path:
        return self.folder / "hub.log"

    def start(self, **more: str) -> "Hub":
        """Start the process, with more in its environment if need be, and wait until it is ready."""
        secantus_command()
        self.folder.mkdir(parents=True, exist_ok=True)
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = {
            "FRONTDESK_PORT": str(self.port),
            "FRONTDESK_DATABASE_PORT": str(self.database_port),
            "FRONTDESK_DATA": str(self.folder / "data"),
        }
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hub", "serve", "--role", self.role],
                cwd=PROJECT,
                env=inherited | own | dict(self.environment) | more,
                stdout=log,
                stderr=log,
            )
        self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the hub ended with {self.process.returncode}:\n{self.tail()}")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=1) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"the hub is not ready after {READY_WITHIN_S:.0f} s:\n{self.tail()}")

    def tail(self) -> str:
        return self.log_file.read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        """End the process as a power cut would, without a word."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Ask the process to end; returns its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)


@contextmanager
def running_hub(folder: Path, **environment: str) -> Iterator[Hub]:
    """Run a hub while the block lasts."""
    hub = Hub(folder, environment)
    try:
        yield hub.start()
    finally:
        if hub.process is not None and hub.process.poll() is None:
            hub.stop()
