"""The embedded database of a trial: a MongoDB-compatible server as the hub's own child process.

SecantusDB is GPL-2.0 and beta (ADR 0002): a process of its own, never imported, and never in production, where
`FRONTDESK_MONGO_URI` names a real MongoDB. Started, watched, restarted and stopped with the hub.
"""

import asyncio
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from core.errors import ConfigError
from hub.telemetry import Metrics

log = structlog.get_logger(__name__)

PROGRAM = "secantusd-py"
HOST = "127.0.0.1"
READY_WITHIN_S = 20.0
PORT_FREE_WITHIN_S = 5.0
"""A hub that was killed takes its database along; that one needs a moment to let go of the port."""
STOP_WITHIN_S = 4.0
RESTART_PAUSES_S = (0.2, 1.0, 5.0)
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class EmbeddedDatabase:
    """Runs the server while the hub lives.

    Args:
        folder: where its data lies; created when missing.
        port: loopback port.
    """

    def __init__(self, folder: Path, port: int, metrics: Metrics) -> None:
        self._folder = folder
        self._port = port
        self._metrics = metrics
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def uri(self) -> str:
        """Return the connection string. `retryWrites` makes this server rescan a log on every write (TESTBEDS)."""
        return f"mongodb://{HOST}:{self._port}/?retryWrites=false"

    async def start(self) -> None:
        """Start the server and wait until it listens.

        Raises:
            ConfigError: the program is missing, or its port or folder is taken; says what to do.
        """
        await self._wait_for_free_port()
        await self._launch()
        self._watcher = asyncio.create_task(self._watch())

    async def _wait_for_free_port(self) -> None:
        for _ in range(int(PORT_FREE_WITHIN_S / 0.1)):
            if not listens(self._port):
                return
            await asyncio.sleep(0.1)
        raise ConfigError(
            f"port {self._port} for the embedded database is taken, perhaps by another frontdesk; stop that one, or set"
            " FRONTDESK_DATABASE_PORT to a free port and FRONTDESK_DATA to another folder,"
            " or FRONTDESK_MONGO_URI to a MongoDB"
        )

    async def _launch(self) -> None:
        program = Path(sys.executable).parent / PROGRAM
        if not program.exists():
            raise ConfigError(
                f"{PROGRAM} is not installed: run `make setup`, or set FRONTDESK_MONGO_URI to a MongoDB replica set"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                str(program),
                *("--host", HOST, "--port", str(self._port), "--storage-path", str(self._folder)),
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the hub, which stops its database itself
                preexec_fn=_end_with_parent(),
            )
        await self._wait_until_ready(self._process)

    @property
    def _log_file(self) -> Path:
        return self._folder.parent / "database.log"

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        for _ in range(int(READY_WITHIN_S / 0.02)):
            if process.returncode is not None:
                raise ConfigError(
                    f"the embedded database ended at once ({process.returncode}); perhaps another one uses"
                    f" {self._folder}: stop it or set FRONTDESK_DATA to another folder."
                    f" Its last words: {self._last_words()}"
                )
            if listens(self._port):
                return
            await asyncio.sleep(0.02)
        raise ConfigError(f"the embedded database does not listen after {READY_WITHIN_S:.0f} s; see {self._log_file}")

    def _last_words(self) -> str:
        lines = self._log_file.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "none"

    async def _watch(self) -> None:
        """Restart the server when it dies; the store answers `unavailable` in the meantime."""
        restarts = 0
        while self._process is not None:
            code = await self._process.wait()
            pause = RESTART_PAUSES_S[min(restarts, len(RESTART_PAUSES_S) - 1)]
            restarts += 1
            self._metrics.database_restarts.inc()
            log.error("database_died", code=code, restart_in_s=pause)
            await asyncio.sleep(pause)
            try:
                await self._launch()
            except (ConfigError, OSError) as error:
                log.error("database_not_restarted", error=str(error))

    async def stop(self) -> None:
        """Stop the server and wait for it to write what it holds."""
        if self._watcher is not None:
            self._watcher.cancel()
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def listens(port: int) -> bool:
    """Tell whether somebody listens on that loopback port."""
    try:
        socket.create_connection((HOST, port), 0.2).close()
    except OSError:
        return False
    return True


def _end_with_parent() -> Callable[[], None] | None:
    """Return what a child runs before its program so that it ends when the hub is killed; Linux only.

    SIGKILL, not SIGTERM: Linux sends this signal once for every thread that the hub had, and a second SIGTERM into the
    first one's handler deadlocks the server with port and folder in its hands. What we wait for is journaled anyway.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the hub died in between
            os.kill(os.getpid(), signal.SIGKILL)

    return arrange
