"""The developer's page and the control API, asked as a browser and as a test ask them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from hub.emulate.ledger import Button
from hub.emulate.page import Page
from hub.emulate.people import TALKING, People
from hub.emulate.platforms import Platforms
from tests.unit.hub.emulate.kit import NotingHub, QuickWorld, noting_hub, running, until_quiet

Client = TestClient[Any, Any]


@pytest.fixture
async def hub() -> AsyncIterator[NotingHub]:
    async with noting_hub() as hub:
        yield hub


@pytest.fixture
async def platforms() -> AsyncIterator[Platforms]:
    async with running() as platforms:
        yield platforms


@pytest.fixture
async def page(platforms: Platforms, hub: NotingHub) -> AsyncIterator[Client]:
    application = Page(platforms, People(platforms, hub.url), is_local=True).application()
    async with TestClient(TestServer(application, host="127.0.0.1")) as client:
        yield client


async def state(page: Client, seen: str = "") -> Any:
    return await (await page.get("/api/state", params={"seen": seen})).json()


async def test_the_page_shows_every_platform_and_offers_faults(page: Client) -> None:
    answer = await page.get("/")
    html = await answer.text()
    assert answer.status == 200
    for platform in TALKING:
        assert f'data-platform="{platform}"' in html
    assert 'data-preset="helpdesk-0"' in html
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css")):
        assert name in html
        assert (await page.get(f"/{name}")).content_type == kind


async def test_what_a_person_says_is_brought_to_the_hub_and_shown(
    page: Client, platforms: Platforms, hub: NotingHub
) -> None:
    assert (await page.post("/api/say", json={"platform": "slack", "text": "hello"})).status == 202
    await until_quiet(platforms)
    (said,) = (await state(page))["talks"]["slack"]["messages"]
    assert (said["from"], said["text"], said["progress"]) == ("person", "hello", "taken")
    assert hub.brought[0].path == "/slack/acme/events"


async def test_an_answer_is_shown_in_its_column_and_its_button_can_be_pressed(
    page: Client, platforms: Platforms, hub: NotingHub
) -> None:
    place = int(platforms_place(await state(page), "telegram").removeprefix("person_"))
    message = platforms.telegram._keep(
        str(place), "Which?", {"inline_keyboard": [[{"text": "Yes", "callback_data": "t1"}]]}
    )
    shown = (await state(page))["talks"]
    assert [one["text"] for one in shown["telegram"]["messages"]] == ["Which?"]
    assert shown["slack"]["messages"] == []
    pressed = {"platform": "telegram", "message": str(message["message_id"]), "value": "t1"}
    assert (await page.post("/api/press", json=pressed)).status == 202
    assert (await page.post("/api/press", json=pressed | {"value": "other"})).status == 404
    assert (await page.post("/api/press", json=pressed | {"platform": "email"})).status == 404
    seen = await state(page)
    assert [one["text"] for one in seen["talks"]["telegram"]["messages"]] == ["Which?", "Yes"]
    assert seen["pending"]["telegram"] == 1


def platforms_place(seen: Any, platform: str) -> str:
    return str(seen["talks"][platform]["person"])


@pytest.mark.parametrize("platform", TALKING)
async def test_somebody_else_begins_with_nothing_said(page: Client, platform: str) -> None:
    await page.post("/api/say", json={"platform": platform, "text": "hello"})
    before = await state(page)
    assert (await page.post("/api/person", json={"platform": platform})).status == 200
    after = await state(page)
    assert platforms_place(before, platform) != platforms_place(after, platform)
    assert after["talks"][platform]["messages"] == []


async def test_whatsapp_is_spoken_and_pressed_by_the_cloud_api_where_that_carries_it(hub: NotingHub) -> None:
    async with Platforms(QuickWorld(), whatsapp_by="cloud") as platforms:
        page = Page(platforms, People(platforms, hub.url), is_local=True)
        async with TestClient(TestServer(page.application(), host="127.0.0.1")) as client:
            html = await (await client.get("/")).text()
            assert "131047" in html
            assert "63016" not in html
            assert (await client.post("/api/say", json={"platform": "whatsapp", "text": "hello"})).status == 202
            missing = {"platform": "whatsapp", "message": "wamid.none", "value": "t1"}
            assert (await client.post("/api/press", json=missing)).status == 404
            await until_quiet(platforms)
    (brought,) = hub.brought
    assert brought.path == "/whatsapp/main"
    assert "X-Hub-Signature-256" in brought.headers


async def test_a_browser_that_has_seen_everything_waits_for_more(page: Client, platforms: Platforms) -> None:
    version = (await state(page))["version"]
    waiting = asyncio.create_task(state(page, version))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    platforms.ledger.record("slack", "nowhere", "not of this person", "1.1")
    await page.post("/control/faults", json={"platform": "slack", "action": "hang"})
    assert (await waiting)["version"] != version


async def test_faults_are_added_shown_and_removed(page: Client, platforms: Platforms) -> None:
    hang, error = {"platform": "slack", "action": "hang"}, {"platform": "email", "action": "error", "times": 3}
    for fault in (hang, error):
        assert (await page.post("/control/faults", json=fault)).status == 201
    listed = await (await page.get("/control/faults")).json()
    assert [(one["platform"], one["action"], one["times"]) for one in listed] == [
        ("slack", "hang", None),
        ("email", "error", 3),
    ]
    assert len((await state(page))["on"]) == 2
    assert (await page.delete("/control/faults", json=hang)).status == 200
    assert [fault.platform for fault in platforms.world.faults.active()] == ["email"]
    await page.delete("/control/faults")
    assert platforms.world.faults.active() == []


async def test_a_port_is_closed_by_a_fault_and_opened_by_its_end(page: Client, platforms: Platforms) -> None:
    """F045."""

    async def listens(port: int) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    ports = {"email": platforms.mail.port, "slack": platforms.http["slack"].port}
    for platform in ports:
        await page.post("/control/faults", json={"platform": platform, "action": "closed"})
    assert [await listens(port) for port in ports.values()] == [False, False]
    await page.delete("/control/faults", json={"platform": "slack", "action": "closed"})
    assert [await listens(port) for port in ports.values()] == [False, True]
    await page.delete("/control/faults")
    assert [await listens(port) for port in ports.values()] == [True, True]


async def test_the_ledger_is_read_from_a_line_on(page: Client, platforms: Platforms) -> None:
    for text in ("one", "two"):
        await page.post("/api/say", json={"platform": "whatsapp", "text": text})
        await until_quiet(platforms)
    lines = (await (await page.get("/control/ledger")).json())["lines"]
    assert [line["number"] for line in lines] == [1, 2]
    later = (await (await page.get("/control/ledger?after=1")).json())["lines"]
    assert later == lines[1:]
    assert (await page.get("/control/ledger?after=x")).status == 422


async def test_time_passes_at_whatsapp_and_a_template_and_a_content_are_made_known() -> None:
    """W20, W22."""
    async with Platforms(QuickWorld()) as platforms:
        application = Page(platforms, People(platforms, "http://127.0.0.1:9"), is_local=True).application()
        async with TestClient(TestServer(application, host="127.0.0.1")) as client:
            window, sid = platforms.twilio.window, "HX" + "a" * 32
            window.heard("whatsapp:+49151")
            assert window.is_open("whatsapp:+49151")
            assert (await client.post("/control/silence", json={"hours": 25})).status == 200
            assert not window.is_open("whatsapp:+49151")
            assert (await client.post("/control/templates", json={"name": sid, "body": "Order {{1}}"})).status == 201
            assert window.words(sid, {"1": "A-1"}) == "Order A-1"
            assert (await client.post("/control/templates", json={"name": "HX2", "choices": 2})).status == 201
            assert window.is_content("HX2")
            assert (await client.post("/control/templates", json={"name": "HX3", "choices": 11})).status == 422
            assert (await client.post("/control/silence", json={"hours": 0})).status == 422


async def test_a_quick_reply_on_whatsapp_can_be_pressed(page: Client, platforms: Platforms, hub: NotingHub) -> None:
    """W22."""
    place = f"whatsapp:{platforms_place(await state(page), 'whatsapp')}"
    platforms.ledger.record("whatsapp", place, "Which?", "SM1", buttons=(Button("Yes", "t1"),))
    pressed = {"platform": "whatsapp", "message": "SM1", "value": "t1"}
    assert (await page.post("/api/press", json=pressed)).status == 202
    await until_quiet(platforms)
    assert b"ButtonPayload=t1" in hub.brought[-1].body


async def test_the_models_answers_are_scripted(page: Client, platforms: Platforms) -> None:
    assert (await page.post("/control/model", json={"answers": ["Hello!"]})).status == 200
    assert list(platforms.model._script) == [{"content": "Hello!"}]


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("/control/faults", {"platform": "irc", "action": "error"}, "platform"),
        ("/api/say", {"platform": "slack", "text": ""}, "text"),
        ("/api/say", {"platform": "web", "text": "x"}, "platform"),
    ],
)
async def test_what_cannot_be_done_is_said(page: Client, path: str, body: dict[str, str], wrong: str) -> None:
    answer = await page.post(path, json=body)
    assert answer.status == 422
    assert (await answer.json())["error"].startswith(wrong)


async def test_a_page_of_another_site_can_neither_post_nor_ask_by_a_name_of_its_own(page: Client) -> None:
    assert (await page.post("/api/say", data='{"platform":"slack","text":"x"}')).status == 415
    assert (await page.get("/", headers={"Host": "evil.example:8090"})).status == 403
    assert (await page.get("/", headers={"Host": "localhost:8090"})).status == 200


async def test_a_person_edits_a_message_by_the_page(page: Client, platforms: Platforms, hub: NotingHub) -> None:
    await page.post("/api/say", json={"platform": "slack", "text": "hello"})
    await until_quiet(platforms)
    (said,) = (await state(page))["talks"]["slack"]["messages"]
    deed = {"platform": "slack", "deed": "edit", "message": said["id"], "text": "good evening"}
    assert (await page.post("/api/do", json=deed)).status == 202
    assert (await page.post("/api/do", json=deed | {"message": "1.2"})).status == 404
    assert (await page.post("/api/do", json=deed | {"deed": "shout"})).status == 422
    await until_quiet(platforms)
    assert b"message_changed" in hub.brought[-1].body
