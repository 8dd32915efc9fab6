"""`/preview`: one reply side by side as each platform shows it, and a box to ask the bot and see all its answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.clock import Clock
from core.conversation import Turn
from core.errors import ConfigError
from core.ids import DeskName
from hub.content import Content
from hub.fidelity.check import sample_reply, variants_of
from hub.fidelity.guard import is_from_here, may_preview
from hub.fidelity.preview import Preview, call_as_text, preview
from hub.fidelity.rehearsal import MOST_CHARS, MOST_SAID, Rehearsal
from hub.settings import Desk, Settings
from hub.template_check import Sample, load_samples
from hub.templating import Templates

PATH = "/preview"
STATIC = Path(__file__).parent / "static"
FILES = {"page.js": "text/javascript", "page.css": "text/css"}
MAX_BODY_BYTES = MOST_SAID * MOST_CHARS * 4
"""A form with a whole talk in it, were every character four bytes."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser hides from us that our own form is ours
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Chosen:
    """What is looked at: a reply, in a language and a tone; or a talk with a desk."""

    name: str
    locale: str
    tone: str
    desk: str
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Material:
    """The templates as they are on the disk now, so that a change is seen at the next look."""

    templates: Templates
    samples: Mapping[str, Sample]

    @classmethod
    def read(cls, root: Path) -> "Material":
        """Read a folder of templates.

        Raises:
            ConfigError: a file in it is mistaken.
        """
        return cls(Templates(root), load_samples(root))

    @property
    def names(self) -> list[str]:
        """Return every reply that can be looked at."""
        return sorted(self.templates.replies & self.samples.keys())


def preview_routes(
    settings: Settings, content: Content, session: aiohttp.ClientSession, clock: Clock
) -> list[web.RouteDef]:
    """Return the page's routes; none on a hub that others can reach."""
    if not may_preview(settings):
        return []
    page = PreviewPage(settings, Rehearsal(settings, content, session, clock))
    files = [web.get(f"{PATH}/{name}", _here_only(_file)) for name in FILES]
    return [web.get(PATH, _here_only(page.show)), web.post(PATH, _here_only(page.say)), *files]


def _here_only(handler: Handler) -> Handler:
    """Answer others as though there were nothing."""

    @wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        if not is_from_here(request):
            raise web.HTTPNotFound
        response = await handler(request)
        response.headers.update(HEADERS)
        return response

    return guarded


async def _file(request: web.Request) -> web.FileResponse:
    name = request.path.rpartition("/")[2]  # one of our own routes, so one of our own names
    return web.FileResponse(STATIC / name, headers={"Content-Type": f"{FILES[name]}; charset=utf-8"})


class PreviewPage:
    """Serves one person at this machine."""

    def __init__(self, settings: Settings, rehearsal: Rehearsal) -> None:
        self._settings = settings
        self._rehearsal = rehearsal
        self._desks = {desk.name: desk for desk in settings.desks if desk.accounts}
        environment = Environment(
            loader=FileSystemLoader(STATIC),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["call"] = call_as_text
        self._html = environment.get_template("page.html")

    async def show(self, request: web.Request) -> web.Response:
        """Answer with one reply, as the address chooses it."""
        try:
            material = Material.read(self._settings.templates)
            chosen = self._chosen(material, request.query)
            reply = sample_reply(chosen.name, material.samples[chosen.name])
            previews = preview(material.templates, [reply], chosen.locale, chosen.tone)
        except ConfigError as error:
            return self._broken(error)
        return self._page(material, chosen, previews)

    async def say(self, request: web.Request) -> web.Response:
        """Answer with what the bot says to a talk."""
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length or 0)
        form = await request.post()
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        before = [value for value in form.getall("said", []) if isinstance(value, str)]
        text = (fields.get("pick") or fields.get("text") or "").strip()[:MOST_CHARS]
        said = tuple(line[:MOST_CHARS] for line in (*before, text) if line.strip())[-MOST_SAID:]
        if not text:
            raise web.HTTPSeeOther(PATH)
        try:
            material = Material.read(self._settings.templates)
            return await self._answered(material, self._chosen(material, fields, said))
        except ConfigError as error:
            return self._broken(error)

    async def _answered(self, material: Material, chosen: Chosen) -> web.Response:
        answer = await self._rehearsal.answer(self._desks[DeskName(chosen.desk)], chosen.said, chosen.locale)
        previews = preview(material.templates, answer.turn.replies, answer.locale, answer.tone)
        return self._page(material, chosen, previews, answer.turn)

    def _chosen(self, material: Material, fields: Mapping[str, str], said: tuple[str, ...] = ()) -> Chosen:
        """Read what is asked for; what there is not gives way to the first that there is."""
        variants = variants_of(material.templates, self._settings.desks)
        desk: Desk = next(iter(self._desks.values()))
        return Chosen(
            name=_one_of(material.names, fields.get("reply"), "greeting"),
            locale=_one_of(variants.locales, fields.get("locale"), desk.languages[0]),
            tone=_one_of(variants.tones, fields.get("tone"), desk.tone),
            desk=_one_of(list(map(str, self._desks)), fields.get("desk"), desk.name),
            said=said,
        )

    def _page(
        self, material: Material, chosen: Chosen, previews: tuple[Preview, ...], turn: Turn | None = None
    ) -> web.Response:
        variants = variants_of(material.templates, self._settings.desks)
        values: dict[str, Any] = {
            "path": PATH,
            "names": material.names,
            "locales": variants.locales,
            "tones": variants.tones,
            "desks": list(self._desks),
            "chosen": chosen,
            "previews": previews,
            "turn": turn,
            "most_chars": MOST_CHARS,
            "error": None,
        }
        return web.Response(text=self._html.render(values), content_type="text/html")

    def _broken(self, error: ConfigError) -> web.Response:
        """Say what is wrong with the templates; they are being written."""
        chosen = Chosen("", "", "", "")
        values = {"path": PATH, "names": [], "locales": [], "tones": [], "desks": [], "chosen": chosen, "previews": ()}
        text = self._html.render(values | {"turn": None, "most_chars": MOST_CHARS, "error": str(error)})
        return web.Response(text=text, content_type="text/html", status=500)


def _one_of(known: "list[str] | tuple[str, ...]", asked: str | None, usual: str) -> str:
    if asked in known:
        return str(asked)
    return usual if usual in known else known[0]
