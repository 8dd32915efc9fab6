"""Free loopback ports, and waiting until somebody listens."""

import socket
import subprocess
import time


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes] | None = None, timeout_s: float = 20.0) -> None:
    """Wait until something listens on a loopback port.

    Raises:
        RuntimeError: the process ended, or nobody listened in time.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            if process is not None and process.poll() is not None:
                raise RuntimeError(f"the server on port {port} ended with {process.returncode}") from None
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nobody listens on port {port} after {timeout_s} s")
