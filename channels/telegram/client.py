"""Talks to the Bot API: python-telegram-bot's `Bot` over one aiohttp session, raw JSON out, no retries.

The token is part of every URL. No exception that leaves here carries a URL, not even as its context.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from telegram import Bot
from telegram.error import TelegramError
from telegram.request import BaseRequest, RequestData

from channels.telegram.failures import CANNOT_PARSE, QUERY_TOO_OLD, failure_from, read_answer
from channels.telegram.markup import plain_text
from core.errors import DeliveryError, PermanentFailure, TemporaryFailure, UnknownOutcome
from core.model import Json
from core.replies import ApiCall, Receipt

MAX_ANSWER_BYTES = 1024 * 1024
"""What is read of an answer to a send (F049)."""
MAX_UPDATES_BYTES = 16 * 1024 * 1024
"""What is read of one batch: at most 100 updates (T6), each well below 100 KiB."""
MAX_UPDATES = 100
"""T6."""
KEEPALIVE_S = 5.0
"""An idle connection is not used again after this. A server that closes it just then would leave the send in doubt."""

QUIET = logging.getLogger(f"{__name__}.bot")
QUIET.setLevel(logging.INFO)  # the library's debug lines repeat customers' words and the webhook's secret


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long one call may take, in seconds."""

    total_s: float = 20.0
    """From the first moment to the last byte of the answer; the outbox counts on it (SEMANTICS section 6.4)."""
    read_s: float = 15.0
    """Silence while waiting for the answer (F046)."""
    connect_s: float = 10.0
    long_poll_s: int = 50
    """How long Telegram holds a getUpdates that has nothing to tell."""


class Failed(TelegramError):
    """Carries our own error through the library unchanged."""

    def __init__(self, failure: DeliveryError) -> None:
        super().__init__(str(failure))
        self.failure = failure


class AiohttpRequest(BaseRequest):
    """The library's transport over aiohttp: the answer is judged here, where it is known what may have left."""

    __slots__ = ("_deadlines", "_max_bytes", "_session")

    def __init__(self, deadlines: Deadlines, max_bytes: int) -> None:
        self._deadlines = deadlines
        self._max_bytes = max_bytes
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float:
        """Return the seconds of silence that are borne."""
        return self._deadlines.read_s

    async def initialize(self) -> None:
        """Open the session; it needs a running loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(keepalive_timeout=KEEPALIVE_S)
            self._session = aiohttp.ClientSession(connector=connector)

    async def shutdown(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Read an answer that `do_request` has found to be a success."""
        return read_answer(payload)

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Make one request for the library; see `BaseRequest.do_request`. `read_timeout` is added to our deadline.

        Raises:
            Failed: the answer is no success, or there is none.
        """
        held_s = 0.0 if read_timeout is BaseRequest.DEFAULT_NONE else float(read_timeout)
        fields = request_data.json_parameters if request_data else {}
        outcome = await self._exchange(method, url, fields, held_s)
        # Raised outside of any `except`, so that no library error with the URL in its text hangs on as context.
        if isinstance(outcome, DeliveryError):
            raise Failed(outcome)
        return outcome

    async def _exchange(
        self, method: str, url: str, fields: dict[str, str], held_s: float
    ) -> tuple[int, bytes] | DeliveryError:
        """Make one request; say what it came to. The order matters: connecting failed is a kind of the later ones."""
        try:
            return await self._answered(method, url, fields, held_s)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return TemporaryFailure(f"telegram cannot be reached: {type(error).__name__}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return UnknownOutcome(f"telegram did not finish its answer: {type(error).__name__}")

    async def _answered(
        self, method: str, url: str, fields: dict[str, str], held_s: float
    ) -> tuple[int, bytes] | DeliveryError:
        await self.initialize()
        assert self._session is not None  # noqa: S101  initialize() has just set it
        timeout = aiohttp.ClientTimeout(
            total=self._deadlines.total_s + held_s,
            sock_read=self._deadlines.read_s + held_s,
            connect=self._deadlines.connect_s,
        )
        async with self._session.request(method, url, data=fields, timeout=timeout, allow_redirects=False) as response:
            body = await self._read(response)
            if body is None:
                return UnknownOutcome(f"telegram answered more than {self._max_bytes} bytes")
            if response.status // 100 == 2 and _is_success(body):
                return response.status, body
            return failure_from(response.status, body, response.headers.get("Retry-After"))

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | None:
        """Read the whole answer, or None when it is too long."""
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._max_bytes:
                response.close()
                return None
        return bytes(body)


def _is_success(body: bytes) -> bool:
    answer = read_answer(body)
    return answer.get("ok") is True and "result" in answer


class RawBot(Bot):
    """The library's bot, giving results as they came: its own models refuse some real updates (T8)."""

    __slots__ = ()
    _LOGGER = QUIET

    def __repr__(self) -> str:
        return f"RawBot[{self.token.partition(':')[0]}]"  # the library prints the token

    async def call(self, method: str, params: Mapping[str, Json], held_s: float = 0.0) -> Any:
        """Make one call; `held_s` is added to the deadline where Telegram is asked to wait."""
        return await self._post(method, api_kwargs=dict(params), read_timeout=held_s)


class TelegramClient:
    """One bot's side of the Bot API."""

    def __init__(self, token: str, api_url: str, deadlines: Deadlines | None = None) -> None:
        self._deadlines = deadlines or Deadlines()
        self._sending = AiohttpRequest(self._deadlines, MAX_ANSWER_BYTES)
        self._polling = AiohttpRequest(self._deadlines, MAX_UPDATES_BYTES)
        self._api_url = api_url
        self._bot = RawBot(token, f"{api_url}/bot", request=self._sending, get_updates_request=self._polling)

    async def call(self, method: str, params: Mapping[str, Json], held_s: float = 0.0) -> Any:
        """Make one call and return its `result`.

        Raises:
            DeliveryError: what `failures` makes of the answer; `UnknownOutcome` where none says what happened.
        """
        failure: DeliveryError
        try:
            return await self._bot.call(method, params, held_s)
        except Failed as carried:
            failure = carried.failure
        except TelegramError as error:
            failure = UnknownOutcome(f"the library gave up: {type(error).__name__}")
        raise failure  # outside of the handlers: see the module's first lines

    async def send(self, call: ApiCall) -> Receipt:
        """Send one api call.

        Words whose markup Telegram refuses are sent once more without it: a refusal is definite, so nothing doubles.

        Raises:
            DeliveryError: see `call`; both tries together have one deadline.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadlines.total_s):
                return await self._send(call)
        raise UnknownOutcome(f"telegram did not answer within {self._deadlines.total_s:g} s")

    async def _send(self, call: ApiCall) -> Receipt:
        try:
            return _receipt(call, await self.call(call.method, call.params))
        except PermanentFailure as refusal:
            if call.role == "aside" and refusal.code == QUERY_TOO_OLD:
                return Receipt(provider_id="too-old")
            if refusal.code != CANNOT_PARSE or "parse_mode" not in call.params:
                raise
        return _receipt(call, await self.call(call.method, _without_markup(call.params)))

    def file_url(self, path: str) -> str:
        """Return where a file lies that getFile told the path of. It holds the token: for the moment's use only."""
        return f"{self._api_url}/file/bot{self._bot.token}/{quote(path)}"

    async def get_updates(self, offset: int | None, kinds: tuple[str, ...]) -> list[Any]:
        """Wait for updates from `offset` on; asking with an offset confirms all below it (T6).

        Raises:
            DeliveryError: see `call`.
        """
        params: dict[str, Json] = {
            "timeout": self._deadlines.long_poll_s,
            "limit": MAX_UPDATES,
            "allowed_updates": list(kinds),
        }
        if offset is not None:
            params["offset"] = offset
        result = await self.call("getUpdates", params, held_s=self._deadlines.long_poll_s)
        if not isinstance(result, list):
            raise UnknownOutcome("getUpdates gave no list")
        return result

    async def close(self) -> None:
        """Close both sessions."""
        await self._sending.shutdown()
        await self._polling.shutdown()


def _receipt(call: ApiCall, result: Any) -> Receipt:
    if call.role == "aside":
        return Receipt(provider_id=call.method)
    message_id = result.get("message_id") if isinstance(result, dict) else None
    if type(message_id) is not int:
        raise UnknownOutcome("telegram said yes without naming the message")
    return Receipt(provider_id=str(message_id))


def _without_markup(params: Mapping[str, Json]) -> dict[str, Json]:
    """Return the same message as plain words."""
    plain = {name: value for name, value in params.items() if name != "parse_mode"}
    return plain | {"text": plain_text(str(params.get("text", "")))}


def as_body(update: Any) -> bytes:
    """Write one update of a batch as the body that a webhook would have carried; ASCII, so it cannot fail."""
    return json.dumps(update).encode("ascii")
