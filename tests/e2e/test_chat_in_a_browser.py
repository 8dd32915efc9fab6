"""A real browser talks to the running hub: the page, a reload in the middle, a hub that dies and comes back."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.servers.browser import running_browser
from tests.servers.hub import Hub, running_hub

pytestmark = pytest.mark.e2e

ASKS_MAIL = "Which e-mail address"
STATUS = "Order A-1001 is on its way"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser, hub: Hub) -> AsyncIterator[Page]:
    page = await browser.new_page(viewport={"width": 480, "height": 720})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(hub.url)
    yield page
    assert problems == [], "the page's script raised"
    await page.close()


async def say(page: Page, text: str) -> None:
    await page.get_by_role("textbox").fill(text)
    await page.keyboard.press("Enter")


async def messages(page: Page) -> list[str]:
    return [" ".join(text.split()) for text in await page.locator("#messages > li .text").all_inner_texts()]


async def wait_for_reply(page: Page, text: str) -> None:
    await expect(page.locator("#messages > li.bot .text").filter(has_text=text).last).to_be_visible(timeout=15_000)


def times(seen: list[str], text: str) -> int:
    return sum(text in message for message in seen)


async def test_a_visitor_asks_where_the_order_is_and_is_told(page: Page) -> None:
    await say(page, "where is my order A-1001?")
    await wait_for_reply(page, ASKS_MAIL)
    await say(page, "ann@example.com")
    await wait_for_reply(page, STATUS)
    seen = await messages(page)
    assert [times(seen, text) for text in ("where is my order", ASKS_MAIL, "ann@example.com", STATUS)] == [1, 1, 1, 1]


async def test_a_reload_in_the_middle_shows_each_message_once_and_goes_on(page: Page) -> None:
    await say(page, "where is my order A-1001?")
    await page.reload()  # perhaps before the answer is there
    await wait_for_reply(page, ASKS_MAIL)
    await page.reload()
    await wait_for_reply(page, ASKS_MAIL)
    await say(page, "ann@example.com")
    await wait_for_reply(page, STATUS)
    await page.reload()
    await wait_for_reply(page, STATUS)
    seen = await messages(page)
    assert [times(seen, text) for text in ("where is my order", ASKS_MAIL, "ann@example.com", STATUS)] == [1, 1, 1, 1]


async def test_a_lost_connection_is_taken_up_again_without_a_message_lost_or_doubled(page: Page) -> None:
    await say(page, "where is my order A-1001?")
    await wait_for_reply(page, ASKS_MAIL)
    await page.context.set_offline(True)
    await page.evaluate("window.dispatchEvent(new Event('offline'))")
    await say(page, "ann@example.com")
    await page.context.set_offline(False)
    await wait_for_reply(page, STATUS)
    seen = await messages(page)
    assert [times(seen, text) for text in (ASKS_MAIL, "ann@example.com", STATUS)] == [1, 1, 1]


async def test_a_hub_that_is_killed_and_comes_back_answers_what_was_written_meanwhile(
    browser: Browser, tmp_path: Path
) -> None:
    with running_hub(tmp_path / "mortal") as mortal:
        page = await browser.new_page()
        await page.goto(mortal.url)
        await say(page, "where is my order A-1001?")
        await wait_for_reply(page, ASKS_MAIL)
        mortal.kill()
        await say(page, "ann@example.com")
        mortal.start()
        await wait_for_reply(page, STATUS)
        seen = await messages(page)
        assert [times(seen, text) for text in ("where is my order", ASKS_MAIL, "ann@example.com", STATUS)] == [1] * 4
        await page.close()


async def test_two_visitors_do_not_see_each_other(browser: Browser, hub: Hub) -> None:
    pages = [await (await browser.new_context()).new_page() for _ in range(2)]
    for page in pages:
        await page.goto(hub.url)
    await say(pages[0], "where is my order A-1001?")
    await wait_for_reply(pages[0], ASKS_MAIL)
    assert await messages(pages[1]) == []


async def test_a_choice_is_pressed_and_answered(page: Page) -> None:
    await say(page, "help")
    button = page.get_by_role("button", name="Order status")
    await button.click()
    await expect(page.locator("#messages > li.bot").last).to_contain_text("order number", timeout=15_000)


async def test_text_with_markup_stays_text(page: Page) -> None:
    await say(page, "<img src=x onerror=window.hacked=1> {{7*7}}")
    await expect(page.locator("#messages > li.bot .text").first).to_be_visible(timeout=15_000)
    assert "<img src=x" in (await messages(page))[0]
    assert await page.evaluate("window.hacked") is None
