"""The chat page and the files it is made of."""

import html
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from aiohttp import web

from channels.web.account import AccountSettings

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES = tuple(sorted(path.name for path in STATIC.iterdir() if path.suffix in MEDIA_TYPES))
FILE_HEADERS = {
    "Cache-Control": "no-cache",  # asked again each time, answered 304 by the file's ETag
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",  # a site that embeds us loads widget.js
}


class Pages:
    """The page of one account: no inline script or style, nothing from elsewhere."""

    def __init__(self, base: str, settings: AccountSettings, public_url: str) -> None:
        self._base = base
        self._text = _page(base, settings)
        self._headers = page_headers(settings.allowed_origins, public_url)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the page and its files."""
        files = [web.get(f"{self._base}/{name}", _file) for name in FILES]
        return [web.get(self._base, self.show), web.get(f"{self._base}/", self.show), *files]

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        return web.Response(text=self._text, content_type="text/html", headers=self._headers)


async def _file(request: web.Request) -> web.FileResponse:
    name = request.path.rpartition("/")[2]  # one of our own routes, so one of our own names
    path = STATIC / name
    return web.FileResponse(path, headers={**FILE_HEADERS, "Content-Type": MEDIA_TYPES[path.suffix]})


def _page(base: str, settings: AccountSettings) -> str:
    template = Template((STATIC / "page.html").read_text("utf-8"))
    hint = settings.trial_hint or ""
    return template.substitute(
        base=html.escape(base),
        title=html.escape(settings.title),
        trial_hint=html.escape(hint),
        trial_hint_hidden="" if hint else "hidden",
    )


def page_headers(allowed_origins: tuple[str, ...], public_url: str) -> dict[str, str]:
    """Return the headers of the page (SECURITY S8, S18).

    `frame-ancestors` is the list of sites that may embed the page; `'self'` of connect-src does not cover WebSocket in
    older browsers (Safari before 15.4), so our own is named.
    """
    socket = urlsplit(public_url)._replace(scheme="wss" if public_url.startswith("https:") else "ws").geturl()
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self' {socket}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": " ".join(("'self'", *allowed_origins)),
        "require-trusted-types-for": "'script'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
