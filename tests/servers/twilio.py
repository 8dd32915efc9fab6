"""Twilio's WhatsApp as npm `emulate` plays it: it signs webhooks and keeps the messages that were created."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers.node import running_node
from tests.servers.ports import free_port

ACCOUNT_SID = "AC" + "0" * 32
AUTH_TOKEN = "auth-token-of-the-emulator"
NUMBER = "whatsapp:+15551234567"
"""Our sender. The emulator knows no WhatsApp senders, only phone numbers: one with the prefix in its name does."""


@dataclass(frozen=True)
class TwilioServer:
    """One running account."""

    port: int

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        headers = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.api_url + path, **more) as response,
        ):
            answer: dict[str, Any] = await response.json()
            assert response.ok, f"{path}: {answer}"
        return answer

    async def say(self, person: str, text: str) -> str:
        """Let somebody write to us; returns the message's sid. The hub has answered the webhook when this returns."""
        form = {"From": person, "To": NUMBER, "Body": text}
        return str((await self._request("POST", "/_twilio/simulate/inbound-message", data=form))["sid"])

    async def replies_to(self, person: str) -> list[dict[str, Any]]:
        """Return what we sent to somebody, oldest first."""
        path = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
        listed = await self._request("GET", path, params={"To": person, "PageSize": "100"})
        return list(reversed(listed["messages"]))

    async def set_status(self, sid: str, status: str) -> None:
        """Let the network tell what became of a message; the signed status callback goes to the hub."""
        form = {"MessageSid": sid, "Status": status}
        await self._request("POST", "/_twilio/simulate/message-status", data=form)


@contextmanager
def running_twilio(folder: Path, hub_url: str) -> Iterator[TwilioServer]:
    """Run the account while the block lasts; messages to `NUMBER` go to the hub's account `main`."""
    port = free_port()
    seed = {
        "account": {"sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN},
        "phone_numbers": [{"phone_number": NUMBER, "sms_url": f"{hub_url}/whatsapp/main"}],
    }
    with running_node("emulate.mjs", folder, "emulate", {"service": "twilio", "port": port, "seed": {"twilio": seed}}):
        yield TwilioServer(port)
