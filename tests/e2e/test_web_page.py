"""The page and the widget in a real browser, with a faked hub behind them: what a running hub cannot be made to do."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, FrameLocator, Page, expect

from channels.base import Acceptance
from channels.inbound import Inbound
from channels.web.channel import WebChannel
from core.events import MessageReceived
from core.ids import AccountName, ConversationId, OutId
from core.replies import ApiCall
from hub.clock import SystemClock
from tests.servers.browser import running_browser
from tests.unit.channels.web.fakes import FakeHub, settings

pytestmark = pytest.mark.e2e

CHOICES = [{"token": "t1", "label": "Track an order"}, {"token": "t2", "label": "Talk to a person"}]
SHOP_PAGE = """<!doctype html><html lang="en"><title>Shop</title><h1>Shop</h1>
<script src="{src}" data-title="Help" async></script></html>"""


class EchoHub(FakeHub):
    """Records what a visitor says and answers it with the same words and two buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SystemClock()  # type: ignore[assignment]  the page paces itself by the real one
        self.seq = 0
        self.silent = False

    async def accept(self, inbound: Inbound) -> Acceptance:
        acceptance = await super().accept(inbound)
        if acceptance is Acceptance.ACCEPTED and not self.silent:
            await self.answer(inbound)
        return acceptance

    async def answer(self, inbound: Inbound) -> None:
        assert self.channel is not None
        (event,) = self.channel.normalize(inbound)
        text = event.text if isinstance(event, MessageReceived) else event.label or ""  # type: ignore[union-attr]
        own = {"from": "you", "id": event.id.rpartition(":")[2], "text": text, "at": event.received_at.isoformat()}
        self.seq += 1
        await self.mailbox.deliver(event.conversation_id, event.id, self.seq, own)
        await self.say(event.conversation_id, f"You said: {text}")

    async def say(self, conversation_id: str, text: str) -> None:
        assert self.channel is not None
        self.seq += 1
        call = ApiCall(method="deliver", params={"text": text, "choices": CHOICES}, bucket="x")
        await self.channel.send(call, OutId(f"o{self.seq}"), self.seq, ConversationId(conversation_id))

    @property
    def conversation_id(self) -> str:
        return list(self.mailbox.kept)[-1]


@pytest.fixture
def hub() -> EchoHub:
    return EchoHub()


@pytest.fixture
async def shop() -> AsyncIterator[TestServer]:
    app = web.Application()

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=SHOP_PAGE.format(src=request.query["src"]), content_type="text/html")

    app.router.add_get("/", page)
    async with TestServer(app, host="localhost") as server:
        yield server


@pytest.fixture
async def chat(hub: EchoHub, shop: TestServer) -> AsyncIterator[str]:
    """Yield the address of the page; the shop may embed it."""
    origin = str(shop.make_url("/")).rstrip("/")
    hub.channel = WebChannel(
        AccountName("site"), settings(allowed_origins=(origin,)), hub.resources("http://localhost")
    )
    app = web.Application()
    app.add_routes(hub.channel.routes())
    async with TestServer(app) as server:
        yield str(server.make_url("/web/site"))
        await hub.channel.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1000, "height": 700})
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
    yield page
    assert problems == []
    await context.close()


async def say(page: Page, text: str) -> None:
    await page.get_by_role("textbox", name="Your message").fill(text)
    await page.keyboard.press("Enter")


async def online(page: Page | FrameLocator) -> None:
    await expect(page.locator("#state")).to_have_text("Connected")


async def texts(page: Page | FrameLocator) -> list[str]:
    return await page.locator("#messages > li .text").all_inner_texts()


async def test_a_message_that_the_store_cannot_take_survives_a_reload_and_arrives_once(
    page: Page, chat: str, hub: EchoHub
) -> None:
    await page.goto(chat)
    await say(page, "first")
    await expect(page.get_by_text("You said: first")).to_be_visible()
    hub.down = True
    await say(page, "second")
    await say(page, "third")
    await expect(page.locator("#state")).to_contain_text("We cannot take messages")
    await expect(page.get_by_text("Waiting to be sent")).to_have_count(2)
    await page.reload()
    await expect(page.locator("#messages > li")).to_have_count(4)
    assert await texts(page) == ["first", "You said: first", "second", "third"]
    hub.down = False
    await expect(page.get_by_text("You said: third")).to_be_visible(timeout=10_000)
    assert await texts(page) == ["first", "You said: first", "second", "You said: second", "third", "You said: third"]
    assert len(hub.inbox) == 3


async def test_a_visitor_needs_no_mouse(page: Page, chat: str) -> None:
    await page.goto(chat)
    await online(page)
    await page.keyboard.type("hello")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Track an order")).to_be_visible()
    await page.keyboard.press("Shift+Tab")
    await expect(page.get_by_role("button", name="Talk to a person")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("You said: Talk to a person")).to_be_visible()
    await expect(page.get_by_role("textbox", name="Your message")).to_be_focused()


async def test_choices_are_offered_until_the_visitor_has_answered(page: Page, chat: str) -> None:
    await page.goto(chat)
    await say(page, "hello")
    await page.get_by_role("button", name="Track an order").click()
    await expect(page.get_by_text("You said: Track an order")).to_be_visible()
    await expect(page.get_by_role("button", name="Track an order")).to_have_count(1)


async def test_new_messages_are_read_out_and_history_is_not(page: Page, chat: str) -> None:
    await page.goto(chat)
    await online(page)
    await expect(page.get_by_role("log")).to_have_attribute("aria-live", "polite")
    assert "aria-live=off" in (await page.evaluate("fetch(location).then(r => r.text())")).replace('"', "")


async def test_a_second_tab_shows_the_same_conversation(page: Page, chat: str, hub: EchoHub) -> None:
    await page.goto(chat)
    await say(page, "from the first tab")
    await expect(page.get_by_text("You said: from the first tab")).to_be_visible()
    other = await page.context.new_page()
    await other.goto(chat)
    await expect(other.get_by_text("You said: from the first tab")).to_be_visible()
    await say(other, "from the second tab")
    await expect(page.get_by_text("You said: from the second tab")).to_be_visible()
    assert await texts(page) == await texts(other)
    assert len(hub.mailbox.kept) == 1


async def test_an_expired_token_begins_anew_and_sends_what_was_waiting(page: Page, chat: str, hub: EchoHub) -> None:
    await page.goto(chat)
    await online(page)
    hub.down = True
    await say(page, "still here")
    await expect(page.get_by_text("Waiting to be sent")).to_be_visible()
    await page.evaluate("localStorage.setItem('frontdesk:/web/site/:token', 'forged')")
    hub.down = False
    await page.reload()
    await expect(page.get_by_text("You said: still here")).to_be_visible(timeout=10_000)
    assert await texts(page) == ["still here", "You said: still here"]


async def test_a_reply_on_its_way_while_one_reads_above_does_not_pull_the_page_down(
    page: Page, chat: str, hub: EchoHub
) -> None:
    await page.goto(chat)
    await say(page, "line\n" * 60)
    await expect(page.get_by_text("You said:")).to_be_visible()
    await page.locator("#log").evaluate("log => log.scrollTop = 0")
    latest = page.get_by_role("button", name="New messages")
    await asyncio.sleep(0.1)  # the scroll event comes with the next frame
    await hub.say(hub.conversation_id, "One more thing")
    await expect(latest).to_be_visible()
    await latest.click()
    await expect(page.get_by_text("One more thing")).to_be_in_viewport()
    await expect(latest).to_be_hidden()


async def test_the_page_speaks_german_to_germans(browser: Browser, chat: str) -> None:
    page = await browser.new_page(locale="de-DE")
    await page.goto(chat)
    await expect(page.get_by_role("textbox", name="Ihre Nachricht")).to_be_visible()
    await expect(page.locator("#state")).to_have_text("Verbunden")
    assert await page.evaluate("document.documentElement.lang") == "de"
    await page.close()


async def test_everything_fits_a_small_phone(browser: Browser, chat: str) -> None:
    page = await browser.new_page(viewport={"width": 320, "height": 568}, is_mobile=True, has_touch=True)
    await page.goto(chat)
    await page.get_by_role("textbox").fill("a" * 300)
    await page.get_by_role("button", name="Send").tap()
    await expect(page.get_by_text("You said:")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    await expect(page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    await page.close()


async def test_the_widget_opens_talks_and_closes_by_keyboard(
    page: Page, chat: str, shop: TestServer, hub: EchoHub
) -> None:
    await page.goto(f"{shop.make_url('/')}?src={chat}/widget.js")
    launcher = page.get_by_role("button", name="Help: Open chat")
    await launcher.press("Enter")
    frame = page.frame_locator("iframe")
    await online(frame)
    await expect(frame.get_by_role("textbox")).to_be_focused()
    await page.keyboard.type("hello")
    await page.keyboard.press("Enter")
    await expect(frame.get_by_text("You said: hello")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(launcher).to_be_focused()
    await hub.say(hub.conversation_id, "Anything else?")
    await expect(page.get_by_text("1 new")).to_be_visible()
    await launcher.press("Enter")
    await expect(frame.get_by_text("Anything else?")).to_be_in_viewport()
    await expect(page.get_by_text("1 new")).to_be_hidden()


async def test_a_site_that_is_not_allowed_cannot_embed_the_page(browser: Browser, chat: str, shop: TestServer) -> None:
    page = await browser.new_page()
    foreign = str(shop.make_url("/")).replace("localhost", "127.0.0.1")
    await page.goto(f"{foreign}?src={chat.replace('127.0.0.1', 'localhost')}/widget.js")
    async with page.expect_console_message(lambda line: "frame-ancestors" in line.text):
        await page.get_by_role("button", name="Help: Open chat").click()
    await expect(page.frame_locator("iframe").locator("#text")).to_have_count(0)
    await page.close()
