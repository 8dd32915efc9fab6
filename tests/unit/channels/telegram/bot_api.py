"""A small stand-in of the Bot API on loopback: it notes every call and answers as told."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "4242:AAtest-token_of-a-stand-in"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
RELEASED = web.AppKey("released", asyncio.Event)


def ok(result: Any) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True, "result": result})

    return answer


def refuse(status: int, description: str, **parameters: int) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        told = {"ok": False, "error_code": status, "description": description, "parameters": parameters}
        return web.json_response(told, status=status)

    return answer


def raw(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def hang(request: web.Request) -> web.StreamResponse:
    await request.app[RELEASED].wait()
    return web.Response(status=500)


async def drip(request: web.Request) -> web.StreamResponse:
    """Send a byte now and then: each read is in time, the whole is not (F047)."""
    response = web.StreamResponse()
    await response.prepare(request)
    while not request.app[RELEASED].is_set():
        await response.write(b" ")
        await asyncio.sleep(0.02)
    return response


async def drop(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def sent_message(message_id: int = 77) -> dict[str, Any]:
    return {"message_id": message_id, "date": 1, "chat": {"id": 1, "type": "private"}}


class BotApi:
    """Answers each method from its queue; the last answer of a queue stays."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        self.seen: asyncio.Queue[str] = asyncio.Queue()
        app = web.Application()
        app[RELEASED] = asyncio.Event()
        app.router.add_post("/bot{token}/{method}", self._answer)
        self._released = app[RELEASED]
        self._server = TestServer(app)

    def will(self, method: str, *answers: Answer) -> None:
        self.answers[method] = list(answers)

    def params(self, method: str) -> list[dict[str, str]]:
        return [params for name, params in self.calls if name == method]

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    async def start(self) -> None:
        await self._server.start_server()

    async def stop(self) -> None:
        self._released.set()
        await self._server.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        fields = {name: str(value) for name, value in (await request.post()).items()}
        self.calls.append((method, fields))
        self.seen.put_nowait(method)
        if request.match_info["token"] != TOKEN:
            return await refuse(401, "Unauthorized")(request)
        queue = self.answers[method]
        if not queue:
            return await refuse(404, "Not Found")(request)
        return await (queue.pop(0) if len(queue) > 1 else queue[0])(request)


def as_list(value: str) -> Any:
    return json.loads(value)
