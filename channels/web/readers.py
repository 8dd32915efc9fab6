"""Clients that wait for messages, and the one loop that looks for them.

A message sent by this process wakes its readers at once. One that another process sent is found by the loop, about a
second later: one loop for all readers of an account, which ends when nobody reads.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from core.errors import StoreError
from core.ids import ConversationId
from core.ports import Mailbox, SentMessage

LOOK_EVERY_S = 1.0
LOOKS_AT_ONCE = 16
"""Queries of one round that run at the same time."""
PAGE = 100
"""Messages read at once."""
MAX_READERS = 8
"""Sockets and long polls of one conversation: more tabs than a visitor has open."""


class TooManyReaders(Exception):
    """This conversation is read by `MAX_READERS` clients already."""


class Reader:
    """One client that reads one conversation."""

    def __init__(self, conversation_id: ConversationId, seq: int) -> None:
        self.conversation_id = conversation_id
        self.seq = seq
        """The last message that the client has."""
        self.news = asyncio.Event()


class Readers:
    """All readers of one account in this process."""

    def __init__(self, mailbox: Mailbox, look_every_s: float = LOOK_EVERY_S) -> None:
        self._mailbox = mailbox
        self._look_every_s = look_every_s
        self._waiting: dict[ConversationId, set[Reader]] = {}
        self._loop: asyncio.Task[None] | None = None

    @contextmanager
    def reading(self, conversation_id: ConversationId, seq: int) -> Iterator[Reader]:
        """Count a client as waiting for what comes after `seq`.

        Raises:
            TooManyReaders: the client should come back later.
        """
        readers = self._waiting.setdefault(conversation_id, set())
        if len(readers) >= MAX_READERS:
            raise TooManyReaders
        reader = Reader(conversation_id, seq)
        readers.add(reader)
        self._keep_looking()
        try:
            yield reader
        finally:
            readers.discard(reader)
            if not readers and self._waiting.get(conversation_id) is readers:
                del self._waiting[conversation_id]

    def wake(self, conversation_id: ConversationId) -> None:
        """Let the readers of a conversation look into the mailbox now."""
        for reader in self._waiting.get(conversation_id, ()):
            reader.news.set()

    async def read(self, reader: Reader) -> Sequence[SentMessage]:
        """Return what the reader has not seen yet, perhaps nothing.

        Raises:
            StoreError: the mailbox cannot say now.
        """
        reader.news.clear()
        messages = await self._mailbox.after(reader.conversation_id, reader.seq, PAGE)
        if messages:
            reader.seq = messages[-1].seq
        return messages

    async def wait(self, reader: Reader) -> Sequence[SentMessage]:
        """Return what the reader has not seen yet, as soon as there is something.

        Raises:
            StoreError: the mailbox cannot say now.
        """
        while not (messages := await self.read(reader)):
            await reader.news.wait()
        return messages

    async def pause(self) -> None:
        """Wait as long as the loop does between two looks."""
        await asyncio.sleep(self._look_every_s)

    async def close(self) -> None:
        """Stop looking."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    def _keep_looking(self) -> None:
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._look_while_read())

    async def _look_while_read(self) -> None:
        while self._waiting:
            await self.pause()
            at_once = asyncio.Semaphore(LOOKS_AT_ONCE)
            await asyncio.gather(*(self._look(conversation_id, at_once) for conversation_id in self._waiting))

    async def _look(self, conversation_id: ConversationId, at_once: asyncio.Semaphore) -> None:
        async with at_once:
            readers = self._waiting.get(conversation_id)
            if not readers:
                return
            with suppress(StoreError):  # the next round looks again
                if await self._mailbox.after(conversation_id, min(reader.seq for reader in readers), 1):
                    self.wake(conversation_id)
