"""A visitor of the web chat, by its HTTP interface: says things under its own ids, reads on from the last `seq`."""

import asyncio
from dataclasses import dataclass

import aiohttp

from hub.emulate.ledger import Ledger

POLL_S = 2.0
AGAIN_AFTER_S = 0.2


@dataclass
class WebVisitor:
    """One open chat window. What it is shown goes into the ledger."""

    session: aiohttp.ClientSession
    url: str
    ledger: Ledger
    token: str = ""
    place: str = ""
    seen: int = 0
    address: str = ""
    """Network address, as a proxy in front of the hub tells it; a hub that trusts no proxy does not listen."""

    async def open(self) -> None:
        """Begin a conversation."""
        async with self.session.post(f"{self.url}/web/site/sessions", headers=self._headers) as answer:
            answer.raise_for_status()
            opened = await answer.json()
        self.token, self.place = opened["token"], opened["conversation_id"]

    async def say(self, client_id: str, text: str) -> bool:
        """Post a message once; True when it is kept for certain."""
        said = {"id": client_id, "text": text}
        async with self.session.post(f"{self.url}/web/site/messages", json=said, headers=self._headers) as answer:
            return answer.status // 100 == 2

    async def read_on(self) -> None:
        """Show what arrives, until cancelled; a hub that is away is asked again."""
        while True:
            try:
                await self._read()
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _read(self) -> None:
        query = {"after": str(self.seen), "wait": str(POLL_S)}
        async with self.session.get(f"{self.url}/web/site/messages", params=query, headers=self._headers) as answer:
            answer.raise_for_status()
            page = await answer.json()
        for message in page["messages"]:
            if message["from"] != "you":
                self.ledger.record("web", self.place, message["text"], str(message["seq"]))
        self.seen, self.token = page["next"], page["token"]

    @property
    def _headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return headers | ({"X-Forwarded-For": self.address} if self.address else {})
