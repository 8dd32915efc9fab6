"""A visitor of the web chat who uses its HTTP interface."""

import uuid
from typing import Any

import aiohttp

from tests.servers.hub import Hub


class Visitor:
    """One session; it outlives restarts of the hub, as its token is signed."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._token = ""

    async def enter(self) -> "Visitor":
        answer = await self._request("POST", "sessions", {})
        self._token = answer["token"]
        return self

    async def say(self, text: str) -> None:
        await self._request("POST", "messages", {"id": str(uuid.uuid4()), "text": text})

    async def heard(self) -> list[str]:
        """Return the bot's words so far, in order."""
        messages = (await self._request("GET", "messages?after=0"))["messages"]
        return [message["text"] for message in messages if message["from"] != "you"]

    async def _request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, f"{self._hub.url}/web/site/{path}", json=body) as response,
        ):
            answer: dict[str, Any] = await response.json(content_type=None)
            assert response.ok, f"{path}: {response.status} {answer}"
        return answer
