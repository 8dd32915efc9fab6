"""Links to kept files for agents: signed, good for minutes, and answered so that no browser opens what is behind them.

There is no log-in yet; whoever holds a link may use it, so `frontdesk media link` makes one for one agent at a time.
"""

import hashlib
import hmac
import re
from datetime import timedelta
from email.utils import format_datetime

from aiohttp import web

from core.clock import Clock
from core.errors import StoreError
from core.media import MediaFile
from core.ports import MediaShelf

GOOD_FOR = timedelta(minutes=10)
PATH = "/media"
SHA256 = re.compile(r"[0-9a-f]{64}")
DIGITS = re.compile(r"\d{1,12}")
LOCKED_UP = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""SECURITY S11, FAULTS F079."""


class Links:
    """Makes links and answers them.

    Args:
        key: signs them; the same in every process that serves.
        shelf: where the files are.
        clock: until when a link is good.
    """

    def __init__(self, key: bytes, shelf: MediaShelf, clock: Clock) -> None:
        self._key = key
        self._shelf = shelf
        self._clock = clock

    def link(self, origin: str, sha256: str) -> str:
        """Return the address of a file, good for `GOOD_FOR` from now."""
        until = int((self._clock.now() + GOOD_FOR).timestamp())
        return f"{origin}{PATH}/{sha256}?until={until}&proof={self._proof(sha256, until)}"

    def _proof(self, sha256: str, until: int) -> str:
        return hmac.new(self._key, f"media {sha256} {until}".encode(), hashlib.sha256).hexdigest()

    def routes(self) -> list[web.RouteDef]:
        """Return the one route."""
        return [web.get(f"{PATH}/{{sha256}}", self._serve, allow_head=False)]

    async def _serve(self, request: web.Request) -> web.Response:
        sha256, until = request.match_info["sha256"], request.query.get("until", "")
        if not (SHA256.fullmatch(sha256) and DIGITS.fullmatch(until) and self._is_ours(request, sha256, int(until))):
            return web.Response(status=404)
        try:
            file = await self._shelf.kept(sha256)
        except StoreError:
            return web.Response(status=503)
        return web.Response(status=404) if file is None else answer_with(file)

    def _is_ours(self, request: web.Request, sha256: str, until: int) -> bool:
        proof = request.query.get("proof", "").encode("utf-8", "replace")
        is_signed = hmac.compare_digest(proof, self._proof(sha256, until).encode())
        return is_signed and self._clock.now().timestamp() < until


def answer_with(file: MediaFile) -> web.Response:
    """Hand a file over as something to save, under a name of ours."""
    headers = {
        **LOCKED_UP,
        "Content-Disposition": f'attachment; filename="{file_name(file)}"',
        "Expires": format_datetime(file.until, usegmt=True),
    }
    return web.Response(body=file.data, content_type=file.media_type, headers=headers)


def file_name(file: MediaFile) -> str:
    """Name a file by its content: what its sender called it is never a path here (F079).

    >>> from datetime import UTC, datetime
    >>> until = datetime(2026, 1, 1, tzinfo=UTC)
    >>> file_name(MediaFile(sha256="ab" * 32, media_type="image/png", data=b"", until=until))
    'abababababababab.png'
    """
    return f"{file.sha256[:16]}.{ENDINGS.get(file.media_type, 'bin')}"


ENDINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/heic": "heic",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/amr": "amr",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "text/plain": "txt",
}
"""Endings of the types that are kept by default; what else a policy lets in gets none of a program's."""
