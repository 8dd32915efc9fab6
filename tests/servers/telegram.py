"""Telegram as npm `telegram-test-api` plays it, with the repairs of `telegram.js`: polling, webhook, buttons."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers.node import running_node
from tests.servers.ports import free_port

TOKEN = "123456:token-of-the-emulator"


@dataclass(frozen=True)
class TelegramServer:
    """One running Bot API with one bot."""

    port: int

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _request(self, method: str, path: str, **more: Any) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.api_url + path, **more) as response,
        ):
            answer = await response.json()
            assert response.ok, f"{path}: {answer}"
        return answer

    async def say(self, person: int, text: str) -> None:
        """Let somebody write to the bot in a private chat."""
        message = {**_person(person), "botToken": TOKEN, "date": _now(), "text": text}
        await self._request("POST", "/sendMessage", json=message)

    async def press(self, person: int, reply: dict[str, Any], label: str) -> None:
        """Press an inline button of a reply that the emulator holds."""
        keyboard = reply["message"]["reply_markup"]["inline_keyboard"]
        data = next(button["callback_data"] for row in keyboard for button in row if button["text"] == label)
        message = {
            "message_id": reply["messageId"],
            "from": {"id": int(TOKEN.partition(":")[0]), "is_bot": True, "first_name": "Frontdesk"},
            "chat": _person(person)["chat"],
            "date": _now(),
            "text": reply["message"]["text"],
            "reply_markup": {"inline_keyboard": keyboard},
        }
        press = {"botToken": TOKEN, "from": _person(person)["from"], "message": message, "data": data}
        await self._request("POST", "/sendCallback", json=press)

    async def replies_to(self, person: int) -> list[dict[str, Any]]:
        """Return what the bot sent to somebody, oldest first."""
        history = await self._request("POST", "/getUpdatesHistory", json={"token": TOKEN})
        return [entry for entry in history["result"] if entry.get("message", {}).get("chat_id") == str(person)]

    async def answered_presses(self) -> list[str]:
        """Return the ids of presses whose spinning was stopped."""
        return list(await self._request("GET", "/answeredPresses"))


def _person(number: int) -> dict[str, Any]:
    named = {"id": number, "first_name": "Ann", "username": f"ann{number}"}
    return {
        "from": {**named, "is_bot": False, "language_code": "en"},
        "chat": {**named, "type": "private"},
    }


def _now() -> int:
    return int(time.time())


@contextmanager
def running_telegram(folder: Path) -> Iterator[TelegramServer]:
    """Run the Bot API while the block lasts."""
    port = free_port()
    with running_node("telegram.js", folder, "telegram-test-api", {"port": port}):
        yield TelegramServer(port)
