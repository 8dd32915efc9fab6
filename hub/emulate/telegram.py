"""Telegram: the Bot API of one bot. Source: core.telegram.org/bots/api."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from hub.emulate.faults import Platform
from hub.emulate.files import Files
from hub.emulate.http import DID, arguments_of, is_gone, retry_after_header
from hub.emulate.ledger import Button
from hub.emulate.telegram_markup import CannotParse, without_tags
from hub.emulate.telegram_updates import Updates, Webhook
from hub.emulate.world import World

BOT_ID = 4242
TOKEN = f"{BOT_ID}:AAstand-in_token"
WEBHOOK_SECRET = "stand-in-webhook-secret"  # noqa: S105  of nobody
USERNAME = "frontdesk_bot"
BOT = {"id": BOT_ID, "is_bot": True, "first_name": "Frontdesk", "username": USERNAME}
MAX_TEXT_UTF16_UNITS = 4096
"""After the tags are gone (T12)."""
MAX_FILE_BYTES = 20 * 1024 * 1024
"""T21: what getFile hands over."""
REFUSALS = {
    "400": "Bad Request: chat not found",
    "403": "Forbidden: bot was blocked by the user",
    "409": "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
}
"""T6, T9."""


@dataclass
class TelegramStandin:
    """One bot. It keeps no history that could be read, as the real one."""

    world: World
    name: Platform = "telegram"
    files: Files = field(default_factory=Files)
    typing: list[str] = field(default_factory=list)
    """Chats that were shown a typing sign, in order."""
    blocked_by: set[str] = field(default_factory=set)
    """Chats whose person has blocked the bot: sends are refused with 403 (T9)."""
    moved: dict[str, int] = field(default_factory=dict)
    """Groups that became supergroups, and their new ids: sends are refused with 400, which tells the id (T10)."""
    _sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1000))

    def __post_init__(self) -> None:
        self.updates = Updates(self.world)

    def routes(self) -> list[web.RouteDef]:
        """Return the Bot API."""
        return [
            web.route("*", "/bot{token}/{method}", self._answer),
            web.get("/file/bot{token}/documents/{file}", self._download),
        ]

    def is_send(self, request: web.Request) -> bool:
        """Tell whether a request sends a message or a file."""
        method = request.match_info.get("method", "")
        return method.startswith("send") and method != "sendChatAction"

    def rate_limited(self, retry_after: str | None) -> web.Response:
        """Return 429; Telegram tells the seconds in the body (T22)."""
        answer: dict[str, Any] = {"ok": False, "error_code": 429, "description": "Too Many Requests"}
        if retry_after is not None:
            seconds = int(retry_after) if retry_after.lstrip("-").isdigit() else retry_after
            answer["parameters"] = {"retry_after": seconds}
        return web.json_response(answer, status=429, headers=retry_after_header(retry_after))

    def unauthorized(self) -> web.Response:
        """Return 401: the token was revoked."""
        return _refusal(401, "Unauthorized")

    def refusal(self, code: str) -> web.Response:
        """Return the refusal with this status."""
        return _refusal(int(code), REFUSALS.get(code, "Bad Request"))

    def message(self, message_id: str) -> dict[str, Any]:
        """Return a message of the bot, as a person's app has it."""
        return self._sent[message_id]

    async def _answer(self, request: web.Request) -> web.Response:  # noqa: C901  one case for each method
        if request.match_info["token"] != TOKEN:
            return self.unauthorized()
        fields = await arguments_of(request)
        method = request.match_info["method"]
        match method:
            case "getMe":
                return _ok(BOT)
            case "setWebhook":
                kinds = list(_parsed(fields.get("allowed_updates")) or ())
                self.updates.set_webhook(Webhook(str(fields["url"]), str(fields.get("secret_token", "")), kinds))
                return _ok(True)
            case "deleteWebhook":
                self.updates.set_webhook(None)
                return _ok(True)
            case "getWebhookInfo":
                return _ok(self.updates.info())
            case "getUpdates":
                found = await self.updates.poll(int(fields.get("offset", 0)), float(fields.get("timeout", 0)))
                return _ok(found) if isinstance(found, list) else _refusal(409, found)
            case "getFile":
                return self._file(str(fields["file_id"]))
            case "answerCallbackQuery":
                return _ok(True)
            case "sendChatAction":
                self.typing.append(str(fields["chat_id"]))
                return _ok(True)
            case _ if method.startswith("send"):
                return await self._send(request, method, fields)
            case _:
                return _refusal(404, "Not Found: method not found")

    def _file(self, name: str) -> web.Response:
        if (file := self.files.find(name)) is None:
            return _refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(file.data) > MAX_FILE_BYTES:
            return _refusal(400, "Bad Request: file is too big")
        return _ok({"file_id": name, "file_size": len(file.data), "file_path": f"documents/{name}"})

    async def _download(self, request: web.Request) -> web.Response:
        file = self.files.find(request.match_info["file"])
        if file is None or request.match_info["token"] != TOKEN:
            return web.Response(status=404)
        return web.Response(body=file.data)

    async def _send(self, request: web.Request, method: str, fields: dict[str, Any]) -> web.Response:
        chat = str(fields["chat_id"])
        if chat in self.blocked_by:
            return _refusal(403, REFUSALS["403"])
        if chat in self.moved:
            moved = {"migrate_to_chat_id": self.moved[chat]}
            return _refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", moved)
        try:
            text = _words(method, fields)
        except CannotParse as error:
            return _refusal(400, f"Bad Request: can't parse entities: {error}")
        if not text:
            return _refusal(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > MAX_TEXT_UTF16_UNITS:
            return _refusal(400, "Bad Request: message is too long")
        pace = self.world.pace
        await pace.before_taking("telegram", is_gone(request))
        message = self._keep(chat, text, _parsed(fields.get("reply_markup")))
        request[DID] = str(message["message_id"])
        await pace.before_answering("telegram", is_gone(request))
        return _ok(message)

    def _keep(self, chat: str, text: str, markup: dict[str, Any] | None) -> dict[str, Any]:
        number = next(self._ids)
        where = {"id": int(chat), "type": "private" if int(chat) > 0 else "supergroup"}
        now = int(self.world.clock.now().timestamp())
        message: dict[str, Any] = {"message_id": number, "date": now, "from": BOT, "chat": where, "text": text}
        if markup:
            message["reply_markup"] = markup
        self._sent[str(number)] = message
        self.world.ledger.record("telegram", chat, text, str(number), buttons=_buttons_of(message))
        return message


def _words(method: str, fields: Mapping[str, Any]) -> str:
    """Return what a message says; a file without a caption is shown as what it is.

    Raises:
        CannotParse: the tags of an HTML text are not Telegram's (T13).
    """
    text = str(fields.get("text") or fields.get("caption") or "")
    if method != "sendMessage" and not text:
        return f"[{method.removeprefix('send')}]"
    return without_tags(text) if fields.get("parse_mode") == "HTML" else text


def _parsed(value: Any) -> Any:
    """Return an object or a list, which a form carries as JSON and JSON as it is."""
    return orjson.loads(value) if isinstance(value, str) else value


def _buttons_of(message: Mapping[str, Any]) -> tuple[Button, ...]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", ())
    return tuple(Button(button["text"], button["callback_data"]) for row in rows for button in row)


def _ok(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _refusal(status: int, description: str, parameters: dict[str, Any] | None = None) -> web.Response:
    answer: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    return web.json_response(answer | ({"parameters": parameters} if parameters else {}), status=status)


def text_update(update_id: int, chat: int, message_id: int, text: str, now_s: int) -> dict[str, Any]:
    """Return an update with a text in a private chat, where chat and person have one id."""
    return {
        "update_id": update_id,
        "message": {
            "message_id": message_id,
            "from": _person(chat) | {"id": chat},
            "chat": {"id": chat, "type": "private", "first_name": f"Person {chat}"},
            "date": now_s,
            "text": text,
        },
    }


def photo_update(update: dict[str, Any], file_id: str, album: str | None) -> dict[str, Any]:
    """Return an update of a text as one of a photo with that caption; photos of one album share its id (T19)."""
    message = {name: value for name, value in update["message"].items() if name != "text"}
    caption = {"caption": update["message"]["text"]} if update["message"]["text"] else {}
    group = {"media_group_id": album} if album is not None else {}
    return update | {"message": message | caption | group | {"photo": [{"file_id": file_id, "width": 9, "height": 9}]}}


def press_update(update_id: int, chat: int, message: Mapping[str, Any], data: str) -> dict[str, Any]:
    """Return an update that tells of a pressed button (T15)."""
    query = {
        "id": str(update_id * 1000),
        "from": _person(chat),
        "message": message,
        "chat_instance": str(chat),
        "data": data,
    }
    return {"update_id": update_id, "callback_query": query}


def _person(chat: int) -> dict[str, Any]:
    name = {"first_name": f"Person {chat}", "username": f"person_{chat}"}
    return {"id": chat, "is_bot": False, "language_code": "en"} | name
