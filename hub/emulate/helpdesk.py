"""A help desk with a neutral ticket API: tickets with an external id and tags, comments, a status.

Like the real ones it does not refuse a second ticket with the same external id: who repeats a request after a lost
answer must look first (F058).
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from hub.emulate.faults import Platform
from hub.emulate.http import DID, retry_after_header
from hub.emulate.world import World

TOKEN = "stand-in-helpdesk-token"  # noqa: S105  of nobody
STATUSES = ("open", "pending", "solved", "closed")


@dataclass
class HelpdeskStandin:
    """One help desk.

    - `POST /tickets` `{external_id, subject, body, requester, tags}` -> 201 and the ticket
    - `GET /tickets?tag=...` or `?external_id=...` -> `{"tickets": [...]}`
    - `GET /tickets/{id}`, `PATCH /tickets/{id}` `{status}` -> the ticket
    - `POST /tickets/{id}/comments` `{body, author, public}` -> 201 and the comment
    """

    world: World
    name: Platform = "helpdesk"
    tickets: list[dict[str, Any]] = field(default_factory=list)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def routes(self) -> list[web.RouteDef]:
        """Return the ticket API."""
        return [
            web.post("/tickets", self._create),
            web.get("/tickets", self._search),
            web.get("/tickets/{id}", self._show),
            web.patch("/tickets/{id}", self._change),
            web.post("/tickets/{id}/comments", self._comment),
        ]

    def is_send(self, request: web.Request) -> bool:
        """Tell whether a request changes something."""
        return request.method != "GET"

    def rate_limited(self, retry_after: str | None) -> web.Response:
        """Return 429."""
        return web.json_response({"error": "too_many_requests"}, status=429, headers=retry_after_header(retry_after))

    def unauthorized(self) -> web.Response:
        """Return 401."""
        return self.refusal("401")

    def refusal(self, code: str) -> web.Response:
        """Return this status."""
        return web.json_response({"error": "refused"}, status=int(code))

    async def _create(self, request: web.Request) -> web.Response:
        if not _is_ours(request):
            return self.unauthorized()
        asked = await request.json()
        number = next(self._ids)
        ticket = {
            "id": number,
            "external_id": asked.get("external_id"),
            "subject": asked["subject"],
            "requester": asked.get("requester"),
            "tags": list(asked.get("tags", ())),
            "status": "open",
            "comments": [{"id": 1, "body": asked["body"], "author": asked.get("requester"), "public": True}],
        }
        self.tickets.append(ticket)
        request[DID] = str(number)
        self.world.ledger.record("helpdesk", str(number), asked["body"], str(number), asked.get("external_id"))
        return web.json_response(ticket, status=201)

    async def _search(self, request: web.Request) -> web.Response:
        if not _is_ours(request):
            return self.unauthorized()
        tag, external_id = request.query.get("tag"), request.query.get("external_id")
        found = [
            ticket
            for ticket in self.tickets
            if (tag is None or tag in ticket["tags"]) and (external_id is None or ticket["external_id"] == external_id)
        ]
        return web.json_response({"tickets": found})

    async def _show(self, request: web.Request) -> web.Response:
        ticket = self._named(request)
        return ticket if isinstance(ticket, web.Response) else web.json_response(ticket)

    async def _change(self, request: web.Request) -> web.Response:
        ticket = self._named(request)
        if isinstance(ticket, web.Response):
            return ticket
        status = (await request.json()).get("status")
        if status not in STATUSES:
            return self.refusal("422")
        ticket["status"] = status
        request[DID] = str(ticket["id"])
        return web.json_response(ticket)

    async def _comment(self, request: web.Request) -> web.Response:
        ticket = self._named(request)
        if isinstance(ticket, web.Response):
            return ticket
        asked = await request.json()
        comment = {"id": len(ticket["comments"]) + 1, "body": asked["body"]}
        comment |= {"author": asked.get("author"), "public": bool(asked.get("public", True))}
        ticket["comments"].append(comment)
        request[DID] = f"{ticket['id']}/{comment['id']}"
        return web.json_response(comment, status=201)

    def _named(self, request: web.Request) -> dict[str, Any] | web.Response:
        if not _is_ours(request):
            return self.unauthorized()
        wanted = request.match_info["id"]
        return next((ticket for ticket in self.tickets if str(ticket["id"]) == wanted), self.refusal("404"))


def _is_ours(request: web.Request) -> bool:
    return request.headers.get("Authorization") == f"Bearer {TOKEN}"
