"""Reading a webhook's body within limits, and answering when nothing can be journaled."""

import asyncio

from aiohttp import web

READ_LIMIT_BYTES = 4 * 1024 * 1024
"""What is read at all. Between the inbox's own limit and this one an authentic payload is kept as quarantined."""
READ_WITHIN_S = 20.0
"""A body that drips holds a connection no longer than this (SECURITY S5)."""
RETRY_AFTER_S = 5


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
            return await _read(request, max_bytes)
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error


async def _read(request: web.Request, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            raise web.HTTPRequestEntityTooLarge(max_size=max_bytes, actual_size=size)
        chunks.append(chunk)
    return b"".join(chunks)


def headers_of(request: web.Request, names: tuple[str, ...]) -> dict[str, str]:
    """Return the named headers (lower-case names) that are there: the allow-list kept with the payload."""
    return {name: request.headers[name] for name in names if name in request.headers}


def try_later() -> web.Response:
    """Answer a platform whose payload could not be made durable: it keeps the payload and comes again."""
    return web.Response(status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
