"""The bare handler that the hub is measured beside: verify, parse, one keyword, one reply over HTTP, nothing kept.

Run as a process of its own: `python -m tests.bench.bare PORT API_URL SECRET`.
"""

import asyncio
import hashlib
import hmac
import sys

import aiohttp
import orjson
import uvloop
from aiohttp import web


def bare_app(api_url: str, secret: bytes) -> web.Application:
    """Build the handler; it acknowledges first and answers in a task, as one writes it without a hub."""
    tasks: set[asyncio.Task[None]] = set()
    app = web.Application()

    async def session(_app: web.Application):
        async with aiohttp.ClientSession() as client:
            app["client"] = client
            yield

    async def answer(event: dict[str, str]) -> None:
        text = "It takes 2 to 4 working days." if "deliver" in event["text"] else "I did not understand."
        body = orjson.dumps({"channel": event["channel"], "text": text})
        headers = {"Content-Type": "application/json", "Authorization": "Bearer xoxb-bench"}
        async with app["client"].post(f"{api_url}chat.postMessage", data=body, headers=headers) as response:
            await response.read()

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        base = b"v0:" + request.headers["X-Slack-Request-Timestamp"].encode() + b":" + body
        expected = "v0=" + hmac.new(secret, base, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers["X-Slack-Signature"]):
            return web.Response(status=401)
        task = asyncio.create_task(answer(orjson.loads(body)["event"]))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return web.Response()

    async def ready(_request: web.Request) -> web.Response:
        return web.Response()

    app.cleanup_ctx.append(session)
    app.router.add_post("/slack/acme/events", receive)
    app.router.add_get("/readyz", ready)
    return app


if __name__ == "__main__":
    uvloop.install()
    web.run_app(
        bare_app(sys.argv[2], sys.argv[3].encode()),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        print=None,
        access_log=None,
    )
