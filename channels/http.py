"""Reading a webhook's body within limits, and answering when nothing can be journaled."""

import asyncio
from contextlib import AsyncExitStack
from weakref import WeakKeyDictionary

from aiohttp import web

from core.failpoints import reach

READ_LIMIT_BYTES = 1024 * 1024 + 64 * 1024
"""What is read at all (F074). Between the inbox's own limit, 1 MiB, and this one an authentic payload is kept as
quarantined."""
ORDINARY_BYTES = 64 * 1024
"""Longer bodies are read a few at a time: platforms send them rarely, and many at once would fill the memory (F074)."""
LONG_BODIES_AT_ONCE = 8
READ_WITHIN_S = 20.0
"""A body that drips holds a connection no longer than this (SECURITY S5)."""
RETRY_AFTER_S = 5

_places: "WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]" = WeakKeyDictionary()
"""Who may read a long body; a semaphore belongs to its event loop."""


async def read_body(request: web.Request, max_bytes: int = READ_LIMIT_BYTES) -> bytes:
    """Read the raw bytes of a request, giving up as soon as there are too many.

    Raises:
        web.HTTPUnsupportedMediaType: the body is compressed; no platform does that and a bomb would.
        web.HTTPRequestEntityTooLarge: more than `max_bytes`.
        web.HTTPRequestTimeout: the body is not complete after `READ_WITHIN_S`.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise web.HTTPUnsupportedMediaType(text="send the body uncompressed\n")
    if (request.content_length or 0) > max_bytes:
        raise web.HTTPRequestEntityTooLarge(max_size=max_bytes, actual_size=request.content_length or 0)
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            body = await _read(request, max_bytes)
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    await reach("accept.read", request.path.split("/", 2)[1])
    return body


async def _read(request: web.Request, max_bytes: int) -> bytes:
    body = bytearray()
    async with AsyncExitStack() as places:
        async for chunk in request.content.iter_any():
            size = len(body) + len(chunk)
            if size > max_bytes:
                body.clear()  # the refusal lives until it is sent, and its traceback keeps what is here
                raise web.HTTPRequestEntityTooLarge(max_size=max_bytes, actual_size=size)
            if len(body) <= ORDINARY_BYTES < size:
                await places.enter_async_context(_place())
            body += chunk
        return bytes(body)


def _place() -> asyncio.Semaphore:
    return _places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(LONG_BODIES_AT_ONCE))


def headers_of(request: web.Request, names: tuple[str, ...]) -> dict[str, str]:
    """Return the named headers (lower-case names) that are there: the allow-list kept with the payload."""
    return {name: request.headers[name] for name in names if name in request.headers}


def try_later() -> web.Response:
    """Answer a platform whose payload could not be made durable: it keeps the payload and comes again."""
    return web.Response(status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
