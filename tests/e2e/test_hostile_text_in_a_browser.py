"""Five hundred payloads and more through the chat page in a browser: not one runs, not one fetches (F080, F081)."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Request, expect

from tests.hostile_text import TEMPLATES, scripts
from tests.servers.browser import running_browser
from tests.servers.hub import Hub, running_hub

pytestmark = pytest.mark.e2e

MAX_TEXT_CHARS = 3900
WATCHER = """
window.__hits = [];
window.hacked = (n) => window.__hits.push("script " + n);
document.addEventListener("securitypolicyviolation", (event) => window.__hits.push(event.violatedDirective));
"""
"""A page that is attacked calls `hacked`; a policy that had to stop something has been needed, which is too late."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with running_hub(tmp_path) as hub:
        yield hub


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


def packed(payloads: list[str]) -> list[str]:
    """Put many payloads into each message, so that the limits on a visitor are kept."""
    messages = [""]
    for payload in payloads:
        if len(messages[-1]) + len(payload) + 1 > MAX_TEXT_CHARS:
            messages.append("")
        messages[-1] += payload.replace("\x01", "") + "\n"
    return messages


async def settle(page: Page, count: int) -> None:
    await expect(page.locator("#messages > li.you")).to_have_count(count, timeout=60_000)


async def poke(page: Page) -> None:
    """Give every handler its chance: move, focus and click over all that is shown."""
    await page.evaluate(
        """() => document.querySelectorAll("#messages *").forEach((node) => {
             for (const kind of ["mouseover", "focus", "pointerenter", "toggle", "animationstart", "load", "error"])
               node.dispatchEvent(new Event(kind, { bubbles: true }));
           })"""
    )


async def test_no_payload_in_the_chat_runs_or_fetches_anything(browser: Browser, hub: Hub) -> None:
    payloads = [*scripts(), *TEMPLATES]
    page = await browser.new_page()
    asked: list[str] = []
    dialogs: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await page.add_init_script(WATCHER)
    await page.goto(hub.url)
    messages = packed(payloads)
    for message in messages:
        await page.get_by_role("textbox").fill(message)
        await page.keyboard.press("Enter")
    await settle(page, len(messages))
    await poke(page)
    await page.reload()  # what was said comes back from the server now
    await settle(page, len(messages))
    await poke(page)
    shown = "\n".join(await page.locator("#messages > li.you .text").all_inner_texts())
    foreign = await page.locator("#messages :is(script, img, svg, iframe, object, embed, form, style, meta)").count()
    links = await page.locator("#messages a").evaluate_all("links => links.map((link) => link.protocol)")
    hits = await page.evaluate("window.__hits")
    await page.close()
    assert len(payloads) > 500
    assert (hits, dialogs, foreign) == ([], [], 0)
    assert [url for url in asked if not url.startswith(hub.url)] == []
    assert set(links) <= {"http:", "https:", ":"}  # the last one: an address that leads nowhere
    for payload in ("<script>hacked(1)</script>", "{{7*191}}", json.loads('"<img src=//evil.example/pixel.gif>"')):
        assert payload in shown
    assert "1337" not in shown.replace("range(1337)", "")
