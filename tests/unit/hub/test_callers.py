import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from hub.callers import Callers
from hub.settings import Limits, Server
from hub.telemetry import Metrics
from tests.fakes import FakeClock

OURS = ("127.0.0.0/8", "10.0.0.0/8", "2001:db8:1::/48")
MALLORY, SLACK = "203.0.113.9", "198.51.100.7"


class Hub:
    """Routes behind the limits, with a platform's signature in the header `signed`."""

    def __init__(self, *proxies: str, **limits: int) -> None:
        self.clock, self.metrics = FakeClock(), Metrics()
        server = Server(trusted_proxies=tuple(ip_network(text) for text in proxies))
        self.callers = Callers(server, Limits.model_validate(limits), self.clock, self.metrics)
        self.read = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.seen: list[str | None] = []

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.read += 1
        self.seen.append(request.remote)
        await self.gate.wait()
        if len(body) > 1000:
            raise web.HTTPRequestEntityTooLarge(max_size=1000, actual_size=len(body))
        return web.Response(status=200 if "signed" in request.headers else 401)

    async def listen(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(str(request.remote))
        await socket.close()
        return socket

    def limited(self, limit: str, channel: str = "slack") -> float | None:
        return self.metrics.registry.get_sample_value("frontdesk_limited_total", {"channel": channel, "limit": limit})


@asynccontextmanager
async def serving(hub: Hub) -> AsyncIterator[TestClient]:
    app = web.Application(middlewares=[hub.callers.middleware()])
    app.router.add_post("/slack/acme/events", hub.receive)
    app.router.add_get("/web/site/ws", hub.listen)
    async with TestClient(TestServer(app)) as client:
        yield client


async def post(client: TestClient, caller: str | None, body: bytes = b"{}", signed: bool = False) -> int:
    headers = {} if caller is None else {"X-Forwarded-For": caller}
    async with client.post(
        "/slack/acme/events", data=body, headers=headers | ({"signed": "1"} if signed else {})
    ) as answer:
        return answer.status


async def test_noise_from_one_address_comes_to_an_end() -> None:
    """S19: answers 401, then 429 with the seconds to wait, and the body is not read any more."""
    hub = Hub(*OURS)
    async with serving(hub) as client:
        assert [await post(client, MALLORY) for _ in range(70)] == [401] * 60 + [429] * 10
        assert hub.read == 60
        assert hub.limited("noise") == 10
        async with client.post("/slack/acme/events", headers={"X-Forwarded-For": MALLORY}) as answer:
            assert int(answer.headers["Retry-After"]) == 1
            assert answer.headers["Connection"] == "close"
        hub.clock.advance(60)
        assert await post(client, MALLORY) == 401


async def test_bodies_that_are_too_big_are_noise_too() -> None:
    hub = Hub(*OURS, refused_per_min=3)
    async with serving(hub) as client:
        assert [await post(client, MALLORY, b"x" * 2000) for _ in range(5)] == [413] * 3 + [429] * 2


async def test_the_noise_of_one_caller_shuts_out_nobody_else() -> None:
    hub = Hub(*OURS)
    async with serving(hub) as client:
        for _ in range(100):
            await post(client, MALLORY)
        assert await post(client, SLACK, signed=True) == 200


async def test_authentic_traffic_is_never_counted() -> None:
    hub = Hub(*OURS)
    async with serving(hub) as client:
        assert {await post(client, SLACK, signed=True) for _ in range(300)} == {200}
        assert await post(client, SLACK) == 401


async def test_one_ipv6_network_is_one_caller() -> None:
    hub = Hub(*OURS, refused_per_min=3)
    async with serving(hub) as client:
        assert [await post(client, f"2001:4860:1:2::{number}") for number in range(1, 6)] == [401] * 3 + [429] * 2
        assert await post(client, "2001:4860:1:3::1") == 401


async def test_a_proxy_that_nobody_told_us_of_is_not_shut_out_with_all_the_platforms_behind_it() -> None:
    hub = Hub()
    async with serving(hub) as client:
        assert {await post(client, MALLORY) for _ in range(100)} == {401}
        assert await post(client, None, signed=True) == 200


async def test_a_web_socket_and_every_handler_see_the_visitors_address() -> None:
    """channels/web counts new sessions by it."""
    hub = Hub(*OURS)
    async with serving(hub) as client:
        await post(client, f"{SLACK}, 10.1.2.3", signed=True)
        assert hub.seen == [SLACK]
        async with client.ws_connect("/web/site/ws", headers={"X-Forwarded-For": MALLORY}) as socket:
            assert await socket.receive_str() == MALLORY


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9 , 10.7.7.7", "203.0.113.9"),
        ("10.0.0.1", "rubbish, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, rubbish", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("8.8.8.8", "203.0.113.9", "8.8.8.8"),
        ("8.8.8.8", "127.0.0.1", "8.8.8.8"),
        ("2001:db8:1::5", "2001:4860::1", "2001:4860::1"),
        ("2001:4860::2", "2001:4860::1", "2001:4860::2"),
    ],
)
def test_a_forwarded_address_counts_from_our_own_proxies_only(peer: str, forwarded: str | None, caller: str) -> None:
    """F070: whoever calls may write what he likes; what our proxy adds stands on the right."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = make_mocked_request("POST", "/", headers=headers).clone(remote=peer)
    assert str(Hub(*OURS).callers.address_of(request)) == caller


def test_several_headers_are_read_as_one_list() -> None:
    from multidict import CIMultiDict, CIMultiDictProxy

    headers = CIMultiDict([("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "203.0.113.9")])
    request = make_mocked_request("POST", "/", headers=CIMultiDictProxy(headers)).clone(remote="10.0.0.1")
    assert str(Hub(*OURS).callers.address_of(request)) == "203.0.113.9"


def test_a_unix_socket_has_no_address_and_no_limit() -> None:
    request = make_mocked_request("POST", "/").clone(remote="")
    assert Hub(*OURS).callers.address_of(request) is None


async def test_only_so_many_bodies_are_worked_on_at_a_time() -> None:
    """What is beyond is told to come again: nothing of it was accepted."""
    hub = Hub(*OURS, requests_at_once=3)
    hub.gate.clear()
    async with serving(hub) as client:
        busy = [asyncio.create_task(post(client, SLACK, signed=True)) for _ in range(3)]
        while hub.read < 3:
            await asyncio.sleep(0)
        async with client.post("/slack/acme/events", headers={"signed": "1"}) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
        async with client.ws_connect("/web/site/ws") as socket:
            assert await socket.receive_str(), "a page that listens is no work"
        hub.gate.set()
        assert await asyncio.gather(*busy) == [200] * 3
        assert await post(client, SLACK, signed=True) == 200
    assert hub.limited("at_once") == 1


async def test_a_caller_who_hangs_up_gives_the_place_back() -> None:
    hub = Hub(*OURS, requests_at_once=1)
    async with serving(hub) as client:
        for _ in range(5):
            assert await post(client, SLACK, b"x" * 2000) == 413
        assert await post(client, SLACK, signed=True) == 200


async def test_a_path_that_is_no_channels_is_counted_under_one_name() -> None:
    """A caller must not be able to make up label values."""
    hub = Hub(*OURS, requests_at_once=1, refused_per_min=1)
    async with serving(hub) as client:
        await post(client, MALLORY)
        for path in ("/nothing", "/slackk/x", "/%00"):
            async with client.get(path, headers={"X-Forwarded-For": MALLORY}) as answer:
                assert answer.status == 429
    assert hub.limited("noise", "other") == 3
