"""Replies that did not reach their person: seen, counted, and acted on by their kind (F052, F056, W25, W27)."""

import json

import pytest

from core.conversation import Conversation
from core.errors import PermanentFailure
from core.ids import ConversationId
from core.outbox import LostPolicy
from core.replies import ReplyKind
from core.storage import TranscriptRow
from tests.factories import Bench, FakeResponder, build_bench, echo

T1 = ConversationId("fake:one:t1")
KINDS: tuple[ReplyKind, ...] = ("answer", "question", "side_effect", "handoff_notice", "agent")


def bench_of(kind: ReplyKind, policy: LostPolicy | None = None) -> Bench:
    bench = build_bench(responder=FakeResponder(lambda conversation, event, _: echo(conversation, event, kind)))
    bench.outbox.when_lost = policy or LostPolicy()
    return bench


async def conversation_of(bench: Bench) -> Conversation:
    await bench.holds.give_back_idle()
    found = await bench.store.load(T1)
    assert found is not None
    assert found.conversation is not None
    return found.conversation


async def reply_in(bench: Bench) -> TranscriptRow:
    (line,) = [line for line in await bench.store.transcript(T1, -1, 10) if line.direction == "out"]
    return line


async def tell(bench: Bench, state: str, name: str) -> None:
    line = await reply_in(bench)
    told = {"id": name, "thread": "t1", "text": "", "status": state, "out_id": line.id}
    await bench.receive_raw(json.dumps(told).encode())
    await bench.settle()


def handed_over(bench: Bench) -> float:
    return float(bench.metrics.handoffs.labels("undelivered")._value.get())


@pytest.mark.parametrize("kind", KINDS)
async def test_a_reply_that_is_refused_is_listed_and_people_get_what_must_not_be_lost(kind: ReplyKind) -> None:
    """F052: what a person wrote, and what moved something."""
    bench = bench_of(kind)
    bench.channel.outcomes = [PermanentFailure("gone", code="21610", unreachable=True)]
    await bench.receive("m1")
    await bench.settle()
    (lost,) = await bench.store.troubled_lines("undelivered", 10)
    assert (lost.text, lost.reason, lost.reply_kind) == ("hello", "21610", kind)
    is_given = kind in {"side_effect", "agent"}
    assert (await conversation_of(bench)).owner == ("queue" if is_given else "bot")
    assert handed_over(bench) == is_given


@pytest.mark.parametrize("kind", KINDS)
async def test_a_reply_that_was_taken_and_not_delivered_comes_to_the_same(kind: ReplyKind) -> None:
    """W25: `undelivered` and `failed` come after `sent`."""
    bench = bench_of(kind)
    await bench.receive("m1")
    await bench.settle()
    await tell(bench, "failed", "s1")
    await tell(bench, "failed", "s2")
    assert [line.reply_kind for line in await bench.store.troubled_lines("undelivered", 10)] == [kind]
    is_given = kind in {"side_effect", "agent"}
    conversation = await conversation_of(bench)
    assert (conversation.owner, conversation.epoch) == (("queue", 1) if is_given else ("bot", 0))
    assert handed_over(bench) == is_given
    assert bench.metrics.undelivered.labels("fake", "one")._value.get() == 2


async def test_the_policy_decides() -> None:
    bench = bench_of("answer", LostPolicy(answer="hand_over"))
    bench.channel.outcomes = [PermanentFailure("too long", code="21617")]
    await bench.receive("m1")
    await bench.settle()
    assert (await conversation_of(bench)).owner == "queue"


async def test_what_arrived_is_no_loss_whatever_order_its_states_come_in() -> None:
    """F056, W25: out of order and repeated."""
    bench = bench_of("agent")
    await bench.receive("m1")
    await bench.settle()
    for number, state in enumerate(("read", "sent", "delivered", "read", "sent")):
        await tell(bench, state, f"s{number}")
        assert (await reply_in(bench)).state == "read"
    assert await bench.store.troubled_lines("undelivered", 10) == []
    assert (await conversation_of(bench)).owner == "bot"
