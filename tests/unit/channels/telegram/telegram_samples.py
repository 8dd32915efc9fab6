"""Updates as the Bot API sends them, from our own fixtures, with parts replaced."""

import json
from pathlib import Path
from typing import Any

from channels.telegram.normalize import Bot, normalize
from core.events import Event
from core.ids import AccountName
from tests.fakes import START

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/payloads/telegram"
US = Bot(AccountName("support"), id=4242, username="desk_bot")


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))
    return loaded


def body(update: Any) -> bytes:
    return json.dumps(update).encode()


def message(**parts: Any) -> dict[str, Any]:
    """A private message of Mira, with parts replaced; None takes a part away."""
    update = sample("text_private")
    update["message"] |= parts
    update["message"] = {name: part for name, part in update["message"].items() if part is not None}
    return update


def group_message(**parts: Any) -> dict[str, Any]:
    return message(**({"chat": {"id": -1001, "type": "supergroup", "title": "Owners"}} | parts))


def events(update: Any, bot: Bot = US) -> tuple[Event, ...]:
    return normalize(body(update), bot, START)
