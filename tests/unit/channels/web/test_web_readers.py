"""Clients that wait, and the loop that looks for them."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.web.readers import LOOK_BACK, MAX_READERS, Readers, TooManyReaders
from core.ids import ConversationId
from tests.unit.channels.web.fakes import FakeMailbox

ONE = ConversationId("web:site:one")
TWO = ConversationId("web:site:two")
NEVER_S = 3600.0


async def test_a_reader_gets_what_is_there_and_then_waits() -> None:
    mailbox = FakeMailbox()
    readers = Readers(mailbox, NEVER_S)
    await mailbox.deliver(ONE, "o1", 1, {"text": "a"})
    with readers.reading(ONE, 0) as reader:
        assert [message.seq for message in await readers.wait(reader)] == [1]
        waiting = asyncio.create_task(readers.wait(reader))
        await mailbox.deliver(ONE, "o2", 2, {"text": "b"})
        readers.wake(ONE)
        assert [message.seq for message in await waiting] == [2]
    await readers.close()


async def test_what_another_process_delivers_is_found_by_the_loop() -> None:
    mailbox = FakeMailbox()
    readers = Readers(mailbox, 0.01)
    with readers.reading(ONE, 0) as reader:
        waiting = asyncio.create_task(readers.wait(reader))
        await mailbox.deliver(ONE, "o1", 1, {"text": "a"})  # nobody wakes
        assert [message.seq for message in await asyncio.wait_for(waiting, 5)] == [1]
    await readers.close()


async def test_the_loop_survives_a_store_that_is_down() -> None:
    mailbox = FakeMailbox()
    readers = Readers(mailbox, 0.001)
    with readers.reading(ONE, 0) as reader:
        waiting = asyncio.create_task(readers.wait(reader))
        await asyncio.sleep(0)
        mailbox.down = True
        await asyncio.wait_for(mailbox.refused_thrice.wait(), 5)
        mailbox.down = False
        await mailbox.deliver(ONE, "o1", 1, {"text": "a"})
        assert await asyncio.wait_for(waiting, 5)
    await readers.close()


async def test_one_loop_serves_all_and_ends_with_the_last_reader() -> None:
    readers = Readers(FakeMailbox(), 0.001)
    with readers.reading(ONE, 0), readers.reading(TWO, 0):
        loop = readers._loop
        assert loop is not None
    await asyncio.wait_for(loop, 5)
    assert readers._waiting == {}
    with readers.reading(ONE, 0):
        assert readers._loop is not loop
    await readers.close()


async def test_one_conversation_has_a_limited_number_of_readers() -> None:
    readers = Readers(FakeMailbox(), NEVER_S)
    held = [readers.reading(ONE, 0) for _ in range(MAX_READERS)]
    for reading in held:
        reading.__enter__()
    with pytest.raises(TooManyReaders), readers.reading(ONE, 0):
        pass
    with readers.reading(TWO, 0):
        pass
    for reading in held:
        reading.__exit__(None, None, None)
    with readers.reading(ONE, 0):
        pass
    await readers.close()


async def test_a_message_that_arrives_while_one_reads_is_not_missed() -> None:
    class Slow(FakeMailbox):
        async def after(self, conversation_id: str, seq: int, limit: int):
            found = await super().after(conversation_id, seq, limit)
            if not found and not self.kept:
                await self.deliver(conversation_id, "o1", 1, {"text": "a"})
                readers.wake(ONE)  # delivered after the read, woken before the wait
            return found

    readers = Readers(Slow(), NEVER_S)
    with readers.reading(ONE, 0) as reader:
        assert [message.seq for message in await asyncio.wait_for(readers.wait(reader), 5)] == [1]
    await readers.close()


async def test_a_message_that_becomes_visible_late_is_found_and_nothing_is_given_twice() -> None:
    mailbox = FakeMailbox()
    readers = Readers(mailbox, 0.01)
    await mailbox.deliver(ONE, "o3", 3, {"text": "c"})
    with readers.reading(ONE, 0) as reader:
        assert [message.seq for message in await readers.wait(reader)] == [3]
        await mailbox.deliver(ONE, "o2", 2, {"text": "b"})  # written by another process, after its answer
        assert [message.seq for message in await asyncio.wait_for(readers.wait(reader), 5)] == [2]
        assert list(await readers.read(reader)) == []
        assert reader.seq == 3
    await readers.close()


@given(st.permutations(range(1, LOOK_BACK)), st.integers(1, 5))
async def test_in_whatever_order_messages_appear_each_is_given_once(order: list[int], at_once: int) -> None:
    mailbox = FakeMailbox()
    readers = Readers(mailbox, NEVER_S)
    given_out: list[int] = []
    with readers.reading(ONE, 0) as reader:
        for number, seq in enumerate(order):
            await mailbox.deliver(ONE, f"o{seq}", seq, {})
            if number % at_once == 0:
                given_out += [message.seq for message in await readers.read(reader)]
        given_out += [message.seq for message in await readers.read(reader)]
    assert sorted(given_out) == sorted(order)
    await readers.close()


async def test_a_reader_remembers_no_more_than_it_needs() -> None:
    mailbox = FakeMailbox()
    readers = Readers(mailbox, NEVER_S)
    for seq in range(1, 301):
        await mailbox.deliver(ONE, f"o{seq}", seq, {})
    with readers.reading(ONE, 0) as reader:
        pages = [len(await readers.read(reader)) for _ in range(5)]
        assert sum(pages) == 300
        assert pages[-1] == 0
        assert reader.floor == 300 - LOOK_BACK + 1
    await readers.close()
