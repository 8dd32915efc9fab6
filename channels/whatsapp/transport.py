"""The HTTP under twilio's client: one aiohttp session, one deadline, no retries, no redirects, no logging of addresses.

Apart from `client.py` so that nothing of the SDK is imported before an account is built.
"""

import logging
from collections.abc import Mapping, Sequence

import aiohttp
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from channels.payload import load_object
from channels.whatsapp.failures import failure_from
from core.errors import MalformedPayload, PermanentFailure, TemporaryFailure, UnknownOutcome

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
"""F046: nothing heard for so long is an unknown outcome."""
MAX_ANSWER_BYTES = 1024 * 1024
"""F049. A page of 100 messages is below 400 kB."""

NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Name not found, refused, TLS failed, no connection in time: no byte of the request left."""


class Transport(AsyncHttpClient):  # type: ignore[misc]  # twilio ships no types
    """Carries one request; what is not a success leaves as a `DeliveryError`, before the SDK reads it."""

    def __init__(self, origins: Sequence[str], deadline_s: float) -> None:
        super().__init__(logging.getLogger(__name__), True, deadline_s)
        self._origins = tuple(f"{origin}/" for origin in origins)
        self._timeout = aiohttp.ClientTimeout(
            total=deadline_s, sock_connect=min(CONNECT_TIMEOUT_S, deadline_s), sock_read=min(READ_TIMEOUT_S, deadline_s)
        )
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Make one request. `timeout` and `allow_redirects` are the SDK's; ours are fixed.

        Raises:
            DeliveryError: anything but a readable success.
        """
        if not url.startswith(self._origins):
            raise PermanentFailure("twilio pointed to another host; the credentials stay here", code="foreign_host")
        try:
            status, answer_headers, body = await self._exchange(method, url, params, data, headers, auth)
        except NOT_SENT as error:
            raise TemporaryFailure(f"twilio was not reached: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnknownOutcome(f"twilio did not answer: {type(error).__name__}") from error
        if not 200 <= status < 300:
            raise failure_from(status, answer_headers, body)
        return Response(status, _readable(body), answer_headers)

    async def _exchange(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        data: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        auth: tuple[str, str] | None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        async with self._open().request(
            method,
            url,
            params=params,
            data=data,
            headers={**(headers or {}), "Authorization": aiohttp.encode_basic_auth(*auth)} if auth else headers,
            timeout=self._timeout,
            allow_redirects=False,
        ) as answer:
            return answer.status, answer.headers, await _read(answer)

    def _open(self) -> aiohttp.ClientSession:
        """Return the session; it is made on first use, inside the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def close(self) -> None:
        """Let go of the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    chunks = bytearray()
    async for chunk in answer.content.iter_any():
        chunks += chunk
        if len(chunks) > MAX_ANSWER_BYTES:
            raise UnknownOutcome(f"twilio answered {answer.status} with more than {MAX_ANSWER_BYTES} bytes")
    return bytes(chunks)


def _readable(body: bytes) -> str:
    """Return a success as text; one that is not a JSON object proves nothing."""
    try:
        load_object(body)
    except MalformedPayload as error:
        raise UnknownOutcome("twilio answered a success that cannot be read") from error
    return body.decode("utf-8-sig")
