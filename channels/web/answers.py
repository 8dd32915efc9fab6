"""What our HTTP interface answers: JSON, and errors as problem+json (RFC 9457)."""

import math
from collections.abc import Mapping

import orjson
from aiohttp import web

from core.model import Json

NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
"""SECURITY S18."""
TITLES = {
    400: "The request cannot be read",
    401: "The token is missing, forged or expired",
    403: "This site may not use this chat",
    413: "The request is too large",
    415: "The request cannot be read",
    429: "Too many requests",
    503: "Try again later with the same id",
}


def answer(body: Mapping[str, Json], status: int = 200) -> web.Response:
    """Answer with JSON that nobody keeps."""
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", headers=NO_STORE)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with an error a program can read and a person understands."""
    body = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "detail": detail}
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        content_type="application/problem+json",
        headers={**NO_STORE, **(headers or {})},
    )


def too_often(wait_s: float) -> web.Response:
    """Answer somebody who has to wait."""
    return problem(429, "slow down", {"Retry-After": str(max(1, math.ceil(wait_s)))})
