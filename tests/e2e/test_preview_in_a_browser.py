"""`/preview` in a real browser: five platforms answer one typed message, under the page's own strict policy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, expect

from hub.clock import SystemClock
from hub.connectors.sample_orders import SAMPLE_PATH, sample_orders_app
from hub.content import load_content
from hub.fidelity.page import PATH, preview_routes
from hub.fidelity.platforms import PLATFORMS
from hub.settings import Server, load_settings
from tests.servers.browser import running_browser
from tests.servers.ports import free_port

pytestmark = pytest.mark.e2e

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture
async def preview(tmp_path: Path) -> AsyncIterator[str]:
    """Yield the page's address; the real bot and the sample orders are behind it."""
    server = Server(host="127.0.0.1", port=free_port())
    settings = load_settings(environ={"FRONTDESK_DATA": str(tmp_path)}).model_copy(update={"server": server})
    application = web.Application()
    async with ClientSession() as session:
        application.add_routes(preview_routes(settings, load_content(settings.content), session, SystemClock()))
        application.add_subapp(SAMPLE_PATH, sample_orders_app())
        async with TestServer(application, port=server.port) as running:
            yield str(running.make_url(PATH))


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture(params=WIDTHS)
async def page(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """Yield a page that has nothing to complain about, of a policy that is broken least of all."""
    width, height = WIDTHS[request.param]
    context = await browser.new_context(viewport={"width": width, "height": height})
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
    yield page
    assert problems == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing stands out sideways"
    await context.close()


async def ask(page: Page, text: str) -> None:
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.get_by_role("button", name="Ask").click()


async def test_a_message_is_answered_on_all_platforms_and_nothing_breaks(page: Page, preview: str) -> None:
    await page.goto(preview)
    await ask(page, "where is my order A-1001?")
    await expect(page.get_by_label("What was said")).to_contain_text("ask_email")
    await ask(page, "ann@example.com")
    await expect(page.get_by_label("What was said").get_by_role("listitem")).to_have_count(2)
    for platform in PLATFORMS:
        shown = page.get_by_role("article", name=platform.title)
        await expect(shown.locator(".bubble")).to_contain_text("is on its way")
    mail = page.frame_locator("iframe.mail")
    await expect(mail.locator("body")).to_contain_text("is on its way")


async def test_a_button_of_any_platform_is_pressed_like_an_answer(page: Page, preview: str) -> None:
    await page.goto(preview)
    await ask(page, "hello")
    await page.get_by_role("article", name="Telegram").get_by_role("button", name="Order status").click()
    said = page.get_by_label("What was said").get_by_role("listitem")
    await expect(said).to_have_text(["hello", "Order status"])


async def test_another_template_shows_at_once_when_it_is_chosen(page: Page, preview: str) -> None:
    await page.goto(preview)
    await page.get_by_label("Reply").select_option("thanks")
    await expect(page.get_by_text("The template thanks with its sample data.")).to_be_visible()


async def test_a_mail_is_shown_whole_and_cannot_reach_anything(page: Page, preview: str) -> None:
    await page.goto(f"{preview}?reply=greeting")
    frame = page.locator("iframe.mail")
    assert await frame.get_attribute("sandbox") == "allow-same-origin"
    is_whole = "frame => frame.clientHeight >= frame.contentDocument.documentElement.scrollHeight - 4"
    await expect(frame).to_be_visible()
    assert await frame.evaluate(is_whole)
