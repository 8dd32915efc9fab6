"""The shop's orders system: knows every order that anybody asks for, so that each answer names what it answers."""

from aiohttp import web

from hub.emulate.faults import Platform
from hub.emulate.http import retry_after_header


class OrdersStandin:
    """`POST /orders/find`."""

    name: Platform = "orders"

    def routes(self) -> list[web.RouteDef]:
        """Return the one question."""
        return [web.post("/orders/find", self._find)]

    def is_send(self, request: web.Request) -> bool:
        """Count every question, for there is nothing else."""
        return True

    def rate_limited(self, retry_after: str | None) -> web.Response:
        """Return 429."""
        return web.json_response({"error": "slow down"}, status=429, headers=retry_after_header(retry_after))

    def unauthorized(self) -> web.Response:
        """Return 401."""
        return self.refusal("401")

    def refusal(self, code: str) -> web.Response:
        """Return this status."""
        return web.json_response({"error": "refused"}, status=int(code))

    async def _find(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        found = {"order_number": wanted["order_number"], "status": "processing", "expected_on": None}
        return web.json_response(found)
