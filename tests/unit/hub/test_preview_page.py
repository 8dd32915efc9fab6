"""`/preview`: who may open it, and what it shows (SECURITY S6: user text is never syntax)."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from hub.clock import SystemClock
from hub.connectors.sample_orders import SAMPLE_PATH, sample_orders_app
from hub.content import Content, load_content
from hub.fidelity.guard import PROXY_HEADERS, is_from_here, may_preview
from hub.fidelity.page import HEADERS, MAX_BODY_BYTES, PATH, preview_routes
from hub.fidelity.platforms import PLATFORMS
from hub.settings import Server, Settings, load_settings
from tests.servers.ports import free_port

TITLES = [platform.title for platform in PLATFORMS]


@pytest.fixture(scope="module")
def read_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(environ={"FRONTDESK_DATA": str(tmp_path_factory.mktemp("data"))})


@pytest.fixture(scope="module")
def content(read_settings: Settings) -> Content:
    return load_content(read_settings.content)


@pytest.fixture
async def client(read_settings: Settings, content: Content) -> AsyncIterator[TestClient[Any, Any]]:
    server = Server(host="127.0.0.1", port=free_port())
    application = web.Application()
    async with ClientSession() as session:
        settings = read_settings.model_copy(update={"server": server})
        application.add_routes(preview_routes(settings, content, session, SystemClock()))
        application.add_subapp(SAMPLE_PATH, sample_orders_app())
        async with TestClient(TestServer(application, port=server.port)) as client:
            yield client


async def asked(client: TestClient[Any, Any], *said: str, **fields: str) -> str:
    """Say something to the bot, and return the page."""
    *before, text = said
    form = [*(("said", line) for line in before), ("text", text), *fields.items()]
    answer = await client.post(PATH, data=form)
    assert answer.status == 200
    return await answer.text()


# Who may


@pytest.mark.parametrize(
    ("host", "public_url", "is_served"),
    [
        ("127.0.0.1", "", True),
        ("localhost", "http://localhost:8080", True),
        ("0.0.0.0", "", False),
        ("127.0.0.1", "https://desk.example.com", False),
    ],
)
def test_a_hub_that_others_reach_does_not_have_the_page(
    host: str, public_url: str, is_served: bool, read_settings: Settings
) -> None:
    settings = read_settings.model_copy(update={"server": Server(host=host, port=8080, public_url=public_url)})
    assert may_preview(settings) is is_served


class Transport:
    def __init__(self, address: str | None) -> None:
        self.address = address

    def get_extra_info(self, name: str) -> Any:
        return (self.address, 5) if name == "peername" and self.address else None


def request(method: str = "GET", peer: str | None = "127.0.0.1", **headers: str) -> web.Request:
    given = {"Host": "127.0.0.1:8080"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request(method, PATH, headers=given, transport=Transport(peer))


def test_a_browser_of_this_machine_may() -> None:
    assert is_from_here(request())
    assert is_from_here(request(Host="localhost:8080"))
    assert is_from_here(request("POST", Origin="http://127.0.0.1:8080", Sec_Fetch_Site="same-origin"))


@pytest.mark.parametrize("name", PROXY_HEADERS)
def test_what_a_proxy_brings_may_not(name: str) -> None:
    assert not is_from_here(request(**{name.replace("-", "_"): "203.0.113.9"}))


def test_another_machine_may_not() -> None:
    assert not is_from_here(request(peer="192.0.2.7"))
    assert not is_from_here(request(peer=None))


def test_a_name_that_only_points_here_may_not() -> None:
    assert not is_from_here(request(Host="rebound.example:8080"))


@pytest.mark.parametrize(
    "headers",
    [{"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "http://127.0.0.1:9"}],
    ids=["fetch metadata", "origin", "other port"],
)
def test_another_site_cannot_make_a_browser_ask_the_bot(headers: dict[str, str]) -> None:
    assert not is_from_here(request("POST", **headers))


@pytest.mark.parametrize("path", [PATH, f"{PATH}/page.js", f"{PATH}/page.css"])
async def test_whom_it_is_not_for_finds_nothing(client: TestClient[Any, Any], path: str) -> None:
    answer = await client.get(path, headers={"X-Forwarded-For": "203.0.113.9"})
    assert answer.status == 404


@pytest.mark.parametrize("path", [PATH, f"{PATH}/page.js", f"{PATH}/page.css"])
async def test_everything_of_it_has_a_strict_policy(client: TestClient[Any, Any], path: str) -> None:
    answer = await client.get(path)
    assert answer.status == 200
    assert HEADERS.items() <= dict(answer.headers).items()
    assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
    said = await answer.text()
    assert "<style" not in said
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=|\sstyle=", said.replace("&#34;", '"').split("srcdoc")[0])


# What it shows


async def test_a_template_stands_side_by_side_with_its_calls(client: TestClient[Any, Any]) -> None:
    said = await (await client.get(PATH, params={"reply": "greeting", "locale": "de"})).text()
    for title in TITLES:
        assert title in said
    assert said.count("Hallo Ann") >= 2 * len(PLATFORMS)
    for method in ("chat.postMessage", "sendMessage", "Messages.create", "smtp.send", "deliver"):
        assert method in said
    assert "1,600 UTF-16 units" in said


async def test_what_there_is_not_gives_way_to_what_there_is(client: TestClient[Any, Any]) -> None:
    said = await (await client.get(PATH, params={"reply": "<script>", "locale": "tlh", "tone": "rude"})).text()
    assert "<script>" not in said
    assert "Hello Ann" in said


async def test_a_typed_message_is_answered_by_the_bot_on_every_platform(client: TestClient[Any, Any]) -> None:
    said = await asked(client, "where is my order A-1001?", "ann@example.com", desk="support", locale="en")
    answers = said.split("<article")[1:]
    assert len(answers) == len(PLATFORMS)
    assert all("is on its way" in answer for answer in answers)
    assert "Answered with order_status" in said


async def test_a_picked_button_is_said_next(client: TestClient[Any, Any]) -> None:
    answer = await client.post(PATH, data=[("said", "hello"), ("pick", "Refunds"), ("text", "")])
    said = await answer.text()
    assert 'name="said" value="hello"' in said
    assert 'name="said" value="Refunds"' in said


async def test_nothing_said_leads_back(client: TestClient[Any, Any]) -> None:
    answer = await client.post(PATH, data={"text": "  "}, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, PATH)


async def test_words_of_a_visitor_are_no_markup(client: TestClient[Any, Any]) -> None:
    said = await asked(client, "<img src=x onerror=alert(1)>", '"><script>alert(1)</script>')
    assert "<img" not in said
    assert "<script>alert" not in said


async def test_a_body_beyond_reason_is_refused(client: TestClient[Any, Any]) -> None:
    answer = await client.post(PATH, data=b"x" * (MAX_BODY_BYTES + 1))
    assert answer.status == 413


async def test_a_template_that_is_being_written_is_told_and_not_a_failure(
    client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.fidelity.page.load_samples", _broken)
    answer = await client.get(PATH)
    assert answer.status == 500
    assert "samples.yaml: line 3" in await answer.text()


def _broken(_root: object) -> Any:
    from core.errors import ConfigError

    raise ConfigError("samples.yaml: line 3")
