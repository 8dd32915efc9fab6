"""Fetches one file over HTTP: only from where its platform keeps files, bounded in bytes and time (F086)."""

import re
from collections.abc import Mapping

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from channels.media import Download
from core.errors import MediaRefused
from hub.media.addresses import PrivateAddress, PublicResolver

WITHIN_S = 20.0
"""SECURITY S10: absolute, from the first connection to the last byte."""
CONNECT_WITHIN_S = 5.0
MAX_HOPS = 4
"""A file's own address and three redirects; Twilio needs one (W9)."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
GONE = frozenset({404, 410})
PLAIN_URL = re.compile(r"https?://[!-~]+")
"""Printable ASCII without blanks: nothing in it can end a header line."""


class Downloader:
    """Fetches files. Nothing of an address but its host enters an error or a log.

    Args:
        names: looks host names up; the system's by default.
        within_s: for one file, in seconds.
    """

    def __init__(self, names: AbstractResolver | None = None, within_s: float = WITHIN_S) -> None:
        self._names = names
        self._timeout = aiohttp.ClientTimeout(total=within_s, sock_connect=CONNECT_WITHIN_S)
        self._public: aiohttp.ClientSession | None = None
        self._own: aiohttp.ClientSession | None = None

    async def get(self, download: Download, max_bytes: int) -> bytes:
        """Return the file.

        Raises:
            MediaRefused: `refused` where an address is not one of the platform's or the platform refuses us, `expired`
                where nothing is there any more, `too_big`, or `unavailable`: nobody answered properly.
        """
        failure: MediaRefused
        try:
            return await self._follow(download, max_bytes)
        except MediaRefused as refusal:
            failure = refusal
        except aiohttp.ClientConnectorDNSError as error:
            is_private = isinstance(error.os_error, PrivateAddress)
            failure = (
                MediaRefused("refused", "the platform's name leads to an address that is not public")
                if is_private
                else MediaRefused("unavailable", "the platform's name is not known now")
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            failure = MediaRefused("unavailable", f"the file did not come: {type(error).__name__}")
        raise failure  # outside of the handlers: the library's errors hold the address, and it may hold a token

    async def _follow(self, download: Download, max_bytes: int) -> bytes:
        url, headers = _read_url(download.url), download.headers
        for _ in range(MAX_HOPS):
            session = self._session_for(url, download)
            async with session.get(url, headers=headers, allow_redirects=False) as answer:
                if answer.status not in REDIRECTS:
                    return await _content(answer, max_bytes)
                target = url.join(_read_url(answer.headers.get("Location", ""), relative_to=url))
            headers = headers if target.origin() == url.origin() else {}
            url = target
        raise MediaRefused("refused", "the file is redirected too often")

    def _session_for(self, url: URL, download: Download) -> aiohttp.ClientSession:
        """Return what may connect to an address.

        Raises:
            MediaRefused: nobody may.
        """
        if download.own_origin is not None and str(url.origin()) == str(URL(download.own_origin).origin()):
            self._own = self._own or self._open(None)
            return self._own
        host = (url.host or "").lower()
        is_theirs = any(host == name or (name[0] == "." and host.endswith(name)) for name in download.hosts)
        if not is_theirs or url.scheme != "https" or url.port != 443 or url.user or url.password:
            raise MediaRefused("refused", "the file lies on a host where the platform keeps none")
        self._public = self._public or self._open(PublicResolver(self._names))
        return self._public

    def _open(self, resolver: AbstractResolver | None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,  # a small answer must not become a large one
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
        )

    async def close(self) -> None:
        """Close what was opened."""
        for session in (self._public, self._own):
            if session is not None:
                await session.close()


def _read_url(text: str, relative_to: URL | None = None) -> URL:
    """Read an address.

    Raises:
        MediaRefused: it is none.
    """
    absolute = text if "://" in text or relative_to is None else str(relative_to.join(URL(text, encoded=True)))
    if not PLAIN_URL.fullmatch(absolute):
        raise MediaRefused("refused", "the file's address cannot be used")
    return URL(absolute, encoded=True)


async def _content(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    _judge(answer.status, answer.headers)
    if (answer.content_length or 0) > max_bytes:
        raise MediaRefused("too_big", f"more than {max_bytes} bytes")
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > max_bytes:
            raise MediaRefused("too_big", f"more than {max_bytes} bytes")
    return bytes(content)


def _judge(status: int, headers: Mapping[str, str]) -> None:
    if status in GONE:
        raise MediaRefused("expired", f"the platform has the file no longer ({status})")
    if status == 429 or status >= 500 or status == 408:
        raise MediaRefused("unavailable", f"the platform answered {status}")
    if status != 200:
        raise MediaRefused("refused", f"the platform answered {status}")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise MediaRefused("refused", "the platform sent the file compressed")
