"""Hubs on one database: a single one that does everything, or two webs, a mail process and three workers with NATS."""

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil

from core.failpoints import Point
from tests.servers.database import running_database
from tests.servers.hub import Hub
from tests.servers.nats import running_nats
from tests.servers.ports import free_port

Shape = Literal["one", "many"]

ACCEPTS: tuple[Point, ...] = (
    "accept.read",
    "accept.verified",
    "accept.batched",
    "accept.inserted",
    "accept.replied",
    "spool.written",
    "spool.synced",
    "drain.inserted",
)
"""Places that a process passes which takes payloads; the others are passed by one that takes turns."""
SECRET = "shared-by-all-web-processes-0123456789"


@dataclass
class Cluster:
    """Hubs, by name, on one database."""

    hubs: Mapping[str, Hub]
    database_port: int
    lives: dict[str, int] = field(default_factory=dict)
    """How often a hub came back under another name."""

    @property
    def urls(self) -> list[str]:
        """Return where the platforms deliver."""
        return [hub.url for hub in self.hubs.values() if hub.role in {"all", "web"}]

    def victim(self, point: Point, channel: str) -> str:
        """Name the hub that passes a place for a channel."""
        if len(self.hubs) == 1:
            return "all-0"
        if point in ACCEPTS:
            return "mail-0" if channel == "email" else "web-0"
        return "worker-0"

    async def start(self, name: str, *, known: bool = True) -> None:
        """Start a hub.

        Args:
            known: under the name it had, so that it takes back what it held; else leases have to run out.
        """
        self.lives[name] = self.lives.get(name, 0) + (not known)
        self.arm(name, "")
        more = {
            "FRONTDESK_NODE": f"{name}-{self.lives[name]}",
            "FRONTDESK_ENV": "test",
            "FRONTDESK_FAILPOINTS": f"@{self._armed(name)}",
        }
        hub = self.hubs[name]
        await asyncio.to_thread(lambda: hub.start(**more))

    def _armed(self, name: str) -> Path:
        return self.hubs[name].folder / "armed.txt"

    def arm(self, name: str, failpoints: str) -> None:
        """Arm places of a hub, whether it runs or not, instead of those that are armed."""
        path = self._armed(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(failpoints)
        fresh.replace(path)

    def is_dead(self, name: str) -> bool:
        """Tell whether a hub has ended."""
        process = self.hubs[name].process
        return process is None or process.poll() is not None

    def tails(self) -> str:
        """Return the last words of every hub."""
        return "\n".join(f"--- {name}\n{hub.tail()}" for name, hub in self.hubs.items())

    @contextmanager
    def frozen_database(self) -> Iterator[None]:
        """Stop the database in its tracks while the block lasts."""
        process = process_on(self.database_port)
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)


def process_on(port: int) -> int:
    """Return the pid of our own process that listens on a loopback port."""
    for child in psutil.Process().children(recursive=True):
        if any(one.laddr.port == port and one.status == psutil.CONN_LISTEN for one in child.net_connections()):
            return child.pid
    raise LookupError(f"nobody of ours listens on {port}")


@contextmanager
def cluster(folder: Path, shape: Shape, environment: Mapping[str, str]) -> Iterator[Cluster]:
    """Lay out hubs on one database; none is started."""
    with ExitStack() as stack:
        port = free_port()
        uri = stack.enter_context(running_database(folder / "db", port))
        shared = {"FRONTDESK_MONGO_URI": uri, "FRONTDESK_WEB_SITE_SECRET": SECRET, **environment}
        shared |= {"FRONTDESK_TRUSTED_PROXIES": "[127.0.0.0/8]"}
        roles = ["all"]
        if shape == "many":
            roles = ["web", "web", "mail", "worker", "worker", "worker"]
            shared["FRONTDESK_NATS_URL"] = stack.enter_context(running_nats(folder / "nats"))
        hubs: dict[str, Hub] = {}
        for role in roles:
            name = f"{role}-{sum(other.role == role for other in hubs.values())}"
            hubs[name] = Hub(folder / name, dict(shared), role=role)
            stack.callback(stop, hubs[name])
        web = next(hub for hub in hubs.values() if hub.role in {"all", "web"})
        for hub in hubs.values():
            public = hub.url if hub.role in {"all", "web"} else web.url
            hub.environment = {**hub.environment, "FRONTDESK_PUBLIC_URL": public}
        yield Cluster(hubs, port)


def stop(hub: Hub) -> None:
    """Stop a hub that runs."""
    if hub.process is not None and hub.process.poll() is None:
        hub.stop()
