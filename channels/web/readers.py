"""Clients that wait for messages, and the one loop that looks for them.

A message sent by this process wakes its readers at once. One that another process sent is found by the loop, about a
second later: one loop for all readers of an account, which ends when nobody reads.

A message may become visible after one with a greater number: the visitor's own words are recorded when nobody waits for
them any more, a reply before it is shown. So a reader looks back a little and takes what it has not had.
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
LOOK_BACK = 16
"""Messages before the last one among which a late one is still found."""
MAX_READERS = 8
"""Sockets and long polls of one conversation: more tabs than a visitor has open."""


class TooManyReaders(Exception):
    """This conversation is read by `MAX_READERS` clients already."""


class Reader:
    """One client that reads one conversation."""

    def __init__(self, conversation_id: ConversationId, seq: int) -> None:
        self.conversation_id = conversation_id
        self.news = asyncio.Event()
        self._had = [seq]

    @property
    def seq(self) -> int:
        """The greatest number that the client has."""
        return self._had[-1]

    @property
    def floor(self) -> int:
        """Nothing up to this number is looked for any more."""
        return self._had[0]

    def unseen(self, messages: Sequence[SentMessage]) -> list[SentMessage]:
        """Return those that the client has not had."""
        return [message for message in messages if message.seq > self.floor and message.seq not in self._had]

    def take(self, messages: Sequence[SentMessage]) -> None:
        """Remember that the client has these."""
        self._had = sorted([*self._had, *(message.seq for message in messages)])[-LOOK_BACK:]


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
        messages = reader.unseen(await self._mailbox.after(reader.conversation_id, reader.floor, PAGE))
        reader.take(messages)
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
                messages = await self._mailbox.after(conversation_id, min(reader.floor for reader in readers), PAGE)
                for reader in readers:
                    if reader.unseen(messages):
                        reader.news.set()
