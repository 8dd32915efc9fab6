"""The Web API: one request a call, no retries, no redirects, and every way to fail told apart.

slack_sdk's `AsyncWebClient` builds the requests; we move the bytes ourselves, because its own way follows redirects,
reads answers of any length and takes a proxy from the environment.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import orjson
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from channels.slack.failures import failure_from_answer
from channels.slack.payloads import PERSON_IDS
from core.errors import DeliveryError, TemporaryFailure, UnknownOutcome
from core.ids import OutId
from core.model import Json
from core.replies import ApiCall, Receipt

SEND_DEADLINE_S = 20.0
"""Of one whole request, however slowly the answer drips (FAULTS F047)."""
READ_TIMEOUT_S = 15.0
"""Between two bytes of the answer (F046)."""
CONNECT_TIMEOUT_S = 8.0
"""Until the connection stands. Shorter than the deadline, so that a time-out here means: certainly not sent."""
MAX_ANSWER_BYTES = 1024 * 1024
"""F049."""
METADATA_EVENT = "frontdesk_reply"
"""Type of the metadata that carries our `out_id`; docs.slack.dev/messaging/message-metadata."""
LOOK_BACK = timedelta(seconds=5)
"""Slack's clock may be behind ours by this much."""
PAGE_SIZE = 100
MAX_PAGES = 5
"""Of history searched for one send in doubt. In one conversation since one send there is rarely more than one page."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long to wait, in seconds; tests wait less."""

    whole_s: float = SEND_DEADLINE_S
    read_s: float = READ_TIMEOUT_S
    connect_s: float = CONNECT_TIMEOUT_S


class CarefulWebClient(AsyncWebClient):
    """slack_sdk's client with our transport: same arguments, same answers, same errors."""

    def __init__(
        self, token: str | None, api_url: str, deadlines: Deadlines, session: aiohttp.ClientSession | None = None
    ) -> None:
        logger = logging.getLogger(__name__)
        super().__init__(token=token, base_url=api_url, retry_handlers=[], logger=logger, session=session)
        self.proxy = None  # slack_sdk read it from the environment
        self._deadlines = deadlines

    async def _request(self, *, http_verb: str, api_url: str, req_args: dict[str, Any]) -> dict[str, Any]:
        """Make one request. Overrides the transport of slack_sdk 3.47 (`AsyncBaseClient._request`)."""
        async with self.open_session().request(http_verb, api_url, allow_redirects=False, **req_args) as answer:
            body = await _read_up_to(answer, MAX_ANSWER_BYTES)
        return {"data": _as_object(body), "headers": answer.headers, "status_code": answer.status}

    def open_session(self) -> aiohttp.ClientSession:
        """Return the one session of this account, made at first use, when there is an event loop."""
        if self.session is None or self.session.closed:
            timeout = aiohttp.ClientTimeout(
                total=self._deadlines.whole_s, connect=self._deadlines.connect_s, sock_read=self._deadlines.read_s
            )
            self.session = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        return self.session

    async def close(self) -> None:
        """Close the session."""
        if self.session is not None:
            await self.session.close()


async def _read_up_to(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    body = b""
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise UnknownOutcome(f"slack's answer is longer than {max_bytes} bytes")
    return body


def _as_object(body: bytes) -> dict[str, Any]:
    """Parse an answer; what is not a JSON object counts as empty, and the status decides."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


class SlackClient:
    """Sends api calls for one account, and finds out what became of them."""

    def __init__(
        self,
        bot_token: str | None,
        api_url: str,
        deadlines: Deadlines | None = None,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        self._deadlines = deadlines or Deadlines()
        self.web = CarefulWebClient(bot_token, api_url, self._deadlines, session)

    def speaking_for(self, bot_token: str) -> "SlackClient":
        """Return a client for another workspace over the same connections; closing is this one's affair."""
        return SlackClient(bot_token, self.web.base_url, self._deadlines, self.web.open_session())

    async def send(self, call: ApiCall, out_id: OutId) -> Receipt:
        """Make one api call once, with `out_id` in the message's metadata.

        Raises:
            DeliveryError: by `failures`; a request that may have left without an answer is `UnknownOutcome`.
        """
        metadata: dict[str, Json] = {"event_type": METADATA_EVENT, "event_payload": {"out_id": str(out_id)}}
        answer, _ = await self.call(call.method, json={**call.params, "metadata": metadata})
        return _receipt(answer.get("ts"), answer.get("channel"))

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime) -> Receipt | None:
        """Look for the message that carries `out_id`; None when it certainly was not posted.

        Raises:
            DeliveryError: the history cannot be read to its end now.
        """
        channel = await self.readable_channel(str(call.params["channel"]))
        query = {
            "channel": channel,
            "oldest": f"{(since - LOOK_BACK).timestamp():.6f}",
            "limit": str(PAGE_SIZE),
            "include_all_metadata": "true",
        }
        method = "conversations.history"
        if "thread_ts" in call.params:
            method = "conversations.replies"
            query["ts"] = str(call.params["thread_ts"])
        return await self._search(method, query, out_id)

    async def _search(self, method: str, query: dict[str, str], out_id: OutId) -> Receipt | None:
        cursor: str | None = ""
        for _ in range(MAX_PAGES):
            messages, cursor = await self.page(method, query, cursor)
            for message in messages:
                if _out_id_of(message) == out_id:
                    return _receipt(message.get("ts"), query["channel"])
            if cursor is None:
                return None
        raise TemporaryFailure(f"{method}: more than {MAX_PAGES} pages since the send")

    async def page(
        self, method: str, query: Mapping[str, str], cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Read a page of a history: its messages, and the cursor of the next page, None after the last.

        Args:
            method: `conversations.history` (newest first) or `conversations.replies` (oldest first).
            query: its arguments.
            cursor: of the page; empty for the first.

        Raises:
            DeliveryError: by `failures`.
        """
        answer, _ = await self.call(method, data={**query, "cursor": cursor} if cursor else dict(query))
        return _messages_of(answer), _cursor_of(answer)

    async def readable_channel(self, channel: str) -> str:
        """Turn a person's id into the id of their direct messages: posting takes both, reading only the latter.

        conversations.open answers the same id every time, and opens them for the first; scope im:write.
        """
        if not channel.startswith(PERSON_IDS):
            return channel
        answer, _ = await self.call("conversations.open", data={"users": channel})
        found = answer.get("channel")
        if not isinstance(found, dict) or not isinstance(found.get("id"), str):
            raise TemporaryFailure("conversations.open did not name a channel")
        return str(found["id"])

    async def call(self, method: str, **arguments: Any) -> tuple[dict[str, Any], Mapping[str, str]]:
        """Call a Web API method once; return its answer and the answer's headers.

        Raises:
            DeliveryError: by `failures`.
        """
        try:
            answer = await self.web.api_call(method, **arguments)
        except SlackApiError as error:
            raise _refusal(error) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise TemporaryFailure(f"{method}: no connection: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnknownOutcome(f"{method}: {type(error).__name__}") from error
        return _object_of(answer), answer.headers

    async def close(self) -> None:
        """Let go of connections."""
        await self.web.close()


def _object_of(answer: AsyncSlackResponse) -> dict[str, Any]:
    return answer.data if isinstance(answer.data, dict) else {}


def _refusal(error: SlackApiError) -> DeliveryError:
    answer = error.response
    code = answer.data.get("error") if answer.data.get("ok") is False else None
    return failure_from_answer(answer.status_code, answer.headers, code if isinstance(code, str) else None)


def _receipt(ts: object, channel: object) -> Receipt:
    if not isinstance(ts, str):
        raise UnknownOutcome("slack's answer names no message")
    return Receipt(provider_id=ts, details={"channel": channel} if isinstance(channel, str) else {})


def _messages_of(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = page.get("messages")
    if not isinstance(messages, list):
        raise TemporaryFailure("the history holds no list of messages")
    return [message for message in messages if isinstance(message, dict)]


def _out_id_of(message: Mapping[str, Any]) -> str | None:
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    found = payload.get("out_id") if isinstance(payload, dict) else None
    return found if isinstance(found, str) else None


def _cursor_of(page: Mapping[str, Any]) -> str | None:
    rest = page.get("response_metadata")
    cursor = rest.get("next_cursor") if isinstance(rest, dict) else None
    return cursor if isinstance(cursor, str) and cursor else None
