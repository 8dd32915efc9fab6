"""Who may open the preview page: somebody at this machine, and nobody through a proxy.

The page runs the bot for whoever opens it, with the orders system behind it. So a hub that the public reaches does not
have it, and where it is, a request must show by itself that it comes from here.
"""

from urllib.parse import urlsplit

from aiohttp import web

from hub.settings import Settings

LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
PROXY_HEADERS = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip")
"""What proxies add; any of them means that the browser may be anywhere."""
OWN_SITE = frozenset({"same-origin", "none"})
"""`Sec-Fetch-Site` of our own page and of a typed address (W3C Fetch Metadata)."""


def may_preview(settings: Settings) -> bool:
    """Tell whether this hub is for this machine only: by where it listens, and by where others would find it."""
    return settings.server.host in LOCAL_NAMES and urlsplit(settings.origin).hostname in LOCAL_NAMES


def is_from_here(request: web.Request) -> bool:
    """Tell whether a browser on this machine asks, by a name of this machine, for a page of ours.

    The name keeps out other sites whose name points here (DNS rebinding), the rest what other sites make a browser do.
    """
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    host = urlsplit(f"//{request.host}").hostname
    return (
        peer is not None
        and peer[0] in LOCAL_NAMES
        and host in LOCAL_NAMES
        and not any(name in request.headers for name in PROXY_HEADERS)
        and _is_our_own(request)
    )


def _is_our_own(request: web.Request) -> bool:
    if request.method == "GET":
        return True
    origin = request.headers.get("Origin", f"http://{request.host}")
    return request.headers.get("Sec-Fetch-Site", "none") in OWN_SITE and origin == f"http://{request.host}"
