"""What holds for every test: no network beyond loopback, and in CI nothing is skipped for want of a server."""

import os
import socket
from collections.abc import Generator
from typing import Any

import pytest

pytest.register_assert_rewrite("channels.contract")  # a broken promise shows its values, as in a test file

CI = "FRONTDESK_CI"
LOOPBACK = ("127.", "localhost", "::1")


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that would leave this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> Any:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test wants to reach {address[0]}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """In CI a skip whose reason begins with `needs` is a failure: the script installs what tests need."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and CI in os.environ and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith("needs"):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was skipped in CI: {reason}"
