"""SSRF: where a file may come from (F086, SECURITY S10, W9)."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from channels.media import Download
from core.errors import MediaRefused
from hub.media.addresses import PrivateAddress, PublicResolver, is_public
from hub.media.download import Downloader

CDN = ("files.platform.example", ".cdn.example")


class Names(AbstractResolver):
    """Answers every name with the next of these lists of addresses."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=one, port=port, family=socket.AF_INET, proto=0, flags=0) for one in found
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def downloader(names: AbstractResolver | None = None, within_s: float = 5.0) -> AsyncIterator[Downloader]:
    made = Downloader(names, within_s)
    try:
        yield made
    finally:
        await made.close()


async def refusal(download: Download, *answers: list[str], max_bytes: int = 100) -> MediaRefused:
    async with downloader(Names(*answers) if answers else Names(["93.184.216.34"])) as fetcher:
        with pytest.raises(MediaRefused) as refused:
            await fetcher.get(download, max_bytes)
    return refused.value


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
    ],
)
def test_an_address_that_only_we_can_reach_is_not_public(address: str) -> None:
    """F086."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111"])
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


async def test_a_name_with_one_private_address_among_others_is_refused() -> None:
    with pytest.raises(PrivateAddress):
        await PublicResolver(Names(["8.8.8.8", "10.0.0.1"])).resolve("files.platform.example", 443)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/f",
        "https://127.0.0.1/f",
        "https://[::1]/f",
        "https://2130706433/f",
        "https://0x7f.1/f",
        "http://files.platform.example/f",
        "https://files.platform.example:8443/f",
        "https://files.platform.example@evil.example/f",
        "https://ann:secret@files.platform.example/f",
        "https://files.platform.example.evil.example/f",
        "https://evilcdn.example/f",
        "https://cdn.example/f",
        "https://files.platform.example/f\r\nX-Evil: 1",
        "file:///etc/passwd",
        "gopher://files.platform.example/f",
        "",
    ],
)
async def test_what_is_no_address_of_the_platform_is_refused_before_anything_is_looked_up(url: str) -> None:
    """F086: hosts, schemes, ports, credentials in the address, other ways to write an IP, line ends."""
    names = Names(["93.184.216.34"])
    async with downloader(names) as fetcher:
        with pytest.raises(MediaRefused) as refused:
            await fetcher.get(Download(url, CDN), 100)
    assert refused.value.state == "refused"
    assert names.asked == []


@pytest.mark.parametrize("url", ["https://files.platform.example/f", "https://a.cdn.example/f"])
async def test_a_documented_name_that_leads_inside_is_refused(url: str) -> None:
    """F086: DNS that answers with a private address, also on the second look (rebinding)."""
    found = await refusal(Download(url, CDN), ["169.254.169.254"])
    assert (found.state, "not public" in str(found)) == ("refused", True)


async def test_nothing_of_an_address_but_its_host_is_told() -> None:
    """T21: the address holds the bot's token."""
    download = Download("https://files.platform.example/file/bot42:SECRET/x", CDN, {"Authorization": "Bearer SECRET"})
    found = await refusal(download, ["10.0.0.1"])
    assert "SECRET" not in repr(download) + str(found) + repr(found.__cause__) + repr(found.__context__)


class Platform:
    """Two servers on loopback: the platform's interface, and the place where its files lie."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str | None]] = []
        self.location = ""
        self.body = b"hello"
        self.status = 200
        self.headers: dict[str, str] = {}
        self.waits = asyncio.Event()

    async def redirect(self, request: web.Request) -> web.Response:
        self.seen.append((request.path, request.headers.get("Authorization")))
        return web.Response(status=307, headers={"Location": self.location})

    async def file(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.path, request.headers.get("Authorization")))
        if request.path == "/drip":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"x")
            await self.waits.wait()
            return response
        if request.path == "/unsized":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(self.body)
            return response
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@asynccontextmanager
async def platform() -> AsyncIterator[tuple[Platform, str]]:
    made = Platform()
    application = web.Application()
    application.add_routes([web.get("/media", made.redirect), web.get("/{name}", made.file)])
    async with TestServer(application, host="127.0.0.1") as server:
        yield made, f"http://127.0.0.1:{server.port}"
        made.waits.set()


async def test_a_redirect_to_a_private_address_is_not_followed() -> None:
    """F086, W9."""
    async with platform() as (made, origin), downloader(Names(["8.8.8.8"])) as fetcher:
        made.location = "http://169.254.169.254/latest/meta-data"
        with pytest.raises(MediaRefused) as refused:
            await fetcher.get(Download(f"{origin}/media", CDN, own_origin=origin), 100)
    assert refused.value.state == "refused"
    assert [path for path, _ in made.seen] == ["/media"]


async def test_a_redirect_to_another_port_of_this_machine_is_not_followed() -> None:
    async with platform() as (made, origin), platform() as (other, inside), downloader() as fetcher:
        made.location = f"{inside}/f"
        with pytest.raises(MediaRefused):
            await fetcher.get(Download(f"{origin}/media", CDN, own_origin=origin), 100)
    assert other.seen == []


async def test_credentials_end_at_a_redirect_to_another_origin() -> None:
    """W9: basic auth goes to api.twilio.com only. The file's host is refused here, after the header was dropped."""
    async with platform() as (made, origin), downloader(Names(["10.0.0.1"])) as fetcher:
        made.location = "https://a.cdn.example/f"
        sent: list[dict[str, str]] = []
        follow = fetcher._session_for

        def noting(url: object, download: Download) -> object:
            session = follow(url, download)  # type: ignore[arg-type]
            get = session.get

            def noted(address: object, headers: dict[str, str], **rest: object) -> object:
                sent.append(dict(headers))
                return get(address, headers=headers, **rest)  # type: ignore[arg-type]

            session.get = noted  # type: ignore[method-assign, assignment]
            return session

        fetcher._session_for = noting  # type: ignore[method-assign, assignment]
        with pytest.raises(MediaRefused):
            await fetcher.get(Download(f"{origin}/media", CDN, {"Authorization": "Basic x"}, own_origin=origin), 100)
    assert sent == [{"Authorization": "Basic x"}, {}]
    assert made.seen == [("/media", "Basic x")]


async def test_a_redirect_on_the_same_origin_keeps_the_credentials_and_gives_the_file() -> None:
    async with platform() as (made, origin), downloader() as fetcher:
        made.location = "/f"
        download = Download(f"{origin}/media", CDN, {"Authorization": "Bearer x"}, own_origin=origin)
        assert await fetcher.get(download, 100) == b"hello"
    assert made.seen == [("/media", "Bearer x"), ("/f", "Bearer x")]


async def test_redirects_in_a_circle_end() -> None:
    async with platform() as (made, origin), downloader() as fetcher:
        made.location = "/media"
        with pytest.raises(MediaRefused, match="too often"):
            await fetcher.get(Download(f"{origin}/media", CDN, own_origin=origin), 100)


@pytest.mark.parametrize("path", ["f", "unsized"])
async def test_a_file_is_cut_off_at_the_limit_whatever_it_says_of_itself(path: str) -> None:
    """F079: counted while it comes."""
    async with platform() as (made, origin), downloader() as fetcher:
        made.body = b"x" * 101
        with pytest.raises(MediaRefused) as refused:
            await fetcher.get(Download(f"{origin}/{path}", (), own_origin=origin), 100)
        made.body = b"x" * 100
        assert len(await fetcher.get(Download(f"{origin}/{path}", (), own_origin=origin), 100)) == 100
    assert refused.value.state == "too_big"


async def test_a_compressed_answer_is_not_unpacked() -> None:
    """F079: a small answer must not become a large one."""
    async with platform() as (made, origin), downloader() as fetcher:
        made.headers = {"Content-Encoding": "gzip"}
        with pytest.raises(MediaRefused) as refused:
            await fetcher.get(Download(f"{origin}/f", (), own_origin=origin), 100)
    assert refused.value.state == "refused"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (404, "expired"),
        (410, "expired"),
        (401, "refused"),
        (403, "refused"),
        (429, "unavailable"),
        (503, "unavailable"),
    ],
)
async def test_each_answer_has_its_meaning(status: int, state: str) -> None:
    async with platform() as (made, origin), downloader() as fetcher:
        made.status = status
        with pytest.raises(MediaRefused) as refused:
            await fetcher.get(Download(f"{origin}/f", (), own_origin=origin), 100)
    assert refused.value.state == state


async def test_a_file_that_drips_does_not_hold_anybody_up() -> None:
    async with platform() as (_, origin), downloader(within_s=0.05) as fetcher:
        with pytest.raises(MediaRefused) as refused:
            await fetcher.get(Download(f"{origin}/drip", (), own_origin=origin), 100)
    assert refused.value.state == "unavailable"
