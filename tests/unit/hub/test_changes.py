"""Messages that their writers edit or delete: what is stored, answered, and seen by agents (F066, DEMAND 13, 27)."""

import asyncio
import json
from typing import Any

import pytest

from core.bot import Bot
from core.changes import EARLY_KEPT
from core.conversation import ActionResult, Conversation
from core.errors import TemporaryFailure
from core.ids import ConversationId
from core.storage import TranscriptRow
from core.store.memory import MemoryStore
from hub.settings import Limits
from tests.conversation.telling import bot_without, find_order
from tests.factories import Bench, build_bench
from tests.fakes import START, FakeClock

C1 = ConversationId("fake:one:t1")
ORDER = "where is my order A-1001? I am ann@example.com"
OTHER = "where is my order A-1002? I am ann@example.com"


def bench_with_a_bot(clock: FakeClock | None = None) -> Bench:
    """Return a hub whose bot is the real one, with the starter content."""
    clock = clock or FakeClock(START)
    bench = build_bench(store=MemoryStore(clock), clock=clock, responder=bot_without())

    async def find(arguments: Any) -> ActionResult:
        return find_order(arguments, available=True)

    bench.actions["orders.find"] = find
    return bench


async def lines(bench: Bench, direction: str = "in") -> list[TranscriptRow]:
    await bench.records.drain()
    return [row for row in await bench.store.transcript(C1, 0, 100) if row.direction == direction]


async def conversation(bench: Bench) -> Conversation:
    leased = await bench.store.load(C1)
    assert leased is not None
    assert leased.conversation is not None
    return leased.conversation


def answers(bench: Bench) -> list[str]:
    return [text for _, text in bench.channel.sent]


async def tell(bench: Bench, *messages: dict[str, Any]) -> None:
    for message in messages:
        await bench.receive(**message)
        await bench.settle()


async def test_the_last_message_edited_to_ask_for_something_else_is_answered_again() -> None:
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": OTHER}, {"name": "2", "text": ORDER, "edits": "1"})
    assert answers(bench) == ["order_not_found", "order_status"]
    said, edit = await lines(bench)
    assert (said.text, [version.text for version in said.versions], said.edited_at is not None) == (
        ORDER,
        [OTHER],
        True,
    )
    assert (edit.kind, edit.about, edit.before, edit.text) == ("edited", "1", OTHER, ORDER)
    assert await bench.state_of("2") == "done"


async def test_a_slot_that_was_answered_wrongly_is_asked_from_where_the_dialogue_stood() -> None:
    """The number alone says nothing to a bot that has finished with it; before that message it was asked for one."""
    bench = bench_with_a_bot()
    await tell(
        bench,
        {"name": "1", "text": "where is my order? I am ann@example.com"},
        {"name": "2", "text": "A-1002"},
        {"name": "3", "text": "A-1001", "edits": "2"},
    )
    assert answers(bench) == ["ask_order_number", "order_not_found", "order_status"]


async def test_an_edit_that_changes_nothing_that_is_asked_is_recorded_and_not_answered() -> None:
    """S10, T20: also what changes no word at all, as an unfurled link or a live location does."""
    bench = bench_with_a_bot()
    better = ORDER.replace("where", "Where")
    await tell(
        bench,
        {"name": "1", "text": ORDER},
        {"name": "2", "text": better, "edits": "1"},
        {"name": "3", "text": better, "edits": "1"},
    )
    assert answers(bench) == ["order_status"]
    assert [line.text for line in await lines(bench)] == [better, better]
    assert await bench.state_of("3") == "ignored"


async def test_an_edit_of_an_earlier_message_is_recorded_and_not_answered() -> None:
    bench = bench_with_a_bot()
    await tell(
        bench,
        {"name": "1", "text": ORDER},
        {"name": "2", "text": "thank you"},
        {"name": "3", "text": OTHER, "edits": "1"},
    )
    assert answers(bench) == ["order_status", "thanks"]
    assert (await lines(bench))[0].text == OTHER


async def test_an_edit_delivered_twice_is_answered_once() -> None:
    bench = bench_with_a_bot()
    edit = {"name": "2", "text": ORDER, "edits": "1"}
    await tell(bench, {"name": "1", "text": OTHER}, edit, edit)
    assert answers(bench) == ["order_not_found", "order_status"]


async def test_the_answer_that_waits_goes_when_its_message_is_edited() -> None:
    """F066: the customer gets one answer, to what they meant."""
    bench = bench_with_a_bot()
    bench.channel.outcomes.append(TemporaryFailure("no connection"))
    await bench.receive("1", text=OTHER)
    await until(lambda: not bench.channel.outcomes)
    await bench.receive("2", text=ORDER, edits="1")
    await bench.settle()
    assert answers(bench) == ["order_status"]
    cancelled = (await lines(bench, "out"))[0]
    assert (cancelled.state, cancelled.reason) == ("cancelled", "edited")


async def until(is_so: Any) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.005)


async def test_an_edit_that_comes_before_its_message_is_applied_when_that_arrives() -> None:
    """F066."""
    bench = bench_with_a_bot()
    await tell(bench, {"name": "2", "text": ORDER, "edits": "1"})
    assert answers(bench) == []
    await tell(bench, {"name": "1", "text": OTHER})
    assert answers(bench) == ["order_status"]
    (said,) = await lines(bench)
    assert (said.text, [version.text for version in said.versions]) == (ORDER, [OTHER])
    assert (await conversation(bench)).early == ()


async def test_a_deletion_that_comes_before_its_message_keeps_it_from_being_answered() -> None:
    """F066, SECURITY section 7: neither words nor raw bytes stay."""
    bench = bench_with_a_bot()
    await tell(bench, {"name": "2", "text": "", "deletes": "1"}, {"name": "1", "text": ORDER})
    assert answers(bench) == []
    (said,) = await lines(bench)
    assert (said.text, said.deleted_at is not None) == ("", True)
    await nothing_is_left_of(bench, "A-1001", "1", "2")


async def test_an_early_change_is_forgotten_when_its_message_does_not_come() -> None:
    clock = FakeClock(START)
    bench = bench_with_a_bot(clock)
    await tell(bench, {"name": "2", "text": "nothing", "edits": "1"})
    clock.advance(EARLY_KEPT.total_seconds() + 1)
    await tell(bench, {"name": "1", "text": ORDER})
    assert answers(bench) == ["order_status"]


async def test_a_message_edited_while_it_waits_for_its_turn_is_answered_once_by_its_new_text() -> None:
    bench = bench_with_a_bot()
    await asyncio.gather(bench.receive("1", text=OTHER), bench.receive("2", text=ORDER, edits="1"))
    await bench.settle()
    assert answers(bench) == ["order_status"]
    (said,) = await lines(bench)
    assert [version.text for version in said.versions] == [OTHER]


async def test_a_message_deleted_while_it_waits_for_its_turn_is_not_answered() -> None:
    bench = bench_with_a_bot()
    await asyncio.gather(bench.receive("1", text=ORDER), bench.receive("2", text="", deletes="1"))
    await bench.settle()
    assert answers(bench) == []
    assert [(line.kind, line.text) for line in await lines(bench)] == [("message", "")]
    await nothing_is_left_of(bench, "A-1001", "1", "2")


async def test_a_deleted_message_leaves_its_fact_and_none_of_its_words() -> None:
    """SECURITY section 7: not in the transcript, its edits, the traces, the conversation or the raw bytes."""
    bench = bench_with_a_bot()
    await tell(
        bench,
        {"name": "1", "text": ORDER},
        {"name": "2", "text": ORDER + " please", "edits": "1"},
        {"name": "3", "text": "", "deletes": "1"},
    )
    assert answers(bench) == ["order_status"]
    said, edit, deletion = await lines(bench)
    assert (said.kind, said.text, said.versions, said.deleted_at) == ("message", "", (), deletion.at)
    assert (edit.kind, edit.text, edit.before) == ("edited", "", None)
    assert (deletion.kind, deletion.about) == ("deleted", "1")
    await nothing_is_left_of(bench, "please", "1", "3")


async def nothing_is_left_of(bench: Bench, words: str, *rows: str) -> None:
    for row in await lines(bench):
        assert words not in row.model_dump_json()
    for name in rows:
        found = await bench.store.find_inbox(f"fake:{name}")
        assert found is not None
        assert found.body == b""


async def test_the_answer_that_waits_goes_when_its_message_is_deleted() -> None:
    """F066: what is queued is cancelled, and the dialogue stands where it stood."""
    bench = bench_with_a_bot()
    bench.channel.outcomes.append(TemporaryFailure("no connection"))
    await bench.receive("1", text="where is my order?")
    await until(lambda: not bench.channel.outcomes)
    await bench.receive("2", text="", deletes="1")
    await bench.settle()
    assert answers(bench) == []
    (cancelled,) = await lines(bench, "out")
    assert (cancelled.state, cancelled.reason) == ("cancelled", "deleted")
    assert (await conversation(bench)).session.position is None


async def test_a_send_that_is_under_way_is_not_touched_by_a_deletion() -> None:
    """F066: delete while SENDING."""
    bench = bench_with_a_bot()
    bench.channel.gate = asyncio.Event()
    await bench.receive("1", text=ORDER)
    await until(lambda: bool(bench.channel.sent))
    await bench.receive("2", text="", deletes="1")
    bench.channel.gate.set()
    await bench.settle()
    assert [row.state for row in await lines(bench, "out")] == ["sent"]


async def test_people_see_an_edit_in_the_summary_that_they_were_given() -> None:
    """DEMAND 27: the agent must not answer the old text."""
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": "talk to a person"})
    given = (await conversation(bench)).handoff
    assert given is not None
    assert "talk to a person" in given.summary
    await tell(bench, {"name": "2", "text": "talk to a person about A-1001", "edits": "1"})
    anew = (await conversation(bench)).handoff
    assert anew is not None
    assert "about A-1001" in anew.summary
    await tell(bench, {"name": "3", "text": "", "deletes": "1"})
    gone = (await conversation(bench)).handoff
    assert gone is not None
    assert "A-1001" not in gone.summary
    assert answers(bench) == ["handoff_requested"]


@pytest.mark.parametrize("addressed", ["ambient", "thread"])
async def test_what_people_change_of_their_own_talk_is_not_kept(addressed: str) -> None:
    bench = bench_with_a_bot()
    await tell(bench, {"name": "2", "text": "between us", "edits": "1", "addressed": addressed})
    await tell(bench, {"name": "3", "text": "", "deletes": "1", "addressed": addressed})
    assert await bench.state_of("2") == await bench.state_of("3") == "ignored"
    assert bench.channel.sent == []


async def test_a_message_that_turns_to_us_by_an_edit_is_answered_once() -> None:
    """S10: before it was people's talk, which nobody keeps."""
    bench = bench_with_a_bot()
    edit = {"name": "2", "text": ORDER, "edits": "1", "addressed": "direct", "was_addressed": "ambient"}
    await tell(bench, edit, {"name": "3", "text": ORDER + "!", "edits": "1", "addressed": "direct"})
    assert answers(bench) == ["order_status"]
    assert [line.kind for line in await lines(bench)] == ["message", "edited"]


async def test_an_edit_counts_against_what_one_person_may_ask() -> None:
    bench = build_bench(responder=bot_without(), limits=Limits(turns_per_min=1, turns_burst=1))
    await bench.receive("1", text="thank you")
    await until(lambda: bool(bench.channel.sent))
    await bench.receive("2", text="what can you do", edits="1")
    await asyncio.sleep(0.05)
    assert answers(bench) == ["thanks"]


async def test_the_body_of_a_batch_is_forgotten_in_all_its_rows() -> None:
    bench = bench_with_a_bot()
    parts = [{"id": name, "thread": "t1", "text": text} for name, text in (("1", "hello"), ("2", ORDER))]
    await bench.receive_raw(json.dumps({"id": "b", "several": parts}).encode())
    await bench.settle()
    await tell(bench, {"name": "3", "text": "", "deletes": "2"})
    await nothing_is_left_of(bench, "A-1001", "b", "b#1")


def test_the_bot_is_the_one_of_the_product() -> None:
    assert isinstance(bench_with_a_bot().responder, Bot)
