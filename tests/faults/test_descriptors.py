"""Running out of file descriptors, and noise over a real socket (F039, SECURITY S19)."""

import asyncio
import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.integration.visitor import Visitor
from tests.servers.hub import Hub, running_hub

pytestmark = pytest.mark.faults

DESCRIPTORS = 128
IDLE = 1000
RECOVERED_WITHIN_S = 90.0
"""Quiet connections are let go after 2 to 4 s; the last ones wait in the listener's backlog for their turn."""


def connect_and_say_nothing(port: int, count: int, stack: ExitStack) -> list[socket.socket]:
    """Open connections without a word; those that the hub cannot take wait or are cut off."""
    opened = []
    for _ in range(count):
        idle = stack.enter_context(socket.socket())
        idle.setblocking(False)
        idle.connect_ex(("127.0.0.1", port))
        opened.append(idle)
    return opened


def open_descriptors(hub: Hub) -> int:
    assert hub.process is not None
    return len(list(Path(f"/proc/{hub.process.pid}/fd").iterdir()))


async def answered(hub: Hub) -> bool:
    """Tell whether a new visitor gets an answer."""
    try:
        visitor = await Visitor(hub).enter()
        await visitor.say("hello")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if await visitor.heard():
                return True
            await asyncio.sleep(0.2)
    except (aiohttp.ClientError, OSError, AssertionError):
        pass
    return False


async def test_a_thousand_idle_connections_are_let_go_and_the_hub_recovers_by_itself(tmp_path: Path) -> None:
    """F039."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with running_hub(tmp_path) as hub, ExitStack() as stack:
        assert hub.process is not None
        assert await answered(hub)
        resource.prlimit(hub.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        connect_and_say_nothing(hub.port, IDLE, stack)
        crowded = 0
        deadline = time.monotonic() + 5
        while crowded < DESCRIPTORS * 0.9 and time.monotonic() < deadline:
            crowded = open_descriptors(hub)
            await asyncio.sleep(0.01)
        assert crowded >= DESCRIPTORS * 0.9, f"the hub never ran short: {crowded} descriptors"
        started = time.monotonic()
        while not await answered(hub):
            assert time.monotonic() - started < RECOVERED_WITHIN_S, hub.tail()
            assert hub.process.poll() is None, hub.tail()
            await asyncio.sleep(1)
        print(f"recovered after {time.monotonic() - started:.1f} s")


async def test_noise_is_shut_out_over_a_real_socket_and_a_visitor_is_not(tmp_path: Path) -> None:
    """S19: the address comes from a proxy that the settings name."""
    with running_hub(tmp_path, FRONTDESK_TRUSTED_PROXIES="[127.0.0.0/8]") as hub:
        async with aiohttp.ClientSession(headers={"X-Forwarded-For": "203.0.113.9"}) as mallory:
            answers = []
            for _ in range(80):
                async with mallory.post(f"{hub.url}/web/site/messages", json={"id": "1", "text": "x"}) as answer:
                    answers.append(answer.status)
        assert answers[:60] == [401] * 60
        assert answers.count(429) >= 15, "a few may pass as time goes by"
        assert await answered(hub)
