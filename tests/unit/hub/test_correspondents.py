"""One address over all its conversations: three answers a day, and none at all while it is suspended (F101, F103)."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.conversation import Conversation
from core.correspondents import ANSWERS_COUNTED_FOR, BOUNCES_COUNTED_FOR, Correspondent, correspondent_id
from core.errors import StoreUnavailable, TemporaryFailure
from core.ids import ConversationId, OutId, out_id
from core.inbox import InboxRow, InboxState
from core.storage import Save, TranscriptRow
from core.store.memory import MemoryStore
from hub.outbox import ADDRESS_SUSPENDED
from tests.factories import ACCOUNT, DESK, Bench, FakeChannel, FakeResponder, build_bench, echo
from tests.fakes import START, FakeClock

ROBOT = "robot@customer.example"
JO = "jo@customer.example"


def mailbox(**more: Any) -> Bench:
    """Return a hub whose channel counts answers, on a clock that moves when it is told to."""
    return build_bench(channel=FakeChannel(counts_answers=True), clock=FakeClock(), **more)


def clock_of(bench: Bench) -> FakeClock:
    assert isinstance(bench.clock, FakeClock)
    return bench.clock


async def write(bench: Bench, *names: str, sender: str = ROBOT, **more: object) -> None:
    """Bring mails, each of a conversation of its own."""
    for name in names:
        await bench.receive(name, f"text {name}", f"t-{name}", **({"from": sender} | more))
    await bench.settle()


async def conversation_of(bench: Bench, name: str) -> Conversation:
    found = await bench.store.load(ConversationId(f"{ACCOUNT}:t-{name}"))
    assert found is not None
    assert found.conversation is not None
    return found.conversation


async def lines_of(bench: Bench, name: str) -> Sequence[TranscriptRow]:
    return await bench.store.transcript(ConversationId(f"{ACCOUNT}:t-{name}"), 0, 100)


def said(bench: Bench) -> list[str]:
    return [text for _, text in bench.channel.sent]


async def known_of(bench: Bench, address: str) -> Correspondent:
    found = await bench.store.find_correspondent(correspondent_id(ACCOUNT, address))
    assert found is not None
    return found


async def waiting(bench: Bench, name: str) -> None:
    """Bring a mail of Jo's whose answer is refused for now, and so waits in the outbox."""
    bench.channel.outcomes.append(TemporaryFailure("later"))
    await bench.receive(name, f"text {name}", f"t-{name}", **{"from": JO})
    while not bench.metrics.registry.get_sample_value(
        "frontdesk_sends_total", {"channel": "fake", "outcome": "queued"}
    ):
        await asyncio.sleep(0)


async def later(bench: Bench, name: str) -> None:
    """Let the time come at which the answer to a mail is tried again."""
    clock_of(bench).advance(2.0)
    bench.lanes.look(ConversationId(f"{ACCOUNT}:t-{name}"))
    await bench.settle()


async def test_a_machine_that_begins_a_conversation_with_every_mail_gets_three_answers_and_then_silence() -> None:
    """F101."""
    bench = mailbox()
    await write(bench, *"abcde")
    assert said(bench) == ["text a", "text b", "text c"]
    assert bench.responder.heard == ["text a", "text b", "text c"], "the bot does not even run"


async def test_what_is_not_answered_any_more_is_in_the_queue_with_its_reason_and_its_text() -> None:
    """F101."""
    bench = mailbox()
    await write(bench, *"abcd")
    assert [(await conversation_of(bench, name)).owner for name in "abcd"] == ["bot", "bot", "bot", "queue"]
    (line,) = await lines_of(bench, "d")
    assert (line.direction, line.text) == ("in", "text d")
    assert line.trace is not None
    assert (line.trace.rung, line.trace.handoff, line.trace.templates) == ("handoff", "answer_limit", ())
    assert await bench.state_of("d") == "done"
    value = bench.metrics.registry.get_sample_value
    assert value("frontdesk_handoffs_total", {"reason": "answer_limit"}) == 1


async def test_mails_that_come_all_at_once_are_counted_one_by_one() -> None:
    """F101: each has a lane of its own."""
    bench = mailbox()
    await asyncio.gather(*(bench.receive(f"m{n}", f"text {n}", f"t{n}", **{"from": ROBOT}) for n in range(20)))
    await bench.settle()
    assert len(bench.channel.sent) == 3
    assert bench.metrics.registry.get_sample_value("frontdesk_handoffs_total", {"reason": "answer_limit"}) == 17


async def test_another_address_has_answers_of_its_own_and_the_next_day_has_three_more() -> None:
    """F101."""
    bench = mailbox()
    await write(bench, *"abcd")
    await write(bench, "e", sender=JO)
    clock_of(bench).advance(ANSWERS_COUNTED_FOR.total_seconds())
    await write(bench, *"fghi")
    assert said(bench) == [f"text {name}" for name in "abcefgh"]


async def test_the_number_is_the_setting_and_zero_means_no_limit() -> None:
    few, all_of_them = mailbox(answers_per_day=1), mailbox(answers_per_day=0)
    for bench in (few, all_of_them):
        await write(bench, *"abcdef")
    assert (len(few.channel.sent), len(all_of_them.channel.sent)) == (1, 6)


async def test_a_machine_with_a_new_address_for_every_mail_gets_what_its_domain_may_have() -> None:
    """CHANNELS 4.4: a cap per address and per domain."""
    bench = mailbox(answers_per_domain=2)
    for number in range(4):
        await write(bench, f"m{number}", sender=f"r{number}@robots.example")
    assert len(said(bench)) == 2
    left = await conversation_of(bench, "m3")
    assert left.handoff is not None
    assert left.handoff.reason == "answer_limit"
    await write(bench, "other", sender="jo@customer.example")
    assert len(said(bench)) == 3
    clock_of(bench).advance(24 * 3600.0)
    await write(bench, "tomorrow", sender="r9@robots.example")
    assert len(said(bench)) == 4


async def test_strangers_at_a_mail_provider_are_not_counted_together() -> None:
    bench = mailbox(answers_per_domain=2)
    for number in range(4):
        await write(bench, f"m{number}", sender=f"r{number}@gmail.com")
    assert len(said(bench)) == 4
    assert await bench.store.find_correspondent(correspondent_id(ACCOUNT, "@gmail.com")) is None


async def test_without_a_limit_for_domains_none_is_counted() -> None:
    bench = mailbox(answers_per_domain=0)
    for number in range(5):
        await write(bench, f"m{number}", sender=f"r{number}@robots.example")
    assert len(said(bench)) == 5
    assert await bench.store.find_correspondent(correspondent_id(ACCOUNT, "@robots.example")) is None


async def test_a_turn_that_is_taken_again_counts_once() -> None:
    """F101: the process died, or the database was away, between the count and the commit."""

    class Store(MemoryStore):
        fails = 1

        async def save(self, saves: Sequence[Save]) -> list[bool]:
            self.fails -= 1
            if self.fails >= 0:
                raise StoreUnavailable("away")
            return await super().save(saves)

    clock = FakeClock()
    bench = mailbox(store=Store(clock))
    await write(bench, "a")
    assert said(bench) == ["text a"]
    assert len((await known_of(bench, ROBOT)).answers) == 1


async def test_what_an_agent_has_stays_with_the_agent() -> None:
    """F101: nothing is taken from people, and they are told of nothing twice."""

    def to_agent(conversation: Conversation, event: Any, results: Any) -> Any:
        return echo(conversation, event, owner="agent") if event.text == "text d" else None

    bench = mailbox(responder=FakeResponder(to_agent))
    await write(bench, "d", "a", "b")
    await bench.receive("again", "one more", "t-d", **{"from": ROBOT})
    await bench.settle()
    given = await conversation_of(bench, "d")
    assert (given.owner, given.epoch) == ("agent", 1)
    assert [line.text for line in await lines_of(bench, "d") if line.direction == "in"] == ["text d", "one more"]
    assert bench.metrics.registry.get_sample_value("frontdesk_handoffs_total", {"reason": "answer_limit"}) is None


async def test_the_notice_that_a_mail_failed_is_an_answer_too() -> None:
    """F101: a mail that no run can finish gets its notice only where one more may be sent."""

    def broken(conversation: Conversation, event: Any, results: Any) -> None:
        if event.text.startswith("text x"):
            raise ValueError

    bench = mailbox(responder=FakeResponder(broken))
    await write(bench, "a", "b", "x1")
    assert said(bench) == ["text a", "text b", "trouble"]
    assert await bench.state_of("x1") == "dead"
    assert len((await known_of(bench, ROBOT)).answers) == 3


async def test_a_machine_that_says_so_uses_up_nothing() -> None:
    bench = mailbox()
    await write(bench, "a", automatic="auto_reply")
    assert await bench.store.find_correspondent(correspondent_id(ACCOUNT, ROBOT)) is None


@dataclass
class Chat(MemoryStore):
    """A store that nobody asks about addresses."""

    asked: list[str] = field(default_factory=list)

    async def find_correspondent(self, name: str) -> Correspondent | None:
        self.asked.append(name)
        return await super().find_correspondent(name)


async def test_a_chat_costs_no_question_about_its_sender() -> None:
    store = Chat(FakeClock())
    bench = build_bench(store=store, clock=store.clock)
    await waiting(bench, "w")
    await later(bench, "w")
    await write(bench, *"abcd")
    assert store.asked == []
    assert len(bench.channel.sent) == 5


# bounces


def reported(*names: str, to: str = JO, is_permanent: bool = True) -> dict[str, object]:
    """Return what a bounce says that quotes the answers to these mails."""
    quoted: list[OutId] = [out_id(DESK.name, f"fake:{name}", 0, 0) for name in names]
    failed = {"recipients": (to,), "is_permanent": is_permanent, "out_ids": quoted}
    return {"automatic": "bounce", "failed_delivery": failed, "sender": "mailer-daemon@mx.example"}


async def bounce(bench: Bench, *names: str, quoting: Sequence[str] = ("a",), **more: Any) -> None:
    await write(bench, *names, **reported(*quoting, **more))  # type: ignore[arg-type]


async def test_three_hard_bounces_end_the_sends_to_an_address_that_wait() -> None:
    """F103."""
    bench = mailbox()
    await write(bench, "a", sender=JO)
    await waiting(bench, "w")
    for name in ("b1", "b2", "b3"):
        await bench.receive(name, "", f"t-{name}", **_as_received(reported("a")))
    while not (await known_of(bench, JO)).is_suspended(bench.clock.now()):
        await asyncio.sleep(0)
    await later(bench, "w")
    assert said(bench) == ["text a"]
    (sent,) = [line for line in await lines_of(bench, "w") if line.direction == "out"]
    assert (sent.state, sent.reason) == ("failed", ADDRESS_SUSPENDED)
    assert sent.call is not None, "a person may send it again"
    assert await bench.state_of("w") == "done"
    value = bench.metrics.registry.get_sample_value
    assert value("frontdesk_sends_total", {"channel": "fake", "outcome": "failed"}) == 1


def _as_received(fields: dict[str, object]) -> dict[str, object]:
    return {"from": fields.pop("sender"), **fields}


@pytest.mark.parametrize(("is_permanent", "needed"), [(True, 3), (False, 5)])
async def test_hard_bounces_count_more_than_soft_ones(is_permanent: bool, needed: int) -> None:
    """F103."""
    bench = mailbox()
    await write(bench, "a", sender=JO)
    for number in range(needed):
        assert not (await known_of(bench, JO)).is_suspended(bench.clock.now())
        await bounce(bench, f"b{number}", is_permanent=is_permanent)
    assert (await known_of(bench, JO)).is_suspended(bench.clock.now())


async def test_bounces_are_ignored_with_their_reason_and_start_no_bot() -> None:
    """F103."""
    bench = mailbox()
    await write(bench, "a", sender=JO)
    await bounce(bench, *(f"b{number}" for number in range(10)))
    assert bench.responder.heard == said(bench) == ["text a"]
    row = await bench.store.find_inbox("fake:b9")
    assert row is not None
    assert (row.state, row.reason) == (InboxState.IGNORED, "automatic:bounce")


async def test_a_bounce_that_is_read_after_it_was_accepted_gets_no_conversation() -> None:
    """F103: as mail is; a lease for each of ten thousand would hold up the others."""
    bench = mailbox()
    await write(bench, "a", sender=JO)
    fields = {"id": "b", "thread": "t-b", "text": "", **_as_received(reported("a"))}
    row = InboxRow(
        id="fake:b", channel="fake", account="one", body=json.dumps(fields).encode(), received_at=START, node="a", n=1
    )
    await bench.store.insert_inbox([row])
    bench.lanes.read_later(ACCOUNT)
    while await bench.state_of("b") != "ignored":
        await asyncio.sleep(0)
    await bench.settle()
    assert await bench.store.load(ConversationId(f"{ACCOUNT}:t-b")) is None
    assert (await known_of(bench, JO)).score(bench.clock.now()) == 2


@pytest.mark.parametrize("quoting", [(), ("z",)], ids=["nothing", "the answer to somebody else"])
async def test_a_forged_bounce_suspends_nobody(quoting: tuple[str, ...]) -> None:
    """F103, CHANNELS 4.5: only who got our mail knows its name."""
    bench = mailbox()
    await write(bench, "a", sender=JO)
    await write(bench, "z", sender="eve@evil.example")
    await bounce(bench, *(f"b{number}" for number in range(10)), quoting=quoting)
    assert (await known_of(bench, JO)).score(bench.clock.now()) == 0


async def test_the_same_bounce_counts_once_however_often_it_comes() -> None:
    """F103."""
    bench = mailbox()
    await write(bench, "a", sender=JO)
    await bounce(bench, *["b"] * 10)
    assert (await known_of(bench, JO)).score(bench.clock.now()) == 2


async def test_a_mail_of_the_person_ends_the_suspension_and_is_answered() -> None:
    """F103."""
    bench = mailbox()
    await write(bench, "a", sender=JO)
    await bounce(bench, "b1", "b2", "b3")
    assert (await known_of(bench, JO)).is_suspended(bench.clock.now())
    await write(bench, "c", sender=JO)
    assert said(bench) == ["text a", "text c"]
    assert (await known_of(bench, JO)).score(bench.clock.now()) == 0


async def test_a_note_that_the_person_is_away_does_not_end_it() -> None:
    bench = mailbox()
    await write(bench, "a", sender=JO)
    await bounce(bench, "b1", "b2", "b3")
    await write(bench, "away", sender=JO, automatic="auto_reply")
    assert (await known_of(bench, JO)).is_suspended(bench.clock.now())
    clock_of(bench).advance(BOUNCES_COUNTED_FOR.total_seconds())
    assert not (await known_of(bench, JO)).is_suspended(bench.clock.now())
