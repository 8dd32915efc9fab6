"""The orders client against the bundled sample, and against systems that misbehave. Loopback only."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from core.conversation import ActionResult
from core.errors import ConfigError
from core.ports import Action
from hub.connectors.orders import MAX_ANSWER_BYTES, Orders
from hub.connectors.sample_orders import load_sample_orders, sample_orders_app
from tests.fakes import FakeClock

ANN = {"order_number": "A-1001", "email": "ann@example.com"}
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def sample(session: aiohttp.ClientSession) -> AsyncIterator[Orders]:
    async with TestServer(sample_orders_app(clock=FakeClock())) as server:
        yield Orders(str(server.make_url("/")), session)


async def ask(session: aiohttp.ClientSession, answer: Answer, timeout_s: float = 5.0) -> ActionResult:
    app = web.Application()
    app.router.add_post("/orders/find", answer)
    async with TestServer(app) as server:
        return await Orders(str(server.make_url("")), session, timeout_s=timeout_s, token="t")(ANN)


async def test_an_order_is_found_with_its_carrier_and_day(sample: Orders) -> None:
    action: Action = sample
    result = await action(ANN)
    assert result.outcome == "ok"
    assert result.data == {
        "order_number": "A-1001",
        "status": "shipped",
        "carrier": "DHL",
        "expected_on": "2026-11-24",
    }
    assert result.latency_ms > 0


@pytest.mark.parametrize(
    "asked",
    [
        {"order_number": "A-1001", "email": "mallory@example.com"},
        {"order_number": "A-9999", "email": "ann@example.com"},
        {"order_number": "A-1003", "email": "ann@example.com"},
    ],
)
async def test_a_wrong_number_and_a_wrong_address_look_the_same_row_97(sample: Orders, asked: dict[str, str]) -> None:
    result = await sample({**asked})
    assert (result.outcome, result.data) == ("not_found", {})


async def test_the_address_may_be_written_in_any_case(sample: Orders) -> None:
    assert (await sample({"order_number": "a-1001", "email": "Ann@Example.com"})).outcome == "ok"


async def test_only_what_is_needed_is_asked_and_taken_rows_91_and_187(session: aiohttp.ClientSession) -> None:
    seen: list[tuple[str, object, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.path_qs, await request.json(), request.headers["Authorization"]))
        return web.json_response({**ANN, "status": "shipped", "credit_card": "4111"})

    result = await ask(session, answer)
    assert seen == [("/orders/find", ANN, "Bearer t")]
    assert set(result.data) == {"order_number", "status", "carrier", "expected_on"}


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (404, b"", "not_found"),
        (401, b"", "refused"),
        (403, b"", "refused"),
        (500, b"", "unavailable"),
        (302, b"", "unavailable"),
        (429, b"", "unavailable"),
        (200, b"<html>", "unavailable"),
        (200, b"[]", "unavailable"),
        (200, b'{"order_number": "A-1001", "status": "eaten"}', "unavailable"),
        (200, b'{"order_number": "A-2002", "status": "shipped"}', "unavailable"),
        (200, b" " * (MAX_ANSWER_BYTES + 10) + b'{"order_number": "A-1001", "status": "shipped"}', "unavailable"),
    ],
)
async def test_what_the_system_answers_becomes_an_outcome(
    session: aiohttp.ClientSession, status: int, body: bytes, outcome: str
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Location": "/elsewhere"} if status == 302 else None)

    assert (await ask(session, answer)).outcome == outcome


async def test_a_system_that_hangs_is_unavailable_in_time(session: aiohttp.ClientSession) -> None:
    released = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/orders/find", answer)
    async with TestServer(app) as server:
        result = await Orders(str(server.make_url("")), session, timeout_s=0.05)(ANN)
        released.set()
    assert result.outcome == "unavailable"


async def test_a_system_that_is_not_there_is_unavailable(session: aiohttp.ClientSession) -> None:
    async with TestServer(web.Application()) as server:
        url = str(server.make_url(""))
    assert (await Orders(url, session)(ANN)).outcome == "unavailable"


async def test_the_sample_refuses_what_is_no_question(session: aiohttp.ClientSession) -> None:
    async with (
        TestServer(sample_orders_app(clock=FakeClock())) as server,
        session.post(server.make_url("/orders/find"), data=b"{") as response,
    ):
        assert response.status == 400


@pytest.mark.parametrize("content", ["{", "- {order_number: 1}", "orders: {}"])
def test_a_broken_sample_is_told_with_its_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"orders\.yaml"):
        load_sample_orders(path)
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load_sample_orders(tmp_path / "absent.yaml")
