import asyncio
import io

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels.http import READ_LIMIT_BYTES, headers_of, read_body, try_later


async def receive(request: web.Request) -> web.Response:
    body = await read_body(request)
    return web.json_response({"bytes": len(body), "kept": headers_of(request, ("x-kept",))})


@pytest.fixture
async def client():
    app = web.Application()
    app.router.add_post("/", receive)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_body_is_read_as_it_came(client: TestClient) -> None:
    answer = await client.post("/", data=b"\x00\xff", headers={"X-Kept": "yes", "X-Other": "no"})
    assert await answer.json() == {"bytes": 2, "kept": {"x-kept": "yes"}}


async def test_a_body_that_is_too_big_is_refused_with_and_without_its_length(client: TestClient) -> None:
    """F074."""

    async def chunks():
        for _ in range(READ_LIMIT_BYTES // 65536 + 2):
            yield b"x" * 65536

    assert (await client.post("/", data=io.BytesIO(b"x" * (READ_LIMIT_BYTES + 1)))).status == 413
    assert (await client.post("/", data=chunks())).status == 413


async def test_a_compressed_body_is_refused(client: TestClient) -> None:
    """F075."""
    answer = await client.post(
        "/", data=b"x", headers={"Content-Encoding": "gzip"}, skip_auto_headers=["Content-Length"]
    )
    assert answer.status in {400, 415}


async def test_a_body_that_drips_is_given_up(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """F076."""
    monkeypatch.setattr("channels.http.READ_WITHIN_S", 0.1)

    async def drip():
        yield b"{"
        await asyncio.sleep(0.5)
        yield b"}"

    assert (await client.post("/", data=drip())).status == 408


def test_a_platform_that_must_come_again_is_told_when() -> None:
    answer = try_later()
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
