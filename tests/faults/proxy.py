"""A TCP proxy on the loopback that spoils connections: slow, cut, dead, refused (FAULTS section A)."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 65536
OP_MSG = 2013
"""MongoDB's wire protocol: mongodb.com/docs/manual/reference/mongodb-wire-protocol."""
WRITES = frozenset({b"insert", b"update", b"delete", b"findAndModify", b"findandmodify", b"bulkWrite"})


@dataclass
class Trouble:
    """What is wrong with the way; may be changed while connections are open."""

    delay_s: float = 0.0
    """Before each piece of an answer is passed on."""
    bytes_per_s: float | None = None
    """Answers drip at this pace."""
    cut_after: int | None = None
    """Bytes of answers, over the life of a connection, after which it is ended."""
    half_closes: bool = False
    """Together with `cut_after`: only the answers end, the way there stays open."""
    is_refusing: bool = False
    """New connections are ended at once."""
    is_black_hole: bool = False
    """Nothing gets through in either direction, and nobody hangs up."""
    cuts_reply: Callable[[bytes], bool] = field(default=lambda _: False)
    """Of a request: whether the connection is ended once its answer is there, and before it is passed on."""


@dataclass
class Proxy:
    """Passes connections on to one port of the loopback."""

    target: int
    trouble: Trouble = field(default_factory=Trouble)
    port: int = 0
    cuts: int = 0
    """How many connections were ended."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(OSError, asyncio.CancelledError):
            if not self.trouble.is_refusing:
                await self._pass(reader, writer)
        writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self.target, limit=CHUNK)
        way = _Way(self)
        both = [
            asyncio.create_task(way.ask(reader, there[1])),
            asyncio.create_task(way.answer(there[0], writer)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if self.trouble.half_closes:
                await asyncio.wait(both)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            there[1].transport.abort()

    async def close(self) -> None:
        """End what is open."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass
class _Way:
    """One connection."""

    proxy: Proxy
    passed: int = 0
    is_doomed: bool = False

    async def _through(self) -> None:
        while self.proxy.trouble.is_black_hole:
            await asyncio.sleep(0.05)

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(CHUNK):
            await self._through()
            self.is_doomed = self.is_doomed or self.proxy.trouble.cuts_reply(piece)
            writer.write(piece)
            await writer.drain()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(CHUNK):
            trouble = self.proxy.trouble
            await self._through()
            await asyncio.sleep(trouble.delay_s)
            if self.is_doomed:
                self.proxy.cuts += 1
                return
            if trouble.cut_after is not None and self.passed + len(piece) >= trouble.cut_after:
                await self._end(piece[: trouble.cut_after - self.passed], writer)
                return
            self.passed += len(piece)
            await self._write(piece, writer)

    async def _end(self, last: bytes, writer: asyncio.StreamWriter) -> None:
        await self._write(last, writer)
        self.proxy.cuts += 1
        if self.proxy.trouble.half_closes:
            writer.write_eof()

    async def _write(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        pace = self.proxy.trouble.bytes_per_s
        for part in (piece,) if pace is None else (piece[i : i + 1] for i in range(len(piece))):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0 if pace is None else 1 / pace)


@asynccontextmanager
async def proxied(target: int) -> AsyncIterator[Proxy]:
    """Run a proxy in front of a port while the block lasts."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0, limit=CHUNK)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()


def is_write(request: bytes) -> bool:
    """Tell whether a piece is the start of a MongoDB command that writes.

    Source: as `OP_MSG`; 16 bytes of header, 4 of flags, 1 of section kind, 4 of length, 1 of type, then the name.
    """
    if len(request) < 27 or int.from_bytes(request[12:16], "little") != OP_MSG:
        return False
    return request[26:].partition(b"\0")[0] in WRITES


def some_writes(probability: float, seed: int) -> Callable[[bytes], bool]:
    """Return a choice of writes, each with this probability."""
    chance = random.Random(seed)
    return lambda request: is_write(request) and chance.random() < probability
