"""A stop ends every background task, whatever a library does to a cancellation."""

import asyncio

import pytest

from hub.tasks import end


async def stubborn(swallowed: list[str]) -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if swallowed:
                raise
            swallowed.append("once")


async def failing() -> None:
    raise ValueError("a bug")


async def test_a_task_that_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.tasks.AGAIN_AFTER_S", 0.01)
    swallowed: list[str] = []
    tasks = [asyncio.create_task(stubborn(swallowed)), asyncio.create_task(failing())]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end(tasks)
    assert swallowed == ["once"]
    assert all(task.done() for task in tasks)


async def test_nothing_to_end_is_no_trouble() -> None:
    await end([])
