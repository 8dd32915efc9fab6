import json
from collections.abc import AsyncIterator
from unittest.mock import AsyncMock

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from core.errors import StoreUnavailable
from core.store.memory import MemoryStore
from hub.app import App
from hub.clock import SystemClock
from hub.server import build_server
from hub.settings import PROJECT, Settings, load_settings
from hub.telemetry import Metrics
from hub.wiring import Mind, assemble, read_mind


class MortalStore(MemoryStore):
    dead = False

    async def ping(self) -> None:
        if self.dead:
            raise StoreUnavailable("no answer")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    data = tmp_path_factory.mktemp("data")
    return load_settings(PROJECT / "config" / "frontdesk.yaml", {"FRONTDESK_DATA": str(data)})


@pytest.fixture(scope="module")
def mind(settings: Settings) -> Mind:
    return read_mind(settings, "all")


@pytest.fixture
async def app(settings: Settings, mind: Mind) -> AsyncIterator[App]:
    clock = SystemClock()
    app = assemble(settings, "all", mind, MortalStore(clock), clock, Metrics())
    await app.start(AsyncMock())
    yield app
    await app.stop()


@pytest.fixture
async def client(app: App) -> AsyncIterator[TestClient]:
    server = build_server(app)

    async def broken(_request: web.Request) -> web.Response:
        raise ValueError("words of a customer")

    server.router.add_get("/broken", broken)
    async with TestClient(TestServer(server)) as client:
        yield client


async def test_health_tells_nothing_but_that_it_lives(client: TestClient) -> None:
    answer = await client.get("/healthz")
    assert (answer.status, await answer.json()) == (200, {"status": "alive"})


async def readiness(client: TestClient) -> tuple[int, dict[str, str]]:
    answer = await client.get("/readyz")
    return answer.status, await answer.json()


async def test_readiness_says_whether_a_message_could_be_accepted_and_by_what(client: TestClient, app: App) -> None:
    """Row 223, F035: ready while the database or the spool takes payloads; alive without either."""
    spool = app.inbox.spool
    assert spool is not None
    assert await readiness(client) == (200, {"status": "ready"})
    app.store.dead = True  # type: ignore[attr-defined]
    assert await readiness(client) == (200, {"status": "ready", "database": "away, payloads go to the spool"})
    spool.problem = "No space left on device"
    broken = {"spool": "cannot write: No space left on device"}
    assert await readiness(client) == (503, {"status": "database does not answer"} | broken)
    assert (await client.get("/healthz")).status == 200
    app.store.dead = False  # type: ignore[attr-defined]
    assert await readiness(client) == (200, {"status": "ready"} | broken)


async def test_a_hub_that_starts_or_stops_is_not_ready(client: TestClient, app: App) -> None:
    app.ready = False
    assert await readiness(client) == (503, {"status": "starting or stopping"})


async def test_metrics_are_served_in_the_text_format(client: TestClient) -> None:
    answer = await client.get("/metrics")
    text = await answer.text()
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "frontdesk_accept_seconds_bucket" in text


async def test_an_error_tells_nothing_about_its_inside(client: TestClient) -> None:
    """S17."""
    answer = await client.get("/broken")
    body = await answer.text()
    assert answer.status == 500
    assert json.loads(body)["title"] == "Internal error"
    assert "words of a customer" not in body
    assert "ValueError" not in body


async def test_every_answer_forbids_sniffing(client: TestClient) -> None:
    for path in ("/healthz", "/nowhere", "/broken", "/web/site"):
        assert (await client.get(path)).headers["X-Content-Type-Options"] == "nosniff", path


async def test_the_bare_address_leads_to_the_chat(client: TestClient) -> None:
    answer = await client.get("/", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/web/site")


async def test_a_question_over_the_web_api_is_answered(client: TestClient) -> None:
    """The whole way in one process, without a database: web chat in, bot, web chat out."""
    session = await (await client.post("/web/site/sessions")).json()
    headers = {"Authorization": f"Bearer {session['token']}"}
    said = {"id": "0b8f6a52-7b0e-4f87-9d29-3b8f6e1c0001", "text": "where is my order A-1001?"}
    assert (await client.post("/web/site/messages", json=said, headers=headers)).status == 202
    answer = await client.get("/web/site/messages", params={"after": "32", "wait": "5"}, headers=headers)
    messages = (await answer.json())["messages"]
    assert [message["from"] for message in messages] == ["bot"]


async def test_the_sample_orders_answer_only_to_the_right_address(client: TestClient) -> None:
    right = {"order_number": "A-1001", "email": "ann@example.com"}
    assert (await client.post("/sample/orders/find", json=right)).status == 200
    assert (await client.post("/sample/orders/find", json=right | {"email": "eve@example.com"})).status == 404
