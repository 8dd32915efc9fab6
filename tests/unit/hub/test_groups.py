import asyncio
from collections.abc import Sequence

import pytest

from hub.groups import GroupCommit


class Writer:
    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def flush(self, items: Sequence[int]) -> list[int]:
        await self.gate.wait()
        self.groups.append(list(items))
        if self.error is not None:
            raise self.error
        return [item * 10 for item in items]


async def test_each_item_gets_its_own_result() -> None:
    group = GroupCommit(Writer().flush)
    assert await asyncio.gather(*(group.put(n) for n in range(5))) == [0, 10, 20, 30, 40]


async def test_what_arrives_during_a_write_shares_the_next_one() -> None:
    writer = Writer()
    group: GroupCommit[int, int] = GroupCommit(writer.flush)
    writer.gate.clear()
    first = asyncio.create_task(group.put(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(group.put(n)) for n in range(2, 10)]
    await asyncio.sleep(0)
    writer.gate.set()
    await asyncio.gather(first, *others)
    assert writer.groups == [[1], list(range(2, 10))]


async def test_a_group_has_a_limit() -> None:
    writer = Writer()
    group: GroupCommit[int, int] = GroupCommit(writer.flush, max_group=3)
    await asyncio.gather(*(group.put(n) for n in range(7)))
    assert [len(items) for items in writer.groups] == [3, 3, 1]


async def test_a_write_that_fails_fails_for_its_group_and_not_for_the_next() -> None:
    writer = Writer()
    group: GroupCommit[int, int] = GroupCommit(writer.flush)
    writer.error = OSError("no disk")
    results = await asyncio.gather(*(group.put(n) for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [OSError] * 3
    writer.error = None
    assert await group.put(4) == 40


async def test_somebody_who_gives_up_waiting_does_not_stop_the_write() -> None:
    writer = Writer()
    writer.gate.clear()
    group: GroupCommit[int, int] = GroupCommit(writer.flush)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(group.put(1), 0.01)
    writer.gate.set()
    await group.drain()
    assert writer.groups == [[1]]


async def test_a_lazy_item_reports_its_error() -> None:
    writer = Writer()
    writer.error = OSError("no disk")
    group: GroupCommit[int, int] = GroupCommit(writer.flush)
    errors: list[BaseException | None] = []
    group.add(1, errors.append)
    await group.drain()
    await asyncio.sleep(0)
    assert [type(error) for error in errors] == [OSError]
