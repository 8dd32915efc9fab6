"""A language model behind a chat-completions API, with scripted answers: the same words to the same test, every time.

Shape: platform.openai.com/docs/api-reference/chat, which local servers and most providers share.
"""

import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from hub.emulate.faults import Platform
from hub.emulate.http import DID, retry_after_header
from hub.emulate.world import World

KEY = "stand-in-model-key"
NOTHING_SCRIPTED = "The stand-in has no answer left."


@dataclass
class ModelStandin:
    """`POST /v1/chat/completions`."""

    world: World
    name: Platform = "model"
    _script: deque[dict[str, Any]] = field(default_factory=deque)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def script(self, *answers: str | dict[str, Any]) -> None:
        """Let it give these answers next: words, or a whole message (`{"tool_calls": [...]}`)."""
        self._script += [{"content": answer} if isinstance(answer, str) else answer for answer in answers]

    def routes(self) -> list[web.RouteDef]:
        """Return the one method."""
        return [web.post("/v1/chat/completions", self._complete)]

    def is_send(self, request: web.Request) -> bool:
        """Count every request, for there is nothing else."""
        return True

    def rate_limited(self, retry_after: str | None) -> web.Response:
        """Return 429."""
        return _refusal(429, "rate_limit_exceeded", retry_after)

    def unauthorized(self) -> web.Response:
        """Return 401."""
        return _refusal(401, "invalid_api_key")

    def refusal(self, code: str) -> web.Response:
        """Return 400 with this code, such as `context_length_exceeded`."""
        return _refusal(400, code)

    async def _complete(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return self.unauthorized()
        asked = await request.json()
        message = {"role": "assistant", "content": None}
        message |= self._script.popleft() if self._script else {"content": NOTHING_SCRIPTED}
        name = f"chatcmpl-{next(self._ids)}"
        request[DID] = name
        answer = {
            "id": name,
            "object": "chat.completion",
            "created": int(self.world.clock.now().timestamp()),
            "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": _reason(message)}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }
        return web.json_response(answer)


def _reason(message: dict[str, Any]) -> str:
    return "tool_calls" if message.get("tool_calls") else "stop"


def _refusal(status: int, code: str, retry_after: str | None = None) -> web.Response:
    error = {"message": code.replace("_", " "), "type": "invalid_request_error", "code": code}
    return web.json_response({"error": error}, status=status, headers=retry_after_header(retry_after))
