"""Meta's Graph API: send one message, look at the Page. One aiohttp session, one deadline, no retries."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
from channels.payload import load_object
from core.errors import MalformedPayload, TemporaryFailure, UnknownOutcome
from core.model import Json
from core.replies import Receipt

from frontdesk_messenger.account import AccountSettings
from frontdesk_messenger.failures import failure_from

DEADLINE_S = 20.0
"""From opening the connection to the last byte: the hub takes no send for older than that."""
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 1024 * 1024
"""Meta's answers are below 2 kB."""
TYPING_ON = {"sender_action": "typing_on"}
"""developers.facebook.com/docs/messenger-platform/send-messages/sender-actions."""
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Name not found, refused, TLS failed, no connection in time: no byte of the request left."""


class MessengerClient:
    """The calls of one Page; each is made once, within a deadline."""

    def __init__(self, settings: AccountSettings, *, deadline_s: float = DEADLINE_S) -> None:
        token = settings.access_token.get_secret_value()
        secret = settings.app_secret.get_secret_value()
        self._graph = f"{settings.api_url}/{settings.api_version}"
        self._page = f"{self._graph}/{settings.page_id}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._proof = {"appsecret_proof": hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()}
        self._timeout = aiohttp.ClientTimeout(
            total=deadline_s, sock_connect=min(CONNECT_TIMEOUT_S, deadline_s), sock_read=min(READ_TIMEOUT_S, deadline_s)
        )
        self._session: aiohttp.ClientSession | None = None

    async def create(self, params: Mapping[str, Json], *, metadata: str) -> Receipt:
        """Send one message; `metadata` comes back with its echo.

        Raises:
            DeliveryError: see `failures.py`.
        """
        message = params["message"]
        assert isinstance(message, dict)  # noqa: S101  as `render` wrote it
        body = json.dumps({**params, "message": {**message, "metadata": metadata}}, ensure_ascii=False).encode()
        answer = await self._ask("POST", "messages", body=body)
        if not isinstance(answer.get("message_id"), str):
            raise UnknownOutcome("messenger's answer has not the documented shape")
        return Receipt(provider_id=answer["message_id"])

    async def show_typing(self, recipient: Mapping[str, Json]) -> None:
        """Show a person that an answer is being written.

        Raises:
            DeliveryError: see `failures.py`.
        """
        await self._ask("POST", "messages", body=json.dumps({"recipient": recipient, **TYPING_ON}).encode())

    async def page(self) -> dict[str, Any]:
        """Return what Meta calls our Page.

        Raises:
            DeliveryError: the token is refused, or Meta does not answer.
        """
        return await self._ask("GET", "", {"fields": "name"})

    async def subscribed(self) -> frozenset[str]:
        """Return the webhook fields that the app is subscribed to at our Page.

        Raises:
            DeliveryError: the token is refused, or Meta does not answer.
        """
        apps = (await self._ask("GET", "subscribed_apps")).get("data")
        found = (
            [app.get("subscribed_fields") for app in apps if isinstance(app, dict)] if isinstance(apps, list) else []
        )
        return frozenset(str(field) for fields in found if isinstance(fields, list) for field in fields)

    async def attachments(self, message_id: str) -> list[Any]:
        """Return what is attached to a message, with addresses that are good for a while.

        Raises:
            DeliveryError: the message is not ours or gone, or Meta does not answer.
        """
        found = (await self._ask("GET", url=f"{self._graph}/{quote(message_id, safe='')}/attachments")).get("data")
        return found if isinstance(found, list) else []

    async def _ask(
        self,
        method: str,
        path: str = "",
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        url: str | None = None,
    ) -> dict[str, Any]:
        """Ask about something of our Page, or at a whole address of the Graph API."""
        url = url or f"{self._page}/{path}".rstrip("/")
        try:
            status, headers, answer = await self._exchange(method, url, {**self._proof, **(query or {})}, body)
        except NOT_SENT as error:
            raise TemporaryFailure(f"messenger was not reached: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnknownOutcome(f"messenger did not answer: {type(error).__name__}") from error
        if not 200 <= status < 300:
            raise failure_from(status, headers, answer)
        try:
            return load_object(answer)
        except MalformedPayload as error:
            raise UnknownOutcome("messenger answered a success that cannot be read") from error

    async def _exchange(
        self, method: str, url: str, query: Mapping[str, str], body: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        async with self._open().request(
            method, url, params=query, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
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
            raise UnknownOutcome(f"messenger answered {answer.status} with more than {MAX_ANSWER_BYTES} bytes")
    return bytes(chunks)
