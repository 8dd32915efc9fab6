"""Telegram: the Bot API of one bot, and updates as its webhook gets them. Source: core.telegram.org/bots/api."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from tests.standins.http import is_gone
from tests.standins.ledger import Ledger
from tests.standins.pace import Pace

BOT_ID = 4242
TOKEN = f"{BOT_ID}:AAstand-in_token"
WEBHOOK_SECRET = "stand-in-webhook-secret"
USERNAME = "frontdesk_bot"


@dataclass
class TelegramStandin:
    """One bot. It keeps no history that could be read, as the real one."""

    ledger: Ledger
    pace: Pace
    webhook: str | None = None
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1000))

    def routes(self) -> list[web.RouteDef]:
        """Return the Bot API."""
        return [web.route("*", "/bot{token}/{method}", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != TOKEN:
            return _refusal(401, "Unauthorized")
        fields = await _fields(request)
        match request.match_info["method"]:
            case "getMe":
                return _ok({"id": BOT_ID, "is_bot": True, "first_name": "Frontdesk", "username": USERNAME})
            case "setWebhook":
                self.webhook = str(fields["url"])
                return _ok(True)
            case "deleteWebhook":
                self.webhook = None
                return _ok(True)
            case "getWebhookInfo":
                return _ok({"url": self.webhook or "", "has_custom_certificate": False, "pending_update_count": 0})
            case "getUpdates":
                return _ok([])
            case "answerCallbackQuery":
                return _ok(True)
            case "sendMessage":
                return await self._send(request, fields)
            case _:
                return _refusal(404, "Not Found: method not found")

    async def _send(self, request: web.Request, fields: dict[str, Any]) -> web.Response:
        if not fields.get("text"):
            return _refusal(400, "Bad Request: message text is empty")
        await self.pace.before_taking("telegram", is_gone(request))
        number, chat = next(self._ids), str(fields["chat_id"])
        self.ledger.record("telegram", chat, str(fields["text"]), str(number))
        await self.pace.before_answering("telegram", is_gone(request))
        sender = {"id": BOT_ID, "is_bot": True, "first_name": "Frontdesk", "username": USERNAME}
        where = {"id": int(chat), "type": "private"}
        return _ok({"message_id": number, "date": _now(), "from": sender, "chat": where, "text": fields["text"]})


def _now() -> int:
    return int(datetime.now(UTC).timestamp())


async def _fields(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    return {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}


def _ok(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _refusal(status: int, description: str) -> web.Response:
    return web.json_response({"ok": False, "error_code": status, "description": description}, status=status)


def text_update(update_id: int, chat: int, message_id: int, text: str) -> dict[str, Any]:
    """Return an update with a text in a private chat, where chat and person have one id."""
    person = {"first_name": f"Person {chat}", "username": f"person_{chat}"}
    return {
        "update_id": update_id,
        "message": {
            "message_id": message_id,
            "from": {"id": chat, "is_bot": False, "language_code": "en", **person},
            "chat": {"id": chat, "type": "private", **person},
            "date": _now(),
            "text": text,
        },
    }


async def deliver(session: aiohttp.ClientSession, url: str, update: dict[str, Any]) -> bool:
    """Post an update once; True when Telegram would go on with the next."""
    headers = {"X-Telegram-Bot-Api-Secret-Token": WEBHOOK_SECRET}
    async with session.post(f"{url}/telegram/support", json=update, headers=headers) as answer:
        return answer.status // 100 == 2
