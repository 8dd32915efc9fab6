"""Meta's Graph API: send one message, look at the number. One aiohttp session, one deadline, no retries."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from channels.payload import load_object
from channels.whatsapp.cloud.account import CloudSettings
from channels.whatsapp.cloud.failures import failure_from
from core.errors import MalformedPayload, TemporaryFailure, UnknownOutcome
from core.model import Json
from core.replies import Receipt

DEADLINE_S = 20.0
"""From opening the connection to the last byte (SEMANTICS section 6.4, F047)."""
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
"""F046: nothing heard for so long is an unknown outcome."""
MAX_ANSWER_BYTES = 1024 * 1024
"""F049. Meta's answers are below 2 kB."""
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Name not found, refused, TLS failed, no connection in time: no byte of the request left."""
ABOUT_THE_NUMBER = "display_phone_number,verified_name,quality_rating"


class CloudClient:
    """The calls of one phone number; each is made once, within a deadline."""

    def __init__(self, settings: CloudSettings, *, deadline_s: float = DEADLINE_S) -> None:
        self.api_url = settings.api_url
        self._root = f"{settings.api_url}/{settings.api_version}"
        self._number_id = settings.phone_number_id
        self._number = f"{self._root}/{settings.phone_number_id}"
        self.proof = {"Authorization": f"Bearer {settings.access_token.get_secret_value()}"}
        self._timeout = aiohttp.ClientTimeout(
            total=deadline_s, sock_connect=min(CONNECT_TIMEOUT_S, deadline_s), sock_read=min(READ_TIMEOUT_S, deadline_s)
        )
        self._session: aiohttp.ClientSession | None = None

    async def create(self, params: Mapping[str, Json], *, callback_data: str) -> Receipt:
        """Send one message; `callback_data` comes back with each of its statuses.

        Raises:
            DeliveryError: see `failures.py`.
        """
        body = json.dumps({**params, "biz_opaque_callback_data": callback_data}, ensure_ascii=False).encode()
        answer = await self._ask("POST", f"{self._number}/messages", body)
        try:
            message = answer["messages"][0]
            return Receipt(provider_id=message["id"], details={"status": str(message.get("message_status", ""))})
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise UnknownOutcome(f"meta's answer has not the documented shape: {type(error).__name__}") from error

    async def show_typing(self, wamid: str) -> None:
        """Mark a message as read and show a typing sign, for 25 seconds or until the next message.

        Source: developers.facebook.com/docs/whatsapp/cloud-api/typing-indicators [K].

        Raises:
            DeliveryError: Meta did not.
        """
        call = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
        body = json.dumps({**call, "typing_indicator": {"type": "text"}}).encode()
        await self._ask("POST", f"{self._number}/messages", body)

    async def number(self) -> dict[str, Any]:
        """Return what Meta knows about our number: `display_phone_number`, `verified_name`, `quality_rating`.

        Raises:
            DeliveryError: the token is refused, or Meta does not answer.
        """
        return await self._ask("GET", f"{self._number}?fields={ABOUT_THE_NUMBER}")

    async def medium(self, media_id: str) -> dict[str, Any]:
        """Return what Meta knows about a medium: `url`, good for five minutes, `mime_type`, `sha256`, `file_size`.

        Raises:
            DeliveryError: the medium is gone, the token is refused, or Meta does not answer.
        """
        return await self._ask("GET", f"{self._root}/{quote(media_id, safe='')}?phone_number_id={self._number_id}")

    async def _ask(self, method: str, url: str, body: bytes | None = None) -> dict[str, Any]:
        try:
            status, headers, answer = await self._exchange(method, url, body)
        except NOT_SENT as error:
            raise TemporaryFailure(f"meta was not reached: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnknownOutcome(f"meta did not answer: {type(error).__name__}") from error
        if not 200 <= status < 300:
            raise failure_from(status, headers, answer)
        try:
            return load_object(answer)
        except MalformedPayload as error:
            raise UnknownOutcome("meta answered a success that cannot be read") from error

    async def _exchange(self, method: str, url: str, body: bytes | None) -> tuple[int, Mapping[str, str], bytes]:
        headers = self.proof | ({"Content-Type": "application/json"} if body is not None else {})
        async with self._open().request(
            method, url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
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
            raise UnknownOutcome(f"meta answered {answer.status} with more than {MAX_ANSWER_BYTES} bytes")
    return bytes(chunks)
