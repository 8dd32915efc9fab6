"""What a refusal of the Bot API means for the outbox. Source: core.telegram.org/bots/api#making-requests, T9, T15, T22.

| answer | meaning |
|---|---|
| 429 | not sent: `parameters.retry_after` seconds |
| 401, 404 | the token is refused (404: it is not even shaped like one) |
| 400 with `migrate_to_chat_id` | not sent: the group has another id now (T10) |
| 403 by Telegram | this person or group cannot be reached any more |
| 409 | somebody else receives for this bot; nothing was done |
| 3xx | not followed, or the token in the path would go elsewhere (F050) |
| other 4xx | refused for good |
| 408, 5xx, anything unreadable | may have been done: Telegram documents no rejection before processing |
"""

import json
from typing import Any

from core.errors import (
    AccountRefused,
    DeliveryError,
    PermanentFailure,
    RateLimited,
    RecipientMoved,
    TemporaryFailure,
    UnknownOutcome,
)
from core.outbox import retry_after_s

CANNOT_PARSE = "cannot_parse_entities"
QUERY_TOO_OLD = "query_too_old"
FILE_TOO_BIG = "file_too_big"
FILE_GONE = "file_gone"
CODES = {
    "can't parse entities": CANNOT_PARSE,
    "query is too old": QUERY_TOO_OLD,
    "chat not found": "chat_not_found",
    "message is too long": "message_too_long",
    "message text is empty": "message_empty",
    "not enough rights": "not_enough_rights",
    "file is too big": FILE_TOO_BIG,
    "invalid file_id": FILE_GONE,
    "wrong file_id": FILE_GONE,
}
"""Parts of Telegram's descriptions to the code that is shown and acted on."""
MAX_DESCRIPTION = 200
"""Characters of a description that are kept."""


def failure_from(status: int, body: bytes, retry_after: str | None = None) -> DeliveryError:
    """Read an answer that is no success.

    Args:
        status: the HTTP status.
        body: what came with it; Telegram's own answers are JSON, those of something in between are not.
        retry_after: the header of that name; Telegram itself tells the seconds in the body.

    >>> failure_from(429, b'{"ok":false,"parameters":{"retry_after":14}}').retry_after_s
    14.0
    """
    answer = read_answer(body)
    description = str(answer.get("description", "no description"))[:MAX_DESCRIPTION]
    if 200 <= status < 300:
        status = _error_code(answer)
    if status == 429:
        return RateLimited(_pause_s(answer, retry_after), f"telegram: {description}")
    if status in (401, 404):
        return AccountRefused(f"telegram refuses the bot token ({status}); ask @BotFather for a new one")
    if status == 409:
        return TemporaryFailure(f"telegram: {description}")
    if 300 <= status < 400:
        return PermanentFailure(f"telegram redirects ({status}), which is not followed", code="redirected")
    if 400 <= status < 500 and status != 408:
        return _refusal(status, answer, description)
    return UnknownOutcome(f"telegram answered {status or 'something unreadable'}")


def read_answer(body: bytes) -> dict[str, Any]:
    """Read the object in an answer; `{}` where there is none."""
    try:
        answer = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _error_code(answer: dict[str, Any]) -> int:
    """Return the status that a refusal inside a 2xx names; 0 where it names none."""
    code = answer.get("error_code")
    return code if answer.get("ok") is False and type(code) is int else 0


def _pause_s(answer: dict[str, Any], header: str | None) -> float:
    told = _parameter(answer, "retry_after")
    return retry_after_s(header if told is None else str(told))


def _parameter(answer: dict[str, Any], name: str) -> Any:
    parameters = answer.get("parameters")
    return parameters.get(name) if isinstance(parameters, dict) else None


def _refusal(status: int, answer: dict[str, Any], description: str) -> DeliveryError:
    """Read a 4xx; only Telegram's own 403 says something about the person, a proxy's does not."""
    chat = _parameter(answer, "migrate_to_chat_id")
    if type(chat) is int:
        place = {"chat_id": str(chat)}
        return RecipientMoved("telegram: the group became a supergroup", place=place, bucket=str(chat))
    if status == 403 and answer.get("ok") is False:
        return PermanentFailure(f"telegram: {description}", code="forbidden", unreachable=True)
    found = (code for part, code in CODES.items() if part in description.lower())
    code = next(found, f"http_{status}")
    return PermanentFailure(f"telegram: {description}", code=code, unreachable=code == "chat_not_found")
