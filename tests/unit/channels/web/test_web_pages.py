"""The page and its files (SECURITY S8, S18)."""

import re

import pytest

from channels.web.pages import FILES, STATIC, page_headers
from tests.unit.channels.web.fakes import SHOP, FakeHub, Site, make_channel, running


@pytest.mark.parametrize("path", ["/web/site", "/web/site/"])
async def test_the_page_is_served(site: Site, path: str) -> None:
    answered = await site.http.get(path)
    assert answered.status == 200
    assert answered.content_type == "text/html"
    assert "<h1>Support</h1>" in await answered.text()


async def test_the_page_allows_nothing_inline_and_nothing_from_elsewhere(site: Site) -> None:
    answered = await site.http.get("/web/site")
    policy = dict(part.strip().split(" ", 1) for part in answered.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self' wss://chat.example"
    assert policy["frame-ancestors"] == f"'self' {SHOP}"
    assert policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in answered.headers["Content-Security-Policy"]
    page = await answered.text()
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*src=)", page)


async def test_without_allowed_origins_only_we_may_frame_the_page() -> None:
    assert "frame-ancestors 'self';" in page_headers((), "http://localhost:8080")["Content-Security-Policy"]
    assert "ws://localhost:8080" in page_headers((), "http://localhost:8080")["Content-Security-Policy"]


async def test_other_security_headers_are_set(site: Site) -> None:
    headers = (await site.http.get("/web/site")).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "X-Frame-Options" not in headers  # it would forbid what frame-ancestors allows


async def test_title_and_hint_are_text_and_never_markup(hub: FakeHub) -> None:
    channel = make_channel(hub, title="<b>$base</b>", trial_hint='"><script>')
    async with running(hub, channel) as site:
        page = await (await site.http.get("/web/site")).text()
    assert "<h1>&lt;b&gt;$base&lt;/b&gt;</h1>" in page
    assert '<p class="hint" >&quot;&gt;&lt;script&gt;</p>' in page


async def test_without_a_hint_there_is_no_empty_line(site: Site) -> None:
    assert '<p class="hint" hidden></p>' in await (await site.http.get("/web/site")).text()


@pytest.mark.parametrize("name", FILES)
async def test_every_file_is_served_with_its_type_and_can_be_revalidated(site: Site, name: str) -> None:
    answered = await site.http.get(f"/web/site/{name}")
    assert answered.status == 200
    assert await answered.read() == (STATIC / name).read_bytes()
    assert answered.content_type in ("text/javascript", "text/css", "image/svg+xml")
    assert answered.headers["X-Content-Type-Options"] == "nosniff"
    assert answered.headers["Cache-Control"] == "no-cache"
    again = await site.http.get(f"/web/site/{name}", headers={"If-None-Match": answered.headers["ETag"]})
    assert again.status == 304


async def test_all_that_the_page_asks_for_is_there(site: Site) -> None:
    page = await (await site.http.get("/web/site")).text()
    asked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(asked) == 3
    for path in asked:
        assert (await site.http.get(path)).status == 200


@pytest.mark.parametrize("name", ["page.html", "../channel.py", "%2e%2e/channel.py", "nothing.js"])
async def test_nothing_else_is_served(site: Site, name: str) -> None:
    assert (await site.http.get(f"/web/site/{name}")).status == 404


def test_every_script_only_sets_text() -> None:
    for name in FILES:
        source = (STATIC / name).read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", source), (
            name
        )
