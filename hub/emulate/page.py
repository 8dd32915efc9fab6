"""The developer's page, the calls behind it, and the control API for faults, the ledger and the model's answers."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from jinja2 import Environment, FileSystemLoader
from pydantic import BaseModel, Field, ValidationError

from core.model import Model
from hub.emulate.faults import Fault, Platform
from hub.emulate.people import MAX_WORDS, TALKING, Deed, People, Talking
from hub.emulate.platforms import Platforms
from hub.emulate.presets import Preset, all_presets

STATIC = Path(__file__).parent / "static"
FILES = {"page.js": "text/javascript", "page.css": "text/css"}
SHOWN_LINES = 100
LOOK_EVERY_S = 0.1
HELD_S = 20.0
"""How long a browser that has seen everything waits for more."""
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
TITLES = {"slack": "Slack", "telegram": "Telegram", "whatsapp": "WhatsApp", "email": "Email"} | {
    "orders": "Orders",
    "helpdesk": "Help desk",
    "model": "Language model",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Asked = TypeVar("Asked", bound=BaseModel)


class Saying(Model):
    """Somebody writes."""

    platform: Talking
    text: str = Field(min_length=1, max_length=MAX_WORDS)


class Pressing(Model):
    """Somebody presses a button."""

    platform: Talking
    message: str
    value: str


class Doing(Model):
    """Somebody edits, deletes, reacts or blocks."""

    platform: Talking
    deed: Deed
    message: str = ""
    text: str = Field(default="", max_length=MAX_WORDS)


class Beginning(Model):
    """Somebody else begins."""

    platform: Talking


class Script(Model):
    """What the model answers next."""

    answers: tuple[str | dict[str, Any], ...]


class Silence(Model):
    """Time passes without a message."""

    hours: float = Field(gt=0)


class Approval(Model):
    """A template is approved."""

    name: str = Field(min_length=1)
    """ContentSid, or name and language: `order_update/en_US`."""
    body: str = Field(default="", max_length=1024)
    """With its variables: `Order {{1}} is {{2}}.`; empty for a content that only shows choices."""
    choices: int = Field(default=0, ge=0, le=10)
    """How many choices such a content has, at Twilio."""


class Page:
    """Serves one developer.

    Args:
        is_local: refuse requests under another name than this machine's, so that no foreign page can call us by a
            name of its own that points here.
    """

    def __init__(self, platforms: Platforms, people: People, *, is_local: bool) -> None:
        self._platforms = platforms
        self._people = people
        self._is_local = is_local
        self._presets = all_presets(platforms.whatsapp_by)
        loader = FileSystemLoader(STATIC)
        self._html = (
            Environment(loader=loader, autoescape=True).get_template("page.html").render(_skeleton(self._presets))
        )

    def application(self) -> web.Application:
        """Return what is served."""
        application = web.Application(middlewares=[self._guard])
        application.add_routes(
            [
                web.get("/", self._show),
                *(web.get(f"/{name}", _file) for name in FILES),
                web.get("/api/state", self._state),
                web.post("/api/say", self._say),
                web.post("/api/press", self._press),
                web.post("/api/do", self._do),
                web.post("/api/person", self._replace),
                web.get("/control/faults", self._faults),
                web.post("/control/faults", self._add_fault),
                web.delete("/control/faults", self._remove_faults),
                web.get("/control/ledger", self._ledger),
                web.post("/control/model", self._script),
                web.post("/control/silence", self._be_silent),
                web.post("/control/templates", self._approve),
            ]
        )
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what another site's page could send; say in one sentence what is wrong with a request."""
        if self._is_local and request.host.rpartition(":")[0] not in LOCAL_NAMES:
            return web.json_response({"error": "ask by 127.0.0.1 or localhost"}, status=403)
        if request.method == "POST" and request.content_type != "application/json":
            return web.json_response({"error": "send application/json"}, status=415)
        try:
            response = await handler(request)
        except ValidationError as error:
            told = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()]
            return web.json_response({"error": "; ".join(told)}, status=422)
        response.headers.update(HEADERS)
        return response

    async def _show(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._html, content_type="text/html")

    # what is to be seen

    async def _state(self, request: web.Request) -> web.Response:
        """Answer with everything there is to see, once it is not what the browser has seen."""
        seen, give_up = request.query.get("seen"), self._platforms.world.clock.monotonic() + HELD_S
        while True:
            state = self._seen_now()
            version = hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]
            if version != seen or self._platforms.world.clock.monotonic() > give_up:
                return web.json_response({"version": version, **state})
            await asyncio.sleep(LOOK_EVERY_S)

    def _seen_now(self) -> dict[str, Any]:
        active = self._platforms.world.faults.active()
        return {
            "talks": {platform: self._people.shown(platform) for platform in TALKING},
            "pending": {"telegram": self._platforms.telegram.updates.info()["pending_update_count"]},
            "faults": [fault.model_dump() for fault in active],
            "on": [
                f"{platform}-{number}"
                for platform, offered in self._presets.items()
                for number, (_, preset) in enumerate(offered)
                if any(fault.is_like(preset) for fault in active)
            ],
            "ledger": [line.as_json() for line in list(self._platforms.ledger.lines)[-SHOWN_LINES:]],
        }

    # what a person does

    async def _say(self, request: web.Request) -> web.Response:
        asked = await _read(request, Saying)
        self._people.say(asked.platform, asked.text)
        return web.json_response({}, status=202)

    async def _press(self, request: web.Request) -> web.Response:
        asked = await _read(request, Pressing)
        try:
            self._people.press(asked.platform, asked.message, asked.value)
        except LookupError as error:
            return web.json_response({"error": str(error)}, status=404)
        return web.json_response({}, status=202)

    async def _do(self, request: web.Request) -> web.Response:
        asked = await _read(request, Doing)
        try:
            self._people.do(asked.platform, asked.deed, asked.message, asked.text)
        except LookupError as error:
            return web.json_response({"error": str(error)}, status=404)
        return web.json_response({}, status=202)

    async def _replace(self, request: web.Request) -> web.Response:
        self._people.replace((await _read(request, Beginning)).platform)
        return web.json_response({})

    # control

    async def _faults(self, _request: web.Request) -> web.Response:
        return web.json_response([fault.model_dump() for fault in self._platforms.world.faults.active()])

    async def _add_fault(self, request: web.Request) -> web.Response:
        fault = await _read(request, Fault)
        await self._platforms.add_fault(fault)
        return web.json_response(fault.model_dump(), status=201)

    async def _remove_faults(self, request: web.Request) -> web.Response:
        """Remove the fault in the body, or all where there is no body."""
        if await request.read():
            await self._platforms.remove_fault(await _read(request, Fault))
        else:
            await self._platforms.heal()
        return web.json_response({})

    async def _ledger(self, request: web.Request) -> web.Response:
        """Answer with the lines after number `after`."""
        after = request.query.get("after", "0")
        if not after.isdecimal():
            return web.json_response({"error": "after is a line's number"}, status=422)
        lines = [line.as_json() for line in self._platforms.ledger.lines if line.number > int(after)]
        return web.json_response({"lines": lines})

    async def _be_silent(self, request: web.Request) -> web.Response:
        """Let hours have passed, at WhatsApp, since everybody wrote."""
        self._platforms.whatsapp.window.pass_hours((await _read(request, Silence)).hours)
        return web.json_response({})

    async def _approve(self, request: web.Request) -> web.Response:
        """Approve a template at WhatsApp, or register a content with choices."""
        asked = await _read(request, Approval)
        window = self._platforms.whatsapp.window
        if asked.choices:
            window.register(asked.name, asked.choices)
        else:
            window.approve(asked.name, asked.body)
        return web.json_response({}, status=201)

    async def _script(self, request: web.Request) -> web.Response:
        self._platforms.model.script(*(await _read(request, Script)).answers)
        return web.json_response({})


async def _read(request: web.Request, model: type[Asked]) -> Asked:
    return model.model_validate_json(await request.read())


async def _file(request: web.Request) -> web.FileResponse:
    name = request.path.removeprefix("/")  # one of our own routes, so one of our own names
    return web.FileResponse(STATIC / name, headers={"Content-Type": f"{FILES[name]}; charset=utf-8"})


def _skeleton(all_offered: Mapping[Platform, list[Preset]]) -> dict[str, Any]:
    """Return what the page's template needs."""
    offered = {
        platform: [
            {"id": f"{platform}-{number}", "label": label, "fault": fault.model_dump_json(exclude_defaults=True)}
            for number, (label, fault) in enumerate(presets)
        ]
        for platform, presets in all_offered.items()
    }
    return {"talking": TALKING, "titles": TITLES, "presets": offered, "max_words": MAX_WORDS}
