"""What every stand-in that speaks HTTP needs."""

from collections.abc import Callable

from aiohttp import web


def is_gone(request: web.Request) -> Callable[[], bool]:
    """Return a question: has whoever made this request hung up?"""

    def gone() -> bool:
        return request.transport is None or request.transport.is_closing()

    return gone
