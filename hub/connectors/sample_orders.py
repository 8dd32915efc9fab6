"""A sample orders system for trials and tests: `POST /orders/find`, its orders from `config/sample/orders.yaml`."""

import hmac
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import yaml
from aiohttp import web
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from core.clock import Clock
from core.errors import ConfigError
from hub.clock import SystemClock
from hub.connectors.orders import Order, Status
from hub.settings import PROJECT

SAMPLE_PATH = "/sample"
"""Where the hub mounts the sample; the orders client's base URL ends with it."""
BUNDLED = PROJECT / "config" / "sample" / "orders.yaml"


class SampleOrder(BaseModel):
    """One order of the sample shop; its day counts from today, so that the sample stays fresh."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_number: str
    email: str
    status: Status
    carrier: str | None = None
    expected_in_days: int | None = None


class Question(BaseModel):
    """What the orders system is asked."""

    order_number: str
    email: str


def load_sample_orders(path: Path) -> tuple[SampleOrder, ...]:
    """Read the sample.

    Raises:
        ConfigError: the file is missing or holds something else.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TypeAdapter(tuple[SampleOrder, ...]).validate_python(content)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error


def sample_orders_app(orders: Sequence[SampleOrder] | None = None, clock: Clock | None = None) -> web.Application:
    """Build the sample's web application; by default with the bundled orders and the real clock."""
    by_number = {order.order_number: order for order in (load_sample_orders(BUNDLED) if orders is None else orders)}
    clock = clock or SystemClock()

    async def find(request: web.Request) -> web.Response:
        try:
            asked = Question.model_validate_json(await request.read())
        except ValidationError:
            raise web.HTTPBadRequest(text="order_number and email are needed\n") from None
        order = by_number.get(asked.order_number.upper())
        if order is None or not _same(order.email, asked.email):
            raise web.HTTPNotFound(text="no such order\n")
        return web.json_response(text=_told(order, clock).model_dump_json())

    application = web.Application(client_max_size=4096)
    application.router.add_post("/orders/find", find)
    return application


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.casefold().encode(), other.casefold().encode())


def _told(order: SampleOrder, clock: Clock) -> Order:
    days = order.expected_in_days
    day = None if days is None else clock.now().date() + timedelta(days=days)
    return Order(order_number=order.order_number, status=order.status, carrier=order.carrier, expected_on=day)
