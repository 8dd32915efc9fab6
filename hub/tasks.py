"""Ending background tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_AFTER_S = 0.5


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until every one has ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11 swallows a cancellation that comes together with what it
    waits for, and a loop around it would go on for ever (python/cpython#86296).
    """
    everything = list(tasks)
    pending = set(everything)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_AFTER_S)
    await asyncio.gather(*everything, return_exceptions=True)  # their errors are seen, whatever they are
