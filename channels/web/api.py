"""The HTTP interface, for apps and for whoever has no WebSocket. Described in README.md."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from aiohttp import web
from pydantic import ValidationError

from channels.http import RETRY_AFTER_S, read_body
from channels.payload import load_object
from channels.web.answers import answer, problem, too_often
from channels.web.gate import Gate
from channels.web.journal import Journal
from channels.web.payloads import Posted
from channels.web.readers import Readers, TooManyReaders
from channels.web.tokens import Session
from channels.web.uploads import Uploads
from core.errors import InvalidSignature, MalformedPayload, StoreError
from core.model import Json
from core.ports import SentMessage

MAX_BODY_BYTES = 64 * 1024
MAX_WAIT_S = 25.0
"""Below the 30 s after which many proxies give up on a silent request."""
CORS_MAX_AGE_S = 600

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Api:
    """The handlers of one account."""

    def __init__(self, gate: Gate, journal: Journal, readers: Readers, uploads: Uploads) -> None:
        self._gate = gate
        self._journal = journal
        self._readers = readers
        self._uploads = uploads

    def routes(self, base: str) -> list[web.RouteDef]:
        """Return the routes under `base`."""
        return [
            web.post(f"{base}/sessions", self._guarded(self._open_session)),
            web.post(f"{base}/messages", self._guarded(self._post_message)),
            web.get(f"{base}/messages", self._guarded(self._get_messages), allow_head=False),
            web.post(f"{base}/files", self._guarded(self._uploads.take)),
            web.options(f"{base}/files", self._guarded(self._preflight)),
            web.options(f"{base}/sessions", self._guarded(self._preflight)),
            web.options(f"{base}/messages", self._guarded(self._preflight)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        """Check the origin first, and turn every refusal into a problem."""

        async def guarded(request: web.Request) -> web.Response:
            try:
                self._gate.check_origin(request)
            except InvalidSignature as error:
                return problem(403, str(error))
            response = await _answered(handler, request)
            response.headers.update(_cors(request))
            return response

        return guarded

    async def _preflight(self, request: web.Request) -> web.Response:
        headers = {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, X-File-Name",
            "Access-Control-Max-Age": str(CORS_MAX_AGE_S),
        }
        return web.Response(status=204, headers=headers)

    async def _open_session(self, request: web.Request) -> web.Response:
        if wait_s := self._gate.wait_for_session(request):
            return too_often(wait_s)
        session = self._gate.tokens.open()
        proof = self._gate.proof(session)
        return answer({**proof, "conversation_id": self._gate.conversation_of(session)}, status=201)

    async def _post_message(self, request: web.Request) -> web.Response:
        session = self._gate.session_of(request)
        if wait_s := self._gate.wait_for_message(session):
            return too_often(wait_s)
        said = Posted.model_validate(load_object(await read_body(request, MAX_BODY_BYTES)))
        status = await self._journal.write(session.id, said)
        return answer({"id": said.id, "status": str(status)}, status=202)

    async def _get_messages(self, request: web.Request) -> web.Response:
        session = self._gate.session_of(request)
        after = int(_number(request, "after", 2.0**53))
        wait_s = _number(request, "wait", MAX_WAIT_S)
        with self._readers.reading(self._gate.conversation_of(session), after) as reader:
            messages = await self._readers.read(reader)
            if not messages and wait_s:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        messages = await self._readers.wait(reader)
        return answer(self._page(messages, after, session))

    def _page(self, messages: Sequence[SentMessage], after: int, session: Session) -> dict[str, Json]:
        """Return the messages, where to go on, and a fresh token: a session in use does not end."""
        listed: list[Json] = [{**message.body, "seq": message.seq} for message in messages]
        fresh = self._gate.proof(self._gate.tokens.renewed(session.id))
        return {"messages": listed, "next": messages[-1].seq if messages else after, **fresh}


async def _answered(handler: Handler, request: web.Request) -> web.Response:
    try:
        return await handler(request)
    except InvalidSignature as error:
        return problem(401, str(error), {"WWW-Authenticate": "Bearer"})
    except ValidationError as error:
        return problem(400, "; ".join(f"{_path(item['loc'])}{item['msg']}" for item in error.errors()))
    except MalformedPayload as error:
        return problem(400, str(error))
    except TooManyReaders:
        return problem(429, "this conversation is open in too many places", {"Retry-After": str(RETRY_AFTER_S)})
    except StoreError:
        return problem(503, "the store does not answer; nothing was kept", {"Retry-After": str(RETRY_AFTER_S)})
    except web.HTTPException as error:
        return problem(error.status, error.reason)


def _path(loc: tuple[int | str, ...]) -> str:
    return "".join(f"{part}: " for part in loc)


def _number(request: web.Request, name: str, most: float) -> float:
    """Read a number of the query, 0 when absent, clamped to `most`.

    Raises:
        MalformedPayload: not a number, or below zero.
    """
    try:
        number = float(request.query.get(name, "0"))
    except ValueError as error:
        raise MalformedPayload(f"{name}: a number is expected") from error
    if not number >= 0:
        raise MalformedPayload(f"{name}: a number from 0 is expected")
    return min(number, most)


def _cors(request: web.Request) -> dict[str, str]:
    """Let the page of an origin that was let in read the answer."""
    if (origin := request.headers.get("Origin")) is None:
        return {"Vary": "Origin"}
    exposed = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After"}
    return {**exposed, "Vary": "Origin"}
