"""Parrot's API: one aiohttp session, one deadline, no retries."""

from collections.abc import Mapping

import aiohttp
from channels.payload import load_object
from core.errors import MalformedPayload, TemporaryFailure, UnknownOutcome
from core.model import Json
from core.replies import Receipt

from frontdesk_parrot.account import AccountSettings
from frontdesk_parrot.failures import failure_from

TIMEOUT = aiohttp.ClientTimeout(total=20.0, sock_connect=5.0)
"""The hub takes no send for older than 20 seconds."""
MAX_ANSWER_BYTES = 1024 * 1024
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Name not found, refused, TLS failed, no connection in time: no byte of the request left."""


class ParrotClient:
    """The calls of one account; each is made once."""

    def __init__(self, settings: AccountSettings) -> None:
        self._url = settings.api_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
        self._session: aiohttp.ClientSession | None = None

    async def create(self, params: Mapping[str, Json], out_id: str) -> Receipt:
        """Send one message; `out_id` travels along, so that the platform's books can be compared with ours.

        Raises:
            DeliveryError: see `failures.py`.
        """
        status, headers, body = await self._ask("POST", "messages", {**params, "client_id": out_id})
        if not 200 <= status < 300:
            raise failure_from(status, headers)
        try:
            answer = load_object(body)
        except MalformedPayload as error:
            raise UnknownOutcome("parrot answered a success that cannot be read") from error
        if not isinstance(answer.get("id"), str):
            raise UnknownOutcome("parrot's answer has not the documented shape")
        return Receipt(provider_id=answer["id"])

    async def look(self) -> None:
        """Ask who we are, to see whether the token is accepted.

        Raises:
            DeliveryError: it is not, or Parrot does not answer.
        """
        status, headers, _ = await self._ask("GET", "me")
        if not 200 <= status < 300:
            raise failure_from(status, headers)

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Json] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            async with self._open().request(
                method, f"{self._url}/{path}", json=body, headers=self._headers, allow_redirects=False
            ) as answer:
                return answer.status, answer.headers, await _read(answer)
        except NOT_SENT as error:
            raise TemporaryFailure(f"parrot was not reached: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnknownOutcome(f"parrot did not answer: {type(error).__name__}") from error

    def _open(self) -> aiohttp.ClientSession:
        """Return the session; it is made on first use, inside the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=TIMEOUT)
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
            raise UnknownOutcome(f"parrot answered {answer.status} with more than {MAX_ANSWER_BYTES} bytes")
    return bytes(chunks)
