"""The WebSocket of the page: hello, ready, the messages missed, then both ways. Described in README.md."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import orjson
from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import ValidationError

from channels.payload import load_object
from channels.web.answers import problem
from channels.web.gate import Gate
from channels.web.journal import Journal
from channels.web.payloads import FRAME_ADAPTER, UUID, Hello, MessageFrame, Ping
from channels.web.readers import Reader, Readers, TooManyReaders
from channels.web.tokens import Session
from core.errors import InvalidSignature, MalformedPayload, StoreError
from core.ids import ConversationId
from core.model import Json

MAX_FRAME_BYTES = 16 * 1024
"""FAULTS F097; 4,000 characters of four bytes fill it."""
HEARTBEAT_S = 20.0
HELLO_WITHIN_S = 10.0
SIGN_RENEWED_EVERY_S = 5.0
"""The page takes a typing sign away by itself when it is not renewed for twice as long."""
CLOSE_TOKEN = 4401
"""Our own close code: the token is no longer good, open a new session."""


class Refused(Exception):
    """The socket is to be closed with `code`; `reason` is one word for the client."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(slots=True, eq=False)
class Line:
    """One open socket and whose it is."""

    socket: web.WebSocketResponse
    session: Session

    async def tell(self, type_: str, **fields: Json) -> None:
        """Send one frame."""
        await self.socket.send_str(orjson.dumps({"type": type_, **fields}).decode())


class Sockets:
    """All sockets of one account in this process."""

    def __init__(self, gate: Gate, journal: Journal, readers: Readers) -> None:
        self._gate = gate
        self._journal = journal
        self._readers = readers
        self._open: set[web.WebSocketResponse] = set()
        self._lines: dict[ConversationId, set[Line]] = {}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle one socket from hello to goodbye."""
        try:
            self._gate.check_origin(request)
        except InvalidSignature as error:
            return problem(403, str(error))
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_FRAME_BYTES, compress=False)
        if not socket.can_prepare(request).ok:
            return problem(400, "this address speaks WebSocket only")
        await socket.prepare(request)
        self._open.add(socket)
        try:
            await self._talk(socket)
        except Refused as refusal:
            await socket.close(code=refusal.code, message=refusal.reason.encode())
        except ConnectionResetError:
            pass  # the visitor left while we spoke; the messages stay in the mailbox
        finally:
            self._open.discard(socket)
        return socket

    async def close(self) -> None:
        """Tell every client to come back: this process ends."""
        goodbyes = (socket.close(code=WSCloseCode.GOING_AWAY, message=b"restarting") for socket in set(self._open))
        await asyncio.gather(*goodbyes, return_exceptions=True)

    async def _talk(self, socket: web.WebSocketResponse) -> None:
        hello = await _hello(socket)
        try:
            line = Line(socket, self._gate.tokens.read(hello.token))
            with self._readers.reading(self._gate.conversation_of(line.session), hello.after) as reader:
                await self._renew(line, "ready", conversation_id=reader.conversation_id)
                async with self._pumping(line, reader):
                    with self._listed(line, reader.conversation_id):
                        await self._listen(line)
        except InvalidSignature as error:
            raise Refused(CLOSE_TOKEN, "token") from error
        except TooManyReaders as error:
            raise Refused(WSCloseCode.TRY_AGAIN_LATER, "too_many_tabs") from error

    @contextmanager
    def _listed(self, line: Line, name: ConversationId) -> Iterator[None]:
        """Have a line among those that are told what is no message."""
        lines = self._lines.setdefault(name, set())
        lines.add(line)
        try:
            yield
        finally:
            lines.discard(line)
            if not lines and self._lines.get(name) is lines:
                del self._lines[name]

    async def show_typing(self, name: ConversationId, *, is_on: bool) -> None:
        """Tell the open pages of a conversation that an answer is being made, or no more."""
        for line in tuple(self._lines.get(name, ())):
            with suppress(ConnectionResetError):  # the visitor has just left
                await line.tell("typing", on=is_on)

    async def _listen(self, line: Line) -> None:
        async for frame in line.socket:
            if frame.type is not WSMsgType.TEXT:
                raise Refused(WSCloseCode.UNSUPPORTED_DATA, "text_only")
            if self._gate.wait_for_message(line.session):
                raise Refused(WSCloseCode.POLICY_VIOLATION, "too_fast")
            await self._handle(line, frame.data)
            if self._gate.tokens.wants_renewal(line.session):
                await self._renew(line, "token")

    async def _handle(self, line: Line, data: str) -> None:
        """Answer one frame; one that cannot be used is refused for good, so that the client does not repeat it."""
        payload: dict[str, Json] = {}
        try:
            payload = load_object(data.encode())
            frame = FRAME_ADAPTER.validate_python(payload)
        except (ValidationError, MalformedPayload):
            await line.tell("refused", id=_shown(payload.get("id")), reason="malformed")
            return
        match frame:
            case Ping():
                await line.tell("pong")
            case MessageFrame():
                await self._accept(line, frame)

    async def _accept(self, line: Line, said: MessageFrame) -> None:
        try:
            await self._journal.write(line.session.id, said)
        except MalformedPayload:
            await line.tell("refused", id=said.id, reason="malformed")
        except StoreError:
            await line.tell("try_later", id=said.id)
        else:
            await line.tell("accepted", id=said.id)

    async def _renew(self, line: Line, type_: str, **fields: Json) -> None:
        line.session = self._gate.tokens.renewed(line.session.id)
        await line.tell(type_, **self._gate.proof(line.session), **fields)

    @asynccontextmanager
    async def _pumping(self, line: Line, reader: Reader) -> AsyncIterator[None]:
        """Send what arrives in the mailbox while the caller listens."""
        pump = asyncio.create_task(self._pump(line, reader))
        try:
            yield
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self, line: Line, reader: Reader) -> None:
        replayed = False
        while True:
            try:
                messages = await (self._readers.wait(reader) if replayed else self._readers.read(reader))
            except StoreError:
                await self._readers.pause()
                continue
            for message in messages:
                await line.tell("message", **{**message.body, "seq": message.seq})
            if not messages:
                replayed = True
                await line.tell("replayed", seq=reader.seq)


async def _hello(socket: web.WebSocketResponse) -> Hello:
    """Wait for the first frame.

    Raises:
        Refused: it did not come in time, or says something else.
    """
    try:
        frame = await socket.receive(HELLO_WITHIN_S)
    except TimeoutError as error:
        raise Refused(WSCloseCode.POLICY_VIOLATION, "hello_expected") from error
    try:
        return Hello.model_validate(load_object(str(frame.data).encode()))
    except (ValidationError, MalformedPayload) as error:
        raise Refused(WSCloseCode.POLICY_VIOLATION, "hello_expected") from error


def _shown(id_: Json) -> str | None:
    """Return a client's id if it looks like one; nothing else is echoed."""
    return id_ if isinstance(id_, str) and re.match(UUID, id_) else None
