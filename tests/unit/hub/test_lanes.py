import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.conversation import ActionResult, ActionWanted, Conversation, Turn
from core.errors import RateLimited, StoreUnavailable, UnknownOutcome
from core.events import MessageReceived
from core.ids import ConversationId
from core.inbox import InboxMark, InboxRow, InboxState, OpenRow
from core.storage import DeadLetter, Held, Leased, Save, TranscriptRow
from core.store.memory import MemoryStore
from hub.clock import SystemClock
from hub.holds import LEASE_S, RECORDED_WITHIN
from tests.factories import Bench, FakeChannel, FakeResponder, build_bench, echo

T1 = ConversationId("fake:one:t1")
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def bench() -> Bench:
    return build_bench()


async def test_a_message_is_answered_once_and_done(bench: Bench) -> None:
    assert await bench.receive("1", "hello") == "accepted"
    await bench.settle()
    assert bench.channel.sent == [(T1, "hello")]
    assert await bench.state_of("1") == "done"


async def test_a_delivery_that_comes_again_changes_nothing(bench: Bench) -> None:
    copies = await asyncio.gather(*(bench.receive("1") for _ in range(50)))
    await bench.settle()
    await bench.receive("1")
    await bench.settle()
    assert sorted(copies) == ["accepted"] + ["duplicate"] * 49
    assert len(bench.channel.sent) == 1


async def test_one_conversation_is_answered_in_order_while_others_go_on(bench: Bench) -> None:
    for number in range(20):
        await bench.receive(f"a{number}", f"a{number}", "a")
        await bench.receive(f"b{number}", f"b{number}", "b")
    await bench.settle()
    for thread in "ab":
        said = [text for name, text in bench.channel.sent if name.endswith(f":{thread}")]
        assert said == [f"{thread}{number}" for number in range(20)]


async def test_a_slow_platform_holds_up_only_its_own_conversation() -> None:
    channel = FakeChannel(gate=asyncio.Event())
    bench = build_bench(channel=channel)
    await bench.receive("1", "first", "a")
    await bench.receive("2", "second", "a")
    await bench.receive("3", "other", "b")
    await asyncio.sleep(0.05)
    assert {text for _, text in channel.sent} == {"first", "other"}, "reply 2 waits until reply 1 is terminal"
    assert channel.gate is not None
    channel.gate.set()
    await bench.settle()
    assert [text for name, text in channel.sent if name.endswith(":a")] == ["first", "second"]


async def test_what_cannot_be_read_is_quarantined_and_what_is_not_for_us_is_ignored(bench: Bench) -> None:
    await bench.receive_raw(b"not json")
    await bench.receive_raw(json.dumps({"id": "typing", "thread": "t1"}).encode())
    await bench.receive_raw(json.dumps({"id": "bug", "thread": "t1", "bug": True}).encode())
    await bench.settle()
    assert bench.channel.sent == []
    assert await bench.state_of("typing") == "ignored"
    quarantined = {row.reason for row in await bench.store.quarantined(10)}
    assert quarantined == {"malformed: not JSON", "adapter_failed: KeyError"}


async def test_a_payload_with_several_events_answers_each_once(bench: Bench) -> None:
    several = [{"id": f"m{n}", "thread": f"t{n}", "text": f"text {n}"} for n in range(3)]
    await bench.receive_raw(json.dumps({"id": "batch", "several": several}).encode())
    await bench.settle()
    assert sorted(text for _, text in bench.channel.sent) == ["text 0", "text 1", "text 2"]
    states = [await bench.state_of(name) for name in ("batch", "batch#1", "batch#2")]
    assert states == ["done"] * 3


def failing(times: int, *, same_place: bool) -> FakeResponder:
    """Return a bot that fails so many times, at the same line or at changing ones."""
    left = [times]

    def script(conversation: Conversation, event: MessageReceived, results: Mapping[str, ActionResult]) -> Turn | None:
        if event.text == "boom" and left[0] > 0:
            left[0] -= 1
            if same_place or left[0] % 2:
                raise ValueError("secret words of the customer")
            raise LookupError("another place")
        return None

    return FakeResponder(script)


async def test_a_turn_that_raises_is_taken_again_after_a_pause() -> None:
    bench = build_bench(responder=failing(4, same_place=False))
    await bench.receive("1", "boom")
    await bench.receive("2", "after")
    await bench.settle()
    assert bench.pauses == [1.0, 5.0, 30.0, 120.0]
    assert [text for _, text in bench.channel.sent] == ["boom", "after"]
    assert await bench.state_of("1") == "done"


async def test_the_fifth_failure_is_a_dead_letter_and_a_person_takes_over() -> None:
    bench = build_bench(responder=failing(9, same_place=False))
    await bench.receive("1", "boom")
    await bench.receive("2", "after")
    await bench.settle()
    assert await bench.state_of("1") == "dead"
    (letter,) = await bench.store.dead_letters(10)
    assert (letter.id, letter.attempts, letter.conversation_id) == ("fake:1", 5, T1)
    assert "secret words" not in letter.detail
    assert [text for _, text in bench.channel.sent] == ["trouble", "after"], (
        "the customer is told, and the line moves on"
    )
    found = await bench.store.load(T1)
    assert found is not None
    assert found.conversation is not None
    assert found.conversation.owner == "queue"


async def test_the_same_error_twice_is_deterministic_and_dead_at_once() -> None:
    bench = build_bench(responder=failing(9, same_place=True))
    await bench.receive("1", "boom")
    await bench.settle()
    assert (await bench.state_of("1"), bench.pauses) == ("dead", [1.0])


async def test_a_dead_letter_that_is_replayed_is_answered() -> None:
    bench = build_bench(responder=failing(2, same_place=True))
    await bench.receive("1", "boom")
    await bench.settle()
    assert await bench.store.revive("fake:1", InboxState.READY)
    await bench.sweep.once(everything=True)
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == ["trouble", "boom"]
    assert await bench.state_of("1") == "done"
    found = await bench.store.load(T1)
    assert found is not None
    assert found.conversation is not None
    assert found.conversation.owner == "bot", "people had it only because of the failure"


async def test_an_action_is_run_between_two_questions_to_the_bot(bench: Bench) -> None:
    async def find(arguments: Mapping[str, object]) -> ActionResult:
        return ActionResult(outcome="ok", data={"status": f"{arguments['order']} is shipped"})

    def script(
        conversation: Conversation, event: MessageReceived, results: Mapping[str, ActionResult]
    ) -> Turn | ActionWanted:
        if "order" not in results:
            return ActionWanted(key="order", action="orders.find", arguments={"order": event.text})
        return echo(conversation, event.model_copy(update={"text": str(results["order"].data["status"])}))

    bench.actions["orders.find"] = find
    bench.responder.script = script
    await bench.receive("1", "A-1001")
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == ["A-1001 is shipped"]


async def test_a_bot_that_goes_in_circles_is_stopped(bench: Bench) -> None:
    async def nothing(arguments: Mapping[str, object]) -> ActionResult:
        return ActionResult(outcome="ok")

    bench.actions["again"] = nothing
    bench.responder.script = lambda conversation, event, results: ActionWanted(key=str(len(results)), action="again")
    await bench.receive("1")
    await bench.settle()
    assert await bench.state_of("1") == "dead"


async def test_what_a_dead_process_left_behind_is_taken_up_in_order() -> None:
    clock = SystemClock()
    store = MemoryStore(clock)
    before = build_bench(store=store, clock=clock, worker="dead")
    before.inbox._offer = lambda *_: None  # it dies between accepting and working
    for number in range(5):
        await before.receive(f"{number}", f"text {number}")
    after = build_bench(store=store, clock=clock, worker="next")
    await after.sweep.once(everything=True)
    await after.settle()
    assert [text for _, text in after.channel.sent] == [f"text {number}" for number in range(5)]
    await after.sweep.once(everything=True)
    await after.settle()
    assert len(after.channel.sent) == 5


async def test_a_turn_whose_mark_was_lost_is_not_taken_twice(bench: Bench) -> None:
    await bench.receive("1")
    await bench.settle()
    bench.store._inbox["fake:1"] = bench.store._inbox["fake:1"].model_copy(update={"state": InboxState.RECEIVED})  # type: ignore[attr-defined]
    await bench.sweep.once(everything=True)
    await bench.settle()
    assert len(bench.channel.sent) == 1
    assert await bench.state_of("1") == "done"


async def test_a_message_that_ended_the_process_three_times_is_dead_without_a_fourth_run(bench: Bench) -> None:
    """F024: three ends of the process are written down."""
    bench.inbox._offer = lambda *_: None
    await bench.receive("1")
    await bench.store.mark_inbox([InboxMark(id="fake:1", state=InboxState.READY, crashes=3)])
    await bench.sweep.once(everything=True)
    await bench.settle()
    assert await bench.state_of("1") == "dead"
    assert bench.responder.heard == []
    assert [text for _, text in bench.channel.sent] == ["trouble"]


async def test_where_rows_are_offered_they_wait_for_the_lease_and_keep_their_order(bench: Bench) -> None:
    """What comes later must not overtake what waits."""
    (lease,) = await bench.store.acquire([T1], "somebody else", LEASE_S)
    await bench.receive("1", "first")
    await asyncio.sleep(0.05)
    await bench.receive("2", "second")
    assert bench.channel.sent == []
    await bench.store.release([Held(T1, lease.fence)], "somebody else")
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == ["first", "second"]


async def test_work_under_a_lost_lease_is_thrown_away_and_taken_again(bench: Bench) -> None:
    """F025: the commit matches no document, nothing is sent, and the turn is taken again from what is durable."""
    lost = []

    def script(conversation: Conversation, event: MessageReceived, results: Mapping[str, ActionResult]) -> None:
        if not lost:
            lost.append(event.id)
            entry = bench.store._conversations[T1]  # type: ignore[attr-defined]
            entry.fence, entry.worker, entry.lease_until = 999, "somebody else", float("-inf")

    bench.responder.script = script
    await bench.receive("1")
    await bench.settle()
    assert bench.responder.heard == ["hello", "hello"]
    assert len(bench.channel.sent) == 1
    assert await bench.state_of("1") == "done"


class FailingStore(MemoryStore):
    """A database that fails when it is told to."""

    def __init__(self, clock: SystemClock) -> None:
        super().__init__(clock)
        self.failures: dict[str, int] = {}

    def _maybe_fail(self, what: str) -> None:
        if self.failures.get(what, 0) > 0:
            self.failures[what] -= 1
            raise StoreUnavailable(f"{what} failed")

    async def save(self, saves: Sequence[Save]) -> list[bool]:
        self._maybe_fail("save")
        return await super().save(saves)

    async def mark_inbox(self, marks: Sequence[InboxMark]) -> None:
        self._maybe_fail("mark")
        await super().mark_inbox(marks)

    async def record(self, rows: Sequence[TranscriptRow]) -> None:
        self._maybe_fail("record")
        await super().record(rows)

    async def bury(self, letter: DeadLetter) -> None:
        self._maybe_fail("bury")
        await super().bury(letter)


class DeafStore(MemoryStore):
    """A lease is taken, and the answer gets lost."""

    is_deaf = True

    async def acquire(self, *args: Any, **kwargs: Any) -> list[Leased]:
        leased = await super().acquire(*args, **kwargs)
        if self.is_deaf:
            self.is_deaf = False
            raise StoreUnavailable("the connection broke before the answer")
        return leased


async def test_a_lease_whose_answer_was_lost_does_not_keep_ourselves_out() -> None:
    """F030: otherwise its conversation waits until the lease runs out."""
    bench = build_bench(store=DeafStore(SystemClock()))
    await bench.receive("1")
    await bench.settle(timeout_s=LEASE_S / 2)
    assert [text for _, text in bench.channel.sent] == ["hello"]


async def test_lines_that_the_transcript_did_not_take_are_written_again_without_a_new_message(frail: Bench) -> None:
    """Nobody writes for days; what was said must be found all the same."""
    fail(frail, "record", 9)
    await frail.receive("1")
    await frail.settle()
    await frail.holds.give_back_idle()
    fail(frail, "record", 0)
    assert await frail.store.transcript(T1, 0, 9) == []
    later = frail.clock.now() + 2 * RECORDED_WITHIN
    assert await frail.store.waking(later, 9) == [T1]
    frail.lanes.wake(T1)
    await frail.settle()
    await frail.holds.give_back_idle()
    assert [line.direction for line in await frail.store.transcript(T1, 0, 9)] == ["in", "out"]
    assert await frail.store.waking(later, 9) == []


@pytest.fixture
def frail() -> Bench:
    return build_bench(store=FailingStore(SystemClock()))


def fail(bench: Bench, what: str, times: int) -> None:
    assert isinstance(bench.store, FailingStore)
    bench.store.failures[what] = times


async def test_a_commit_that_fails_does_not_let_the_next_message_overtake(frail: Bench) -> None:
    fail(frail, "save", 1)
    await frail.receive("1", "first")
    await asyncio.sleep(0.05)
    await frail.receive("2", "second")
    await frail.settle()
    assert [text for _, text in frail.channel.sent] == ["first", "second"]


async def test_a_database_that_fails_while_a_failure_is_written_down_loses_nothing(frail: Bench) -> None:
    frail.responder.script = failing(1, same_place=True).script
    fail(frail, "mark", 1)
    await frail.receive("1", "boom")
    await frail.settle()
    assert [text for _, text in frail.channel.sent] == ["boom"]
    assert not frail.lanes._in_flight


async def test_a_burial_that_is_interrupted_is_done_again_and_people_take_over(frail: Bench) -> None:
    frail.responder.script = failing(9, same_place=True).script
    fail(frail, "bury", 1)
    await frail.receive("1", "boom")
    await frail.settle()
    assert await frail.state_of("1") == "dead"
    assert [text for _, text in frail.channel.sent] == ["trouble"], "told once"


async def test_trouble_with_the_database_is_not_counted_against_a_message(frail: Bench) -> None:
    frail.inbox._offer = lambda *_: None
    await frail.receive("1")
    fail(frail, "save", 4)
    await frail.sweep.once(everything=True)
    await frail.settle(timeout_s=20)
    assert await frail.state_of("1") == "done"
    assert [text for _, text in frail.channel.sent] == ["hello"]


async def test_a_send_that_is_known_to_have_arrived_is_not_doubted_when_a_write_fails_behind_it(frail: Bench) -> None:
    frail.channel.ability = "idempotent"

    async def break_the_next_save() -> None:
        while not frail.channel.sent:
            await asyncio.sleep(0)
        fail(frail, "save", 1)

    breaking = asyncio.create_task(break_the_next_save())
    await frail.receive("1", "a|b")
    await breaking
    await frail.settle()
    assert [text for _, text in frail.channel.sent] == ["a", "b"]


async def test_what_a_person_said_reaches_the_transcript_even_if_its_line_could_not_be_written(frail: Bench) -> None:
    fail(frail, "record", 1)
    await frail.receive("1", "hello")
    await frail.settle()
    await frail.holds.close()
    next_owner = build_bench(store=frail.store, worker="next")
    await next_owner.receive("2", "again")
    await next_owner.settle()
    lines = [(line.direction, line.text) for line in await frail.store.transcript(T1, 0, 10)]
    assert lines == [("in", "hello"), ("out", "hello"), ("in", "again"), ("out", "again")]


async def test_a_plan_that_can_never_fit_is_a_dead_letter_and_not_a_standstill(bench: Bench) -> None:
    await bench.receive("1", "|".join("x" * 17))
    await bench.receive("2", "after")
    await bench.settle()
    assert await bench.state_of("1") == "dead"
    assert [text for _, text in bench.channel.sent] == ["trouble", "after"]


async def test_a_renamed_desk_keeps_its_conversations(bench: Bench) -> None:
    await bench.receive("1")
    await bench.settle()
    entry = bench.store._conversations[T1]  # type: ignore[attr-defined]
    await bench.holds.close()
    entry.conversation = entry.conversation.model_copy(update={"desk": "before"})
    await bench.receive("2")
    await bench.settle()
    assert len(bench.channel.sent) == 2


async def test_a_message_that_is_ignored_leaves_no_conversation_behind(bench: Bench) -> None:
    def ignore(conversation: Conversation, event: MessageReceived, results: Mapping[str, ActionResult]) -> Turn:
        return echo(conversation, event).model_copy(update={"ignored": "ambient"})

    bench.responder.script = ignore
    await bench.receive("1")
    await bench.settle()
    assert await bench.state_of("1") == "ignored"
    await bench.holds.give_back_idle()
    assert await bench.store.load(T1) is None


async def test_rows_that_cannot_be_worked_on_do_not_stand_in_the_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.lanes.sweep.SWEEP_ROWS", 3)
    bench.inbox._offer = lambda *_: None
    off = {"channel": "fake", "account": "off", "body": b"{}", "node": "n", "n": 0}
    rows = [InboxRow.model_validate(off | {"id": f"off{n}", "received_at": bench.clock.now()}) for n in range(10)]
    await bench.store.insert_inbox(rows)
    await bench.receive("1")
    await bench.sweep.once(everything=True)
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == ["hello"]


async def test_an_adapter_that_breaks_in_a_proof_does_not_hold_its_conversation_for_ever(bench: Bench) -> None:
    bench.channel.ability = "provable"
    bench.channel.outcomes = [UnknownOutcome("timeout")]

    async def broken(*_: object) -> None:
        raise KeyError("a bug")

    bench.channel.find_sent = broken  # type: ignore[method-assign,assignment]
    await bench.receive("1")
    await asyncio.sleep(0.05)
    await bench.lanes.drain(1.0)
    found = await bench.store.load(T1)
    assert found is not None
    assert len(found.out) == 1, "it waits to be asked about again"


async def test_a_stop_does_not_wait_for_what_only_waits(bench: Bench) -> None:
    """F021."""
    bench.channel.outcomes = [RateLimited(25.0)]
    await bench.receive("1")
    await asyncio.sleep(0.05)
    started = bench.clock.monotonic()
    await bench.lanes.drain(5.0)
    assert bench.clock.monotonic() - started < 4.0


async def test_a_row_that_waits_is_not_swept_before_its_time(bench: Bench) -> None:
    bench.inbox._offer = lambda *_: None
    await bench.receive("1")
    later = bench.clock.now() + timedelta(hours=1)
    await bench.store.mark_inbox([InboxMark(id="fake:1", state=InboxState.READY, not_before=later)])
    await bench.sweep.once(everything=True)
    await bench.settle()
    assert bench.channel.sent == []


async def test_a_hub_that_drains_takes_nothing_new(bench: Bench) -> None:
    await bench.lanes.drain(1.0)
    await bench.receive("1")
    await asyncio.sleep(0.01)
    assert bench.channel.sent == []
    assert await bench.state_of("1") == "received"


async def test_a_plan_that_does_not_fit_waits_for_the_line(bench: Bench) -> None:
    bench.channel.outcomes = [RateLimited(0.2)]
    await bench.receive("1", "|".join("x" * 16))
    await asyncio.sleep(0.05)
    await bench.receive("2", "y")
    await asyncio.sleep(0.05)
    assert bench.responder.heard == ["|".join("x" * 16)], "there is no room for another plan yet"
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == ["x"] * 16 + ["y"]


async def test_a_sweep_that_breaks_does_not_end_the_sweeping(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.lanes.sweep.SWEEP_EVERY_S", 0.01)
    bench.inbox._offer = lambda *_: None
    await bench.receive("1")
    healthy, broken = bench.store.open_inbox, iter([ValueError("a document nobody can read"), None])

    async def open_inbox(before: datetime, skip: int, limit: int) -> list[OpenRow]:
        if (error := next(broken, None)) is not None:
            raise error
        return await healthy(LATER, skip, limit)

    bench.store.open_inbox = open_inbox  # type: ignore[method-assign]
    sweeping = asyncio.create_task(bench.sweep.keep())
    while not bench.channel.sent:
        await asyncio.sleep(0.005)
    sweeping.cancel()
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == ["hello"]
