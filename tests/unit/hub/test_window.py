"""W20: what is sent, and what is not, more than 24 hours after a person's last message. FAULTS F056 for statuses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from channels.inbound import Capabilities
from core.conversation import Conversation
from core.errors import RateLimited, WindowClosed
from core.events import Address, DeliveryStatusChanged, Event
from core.ids import ConversationId
from core.outbox import OutboxRow, SendState
from core.replies import ApiCall, Reply
from core.storage import TranscriptRow
from core.window import LASTS_S, MAX_WAITING, WAITS_S, ContentTemplate, OutsidePolicy, ServiceWindow
from hub.approved import NONE_APPROVED, ApprovedTemplates
from hub.holds import Holds
from hub.notify import notify
from hub.planning import Planner
from hub.window import words_of
from tests.conversation.telling import bot_without
from tests.factories import ACCOUNT, DESK, Bench, EchoTemplates, FakeChannel, build_bench
from tests.fakes import START, FakeClock

T1 = ConversationId("fake:one:t1")
HOUR_S = 3600.0
APPROVED = ApprovedTemplates({"news": (ContentTemplate(twilio="HX" + "0" * 32, variables={"1": "text | upper"}),)})


@dataclass
class WindowedChannel(FakeChannel):
    """A platform that takes free words for 24 hours after a person's message, templates always."""

    policy: OutsidePolicy = field(default_factory=OutsidePolicy)

    @property
    def capabilities(self) -> Capabilities:
        window = ServiceWindow(prefix="t", policy=self.policy)
        return super().capabilities.model_copy(update={"window": window})

    def render_template(
        self, template: ContentTemplate, values: Mapping[str, str], reply: Reply, address: Address
    ) -> ApiCall | None:
        params: dict[str, Any] = {"text": f"<{values['1']}>", "to": address["to"]}
        return ApiCall(method="template", params=params, bucket=address["to"], kind=reply.kind)

    def _status(self, message: dict[str, Any], at: Any) -> DeliveryStatusChanged:
        told = super()._status(message, at)
        return told.model_copy(
            update={"error_code": message.get("code"), "window_closed": message.get("code") == "shut"}
        )


def bench_of(**more: Any) -> tuple[Bench, WindowedChannel, FakeClock]:
    clock = FakeClock()
    channel = WindowedChannel(**more)
    return build_bench(clock=clock, channel=channel), channel, clock


async def tell(bench: Bench, text: str, *, name: str = "n1", approved: ApprovedTemplates = NONE_APPROVED) -> None:
    """Say something that nobody asked for, and have the hub see to it."""
    await bench.holds.give_back_idle()
    planner = Planner({ACCOUNT: bench.channel}, {ACCOUNT: DESK}, EchoTemplates(), approved, bench.clock)
    holds = Holds(bench.store, "cli", bench.clock, bench.metrics)
    await notify(holds, planner, T1, Reply(template="news", context={"text": text}, kind="agent"), name)
    await holds.close()
    bench.lanes.wake(T1)
    await bench.settle()


async def conversation_of(bench: Bench) -> tuple[Conversation, tuple[OutboxRow, ...]]:
    found = await bench.store.load(T1)
    assert found is not None
    assert found.conversation is not None
    return found.conversation, found.out


async def said(bench: Bench) -> list[TranscriptRow]:
    return [line for line in await bench.store.transcript(T1, -1, 100) if line.direction == "out"]


def decisions(bench: Bench) -> dict[str, float]:
    samples = next(iter(bench.metrics.outside_window.collect())).samples
    return {one.labels["decision"]: one.value for one in samples if one.name.endswith("_total")}


async def test_the_end_of_the_window_is_stored_with_the_turn_and_costs_no_write() -> None:
    bench, channel, _ = bench_of()
    written: list[int] = []
    save = bench.store.save

    async def counted(saves: Any) -> list[bool]:
        written.append(len(saves))
        return await save(saves)

    bench.store.save = counted  # type: ignore[method-assign]
    await bench.receive("m1")
    await bench.settle()
    assert channel.sent == [(T1, "hello")]
    assert written == [1]
    conversation, _ = await conversation_of(bench)
    assert conversation.window_until == START + timedelta(seconds=LASTS_S)


async def test_a_message_that_was_written_long_before_it_came_opens_the_window_from_when_it_was_written() -> None:
    bench, channel, clock = bench_of()
    normalize = channel._event

    def late(message: dict[str, Any], at: Any) -> Event:
        return normalize(message, at).model_copy(update={"sent_at": at - timedelta(hours=25)})

    channel._event = late  # type: ignore[method-assign]
    await bench.receive("m1")
    await bench.settle()
    conversation, (row,) = await conversation_of(bench)
    assert conversation.window_until == clock.now() - timedelta(hours=1)
    assert (channel.sent, row.state, row.went) == ([], SendState.WAITING, "waited")


async def test_inside_the_window_free_words_leave_even_where_a_template_is_approved() -> None:
    bench, channel, clock = bench_of()
    await bench.receive("m1")
    await bench.settle()
    clock.advance(23 * HOUR_S)
    await tell(bench, "news", approved=APPROVED)
    assert channel.sent == [(T1, "hello"), (T1, "news")]
    assert decisions(bench) == {}


async def test_outside_the_window_a_template_goes_and_says_the_whole_reply() -> None:
    bench, channel, clock = bench_of()
    await bench.receive("m1")
    await bench.settle()
    clock.advance(25 * HOUR_S)
    await tell(bench, "one|two", approved=APPROVED)
    assert channel.sent == [(T1, "hello"), (T1, "<ONE|TWO>")]
    _, first, second = await said(bench)
    assert (first.state, first.went, first.text) == ("sent", "template", "one")
    assert (second.state, second.reason) == ("cancelled", "said_by_template")
    assert decisions(bench) == {"template": 1.0}


async def test_the_last_minute_counts_as_shut() -> None:
    bench, channel, clock = bench_of()
    await bench.receive("m1")
    await bench.settle()
    clock.advance(LASTS_S - 59)
    await tell(bench, "news", approved=APPROVED)
    assert channel.sent[1:] == [(T1, "<NEWS>")]


async def test_without_a_template_it_waits_is_shown_and_goes_first_and_in_order_when_the_person_writes() -> None:
    bench, channel, clock = bench_of()
    await bench.receive("m1")
    await bench.settle()
    clock.advance(25 * HOUR_S)
    await tell(bench, "one", name="n1")
    await tell(bench, "two", name="n2")
    assert channel.sent[1:] == []
    waiting = await bench.store.troubled_lines("waiting", 10)
    assert sorted((line.text, line.state, line.reason) for line in waiting) == [
        ("one", "waiting", "window_closed"),
        ("two", "waiting", "window_closed"),
    ]
    assert (await bench.store.counts())["waiting"] == 2
    clock.advance(30 * HOUR_S)
    await bench.receive("m2", text="I am back")
    await bench.settle()
    assert [text for _, text in channel.sent] == ["hello", "one", "two", "I am back"]
    assert [(line.text, line.state, line.went) for line in await said(bench)] == [
        ("hello", "sent", None),
        ("one", "sent", "waited"),
        ("two", "sent", "waited"),
        ("I am back", "sent", None),
    ]
    assert await bench.store.troubled_lines("waiting", 10) == []


async def test_what_waits_does_not_hold_up_a_later_message_that_has_a_template() -> None:
    bench, channel, clock = bench_of()
    await bench.receive("m1")
    await bench.settle()
    clock.advance(25 * HOUR_S)
    await tell(bench, "waits", name="n1")
    await tell(bench, "goes", name="n2", approved=APPROVED)
    assert channel.sent[1:] == [(T1, "<GOES>")]


async def test_what_waits_is_given_up_after_a_week_and_shown() -> None:
    bench, channel, clock = bench_of()
    await bench.receive("m1")
    await bench.settle()
    clock.advance(25 * HOUR_S)
    await tell(bench, "news")
    await bench.holds.give_back_idle()
    assert await bench.store.waking(clock.now(), 10) == []
    clock.advance(WAITS_S)
    assert await bench.store.waking(clock.now(), 10) == [T1]
    bench.lanes.wake(T1)
    await bench.settle()
    (lost,) = await bench.store.troubled_lines("undelivered", 10)
    assert (lost.text, lost.state, lost.reason) == ("news", "failed", "window_closed")
    assert len(channel.sent) == 1
    assert decisions(bench) == {"waited": 1.0, "failed": 1.0}


async def test_a_policy_may_give_up_at_once() -> None:
    bench, channel, clock = bench_of(policy=OutsidePolicy(agent=("fail",)))
    await bench.receive("m1")
    await bench.settle()
    clock.advance(25 * HOUR_S)
    await tell(bench, "news", approved=APPROVED)
    assert len(channel.sent) == 1
    assert [line.text for line in await bench.store.troubled_lines("undelivered", 10)] == ["news"]


async def test_what_waits_for_somebody_who_opts_out_is_ended_and_never_goes() -> None:
    """F052, W27."""
    clock = FakeClock()
    channel = WindowedChannel()
    bench = build_bench(clock=clock, channel=channel, responder=bot_without())
    await bench.receive("m1")
    await bench.settle()
    clock.advance(25 * HOUR_S)
    await tell(bench, "news")
    await bench.receive("m2", text="stop", reach="opted_out")
    await bench.settle()
    (lost,) = await bench.store.troubled_lines("undelivered", 10)
    assert (lost.text, lost.state, lost.reason) == ("news", "undeliverable", "opted_out")
    assert await bench.store.troubled_lines("waiting", 10) == []
    assert all(text != "news" for _, text in channel.sent)


async def test_no_more_than_eight_messages_wait_and_the_ninth_is_shown() -> None:
    bench, _, clock = bench_of()
    await bench.receive("m1")
    await bench.settle()
    clock.advance(25 * HOUR_S)
    for number in range(MAX_WAITING + 1):
        await tell(bench, f"news {number}", name=f"n{number}")
    assert len(await bench.store.troubled_lines("waiting", 20)) == MAX_WAITING
    assert [line.text for line in await bench.store.troubled_lines("undelivered", 20)] == [f"news {MAX_WAITING}"]
    await bench.receive("m2", text="back")
    await bench.settle()
    assert len(bench.channel.sent) == 1 + MAX_WAITING + 1


async def test_a_window_that_shuts_during_retries_is_noticed_before_the_next_try() -> None:
    bench, channel, clock = bench_of()
    await bench.receive("m1")
    await bench.settle()
    clock.advance(LASTS_S - 61)
    channel.outcomes = [RateLimited(45.0)]
    await bench.holds.give_back_idle()
    await tell(bench, "news", approved=APPROVED)
    assert len(channel.sent) == 1
    clock.advance(60)
    await bench.holds.give_back_idle()
    bench.lanes.wake(T1)
    await bench.settle()
    assert channel.sent[1:] == [(T1, "<NEWS>")]


async def test_a_refusal_at_once_is_planned_anew_once_and_the_platform_is_believed() -> None:
    bench, channel, clock = bench_of()
    channel.outcomes = [WindowClosed("shut", code="shut")]
    await bench.receive("m1")
    await bench.settle()
    assert channel.sent == []
    conversation, (row,) = await conversation_of(bench)
    assert (row.state, row.replanned) == (SendState.WAITING, True)
    assert conversation.window_until == START
    clock.advance(HOUR_S)
    channel.outcomes = [WindowClosed("shut", code="shut")]
    await bench.receive("m2", text="again")
    await bench.settle()
    assert [text for _, text in channel.sent] == []  # refused again: no third plan of the first, and the second waits
    (lost,) = await bench.store.troubled_lines("undelivered", 10)
    assert (lost.text, lost.reason, lost.replanned) == ("hello", "shut", True)
    assert [line.text for line in await bench.store.troubled_lines("waiting", 10)] == ["again"]


async def refuse_later(bench: Bench, line: TranscriptRow, name: str) -> None:
    told = {"id": name, "thread": "t1", "text": "", "status": "failed", "out_id": line.id, "code": "shut"}
    await bench.receive_raw(json.dumps(told).encode())
    await bench.settle()


async def told_before(approved: ApprovedTemplates, text: str = "news") -> tuple[Bench, WindowedChannel, FakeClock]:
    """Send something that the platform takes at first."""
    bench, channel, clock = bench_of()
    await bench.receive("m1")
    await bench.settle()
    clock.advance(HOUR_S)
    await tell(bench, text, approved=approved)
    return bench, channel, clock


async def test_a_refusal_that_comes_later_sends_the_template_once_however_often_it_is_told() -> None:
    """F056: the same status again, under another name."""
    bench, channel, _ = await told_before(APPROVED)
    _, line = await said(bench)
    await refuse_later(bench, line, "s1")
    await refuse_later(bench, line, "s2")
    await bench.holds.give_back_idle()
    assert channel.sent[1:] == [(T1, "news"), (T1, "<NEWS>")]
    _, first, second = await said(bench)
    assert (first.state, first.reason) == ("replaced", "window_closed")
    assert (second.state, second.went, second.text, second.replanned) == ("sent", "template", "news", True)
    assert await bench.store.troubled_lines("undelivered", 10) == []
    assert bench.metrics.undelivered.labels("fake", "one")._value.get() == 0


async def test_a_crash_before_the_old_message_is_marked_as_replaced_plans_no_second_one() -> None:
    bench, channel, _ = await told_before(APPROVED)
    _, line = await said(bench)
    await refuse_later(bench, line, "s1")
    entry = bench.store._lines[line.id]  # type: ignore[attr-defined]
    entry.row = entry.row.model_copy(update={"state": "failed", "reason": "shut"})  # its mark was lost with the process
    await refuse_later(bench, line, "s2")
    assert channel.sent[1:] == [(T1, "news"), (T1, "<NEWS>")]
    assert (await said(bench))[1].state == "replaced"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"body": "a"}, "a"),
        ({"text": "b"}, "b"),
        ({"type": "text", "text": {"body": "c"}}, "c"),
        ({"type": "interactive", "interactive": {"body": {"text": "d"}, "action": {}}}, "d"),
        ({"content_sid": "HX", "content_variables": '{"1": "e"}'}, "e"),
        ({"type": "template", "template": {"name": "x"}}, ""),
    ],
    ids=str,
)
def test_the_transcript_shows_what_a_person_reads_of_a_call_at_every_provider(
    params: dict[str, Any], words: str
) -> None:
    assert words_of(ApiCall(method="m", params=params, bucket="b")) == words


async def test_a_template_that_fails_too_stays_failed_and_is_shown() -> None:
    bench, channel, _ = await told_before(APPROVED)
    await refuse_later(bench, (await said(bench))[1], "s1")
    await refuse_later(bench, (await said(bench))[2], "s2")
    assert channel.sent[1:] == [(T1, "news"), (T1, "<NEWS>")]
    assert [line.went for line in await bench.store.troubled_lines("undelivered", 10)] == ["template"]
    assert bench.metrics.undelivered.labels("fake", "one")._value.get() == 1


async def test_a_refusal_that_comes_later_waits_where_there_is_no_template() -> None:
    bench, channel, _ = await told_before(NONE_APPROVED)
    await refuse_later(bench, (await said(bench))[1], "s1")
    assert channel.sent[1:] == [(T1, "news")]
    await bench.receive("m2", text="back")
    await bench.settle()
    assert [text for _, text in channel.sent] == ["hello", "news", "news", "back"]


async def test_a_refusal_of_what_was_sent_before_the_person_wrote_again_is_sent_again_as_it_was() -> None:
    bench, channel, clock = await told_before(APPROVED)
    _, line = await said(bench)
    clock.advance(60)
    await bench.receive("m2", text="back")
    await bench.settle()
    await refuse_later(bench, line, "s1")
    assert [text for _, text in channel.sent] == ["hello", "news", "back", "news"]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_of_a_reply_in_two_parts_one_template_is_sent_whichever_part_is_refused_first(
    order: tuple[int, int],
) -> None:
    bench, channel, _ = await told_before(APPROVED, "one|two")
    lines = await said(bench)
    for place in order:
        await refuse_later(bench, lines[place], f"s{place}")
    assert [text for _, text in channel.sent] == ["hello", "one", "two", "<ONE|TWO>"]
    await bench.receive("m2", text="back")
    await bench.settle()
    assert [text for _, text in channel.sent][4:] == ["back"]


async def test_a_process_that_takes_over_what_waits_shows_it_again_and_sends_it_once() -> None:
    bench, _, clock = bench_of()
    await bench.receive("m1")
    await bench.settle()
    clock.advance(25 * HOUR_S)
    await tell(bench, "news")
    await bench.holds.give_back_idle()
    bench.store._lines.clear()  # type: ignore[attr-defined]  the line was lost with the process
    after = build_bench(store=bench.store, clock=clock, channel=bench.channel, worker="w2")
    after.lanes.wake(T1)
    await after.settle()
    assert [line.text for line in await after.store.troubled_lines("waiting", 10)] == ["news"]
    await after.receive("m2", text="back")
    await after.settle()
    assert [text for _, text in bench.channel.sent] == ["hello", "news", "back"]


async def test_a_delivered_message_keeps_no_call() -> None:
    bench, _, _ = await told_before(APPROVED)
    _, line = await said(bench)
    assert line.call is not None
    told = {"id": "d", "thread": "t1", "text": "", "status": "delivered", "out_id": line.id}
    await bench.receive_raw(json.dumps(told).encode())
    await bench.settle()
    _, line = await said(bench)
    assert (line.state, line.call, line.approved) == ("delivered", None, None)


async def test_a_conversation_of_the_version_before_is_tried() -> None:
    bench, channel, clock = bench_of()
    await bench.receive("m1")
    await bench.settle()
    await bench.holds.give_back_idle()
    entry = bench.store._conversations[T1]  # type: ignore[attr-defined]
    entry.conversation = entry.conversation.model_copy(update={"window_until": None})
    clock.advance(25 * HOUR_S)
    await tell(bench, "news", approved=APPROVED)
    assert channel.sent[1:] == [(T1, "news")]
