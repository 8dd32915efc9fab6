"""The orders system over HTTP: the action `orders.find`.

`POST {base_url}/orders/find` with `{"order_number", "email"}`. 200 and the order when both belong together, 404
otherwise, whichever of the two is wrong: the check of identity is the system's, and this client cannot tell what it
was not told. The body keeps the mail address out of access logs (row 91). Only the fields of `Order` are taken
(row 187).
"""

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Literal

import aiohttp
from pydantic import BaseModel, ConfigDict, ValidationError

from core.conversation import ActionResult
from core.model import Json

ACTION = "orders.find"
TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 64 * 1024

Status = Literal["processing", "shipped", "delayed", "delivered", "cancelled"]


class Order(BaseModel):
    """What a customer may hear about an order; whatever else the system tells is dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    order_number: str
    status: Status
    carrier: str | None = None
    expected_on: date | None = None
    """Day of arrival, expected or past; in the order's own time zone."""


class Orders:
    """Satisfies `core.ports.Action`. Finding changes nothing, so asking again is always safe.

    Args:
        base_url: of the orders system, without `/orders/find`.
        session: shared with other clients; this class neither opens nor closes it.
        timeout_s: seconds from the question to the last byte of the answer.
        token: sent as a bearer token where given.
    """

    def __init__(
        self, base_url: str, session: aiohttp.ClientSession, *, timeout_s: float = TIMEOUT_S, token: str | None = None
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/orders/find"
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def __call__(self, arguments: Mapping[str, Json]) -> ActionResult:
        """Find an order; never raises for what the other side does: that is `unavailable`."""
        started = asyncio.get_running_loop().time()
        result = await self._find({name: arguments[name] for name in ("order_number", "email")})
        return result.model_copy(update={"latency_ms": (asyncio.get_running_loop().time() - started) * 1000})

    async def _find(self, wanted: Mapping[str, Json]) -> ActionResult:
        try:
            async with self._session.post(
                self._url, json=wanted, headers=self._headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                body = await response.content.read(MAX_ANSWER_BYTES) if response.status == 200 else b""
                return _result(response.status, body, wanted)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return ActionResult(outcome="unavailable")


def _result(status: int, body: bytes, wanted: Mapping[str, Json]) -> ActionResult:
    if status == 404:
        return ActionResult(outcome="not_found")
    if status in (401, 403):
        return ActionResult(outcome="refused")
    if status != 200:
        return ActionResult(outcome="unavailable")
    try:
        order = Order.model_validate_json(body)
    except ValidationError:
        return ActionResult(outcome="unavailable")
    if order.order_number.casefold() != str(wanted["order_number"]).casefold():
        return ActionResult(outcome="unavailable")
    return ActionResult(outcome="ok", data=order.model_dump(mode="json"))
