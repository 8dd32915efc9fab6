"""Group commit: whoever wants to write while a write is under way shares the next one.

A group leaves as soon as the one before it is done, at once when nothing is under way. A fixed timer would add its
delay to every lone message and halves the throughput (PERFORMANCE, "What durability costs").
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from core.errors import StoreUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_GROUP = 128
"""Documents in one write; beyond it the cost of a document no longer falls (PERFORMANCE)."""


class GroupCommit(Generic[Item, Result]):
    """Collects items and hands them to `flush` in groups.

    Args:
        flush: writes a group and returns a result for each item, in order; if it raises, every item gets the error.
        max_group: items in one group at most.
        linger_s: how long a group waits for company before it leaves; only for what nobody waits for.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        max_group: int = MAX_GROUP,
        linger_s: float = 0.0,
    ) -> None:
        self._flush = flush
        self._max_group = max_group
        self._linger_s = linger_s
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    async def put(self, item: Item) -> Result:
        """Write an item with the next group; returns its result once it is durable."""
        return await self._enqueue(item)

    def add(self, item: Item, done: Callable[[BaseException | None], None]) -> None:
        """Write an item with the next group without waiting; `done` is told when it is durable, or why it is not."""
        self._enqueue(item).add_done_callback(lambda future: self._report(future, done))

    @staticmethod
    def _report(future: "asyncio.Future[Result]", done: Callable[[BaseException | None], None]) -> None:
        if not future.cancelled():
            done(future.exception())

    def _enqueue(self, item: Item) -> "asyncio.Future[Result]":
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return future

    async def _run(self) -> None:
        try:
            while self._waiting:
                if self._linger_s:
                    await asyncio.sleep(self._linger_s)
                group, self._waiting = self._waiting[: self._max_group], self._waiting[self._max_group :]
                await self._write(group)
        finally:
            self._task = None

    async def _write(self, group: list[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        """Write a group; if something in it is refused, write each item alone, so that only that one fails."""
        try:
            results = list(await self._flush([item for item, _ in group]))
            if len(results) != len(group):
                raise RuntimeError(f"{len(results)} results for {len(group)} items")  # noqa: TRY301  told like any other
        except StoreUnavailable as error:
            self._fail(group, error)
        except Exception as error:  # noqa: BLE001  whoever waits decides; a writer must not end the group
            if len(group) == 1:
                self._fail(group, error)
                return
            for one in group:
                await self._write([one])
        else:
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)

    @staticmethod
    def _fail(group: "list[tuple[Item, asyncio.Future[Result]]]", error: Exception) -> None:
        for _, future in group:
            if not future.done():
                future.set_exception(error)

    async def drain(self) -> None:
        """Wait until nothing is left to write."""
        while self._task is not None:
            await asyncio.wait([self._task])
