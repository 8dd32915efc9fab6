from datetime import timedelta

import pytest

from channels.base import Channel
from channels.inbound import Capabilities, Pace
from channels.slack.channel import SlackChannel
from channels.telegram.channel import TelegramChannel
from channels.telegram.render import BOT_PACE, CHAT_PACE, GROUP_PACE, GROUP_PREFIX
from channels.whatsapp.channel import WhatsAppChannel
from core.errors import RateLimited
from core.ids import ConversationId
from core.outbox import SendState
from core.replies import ApiCall
from hub.outbox import PACED
from hub.pace import SendPace
from hub.telemetry import Metrics
from tests.contract.store_contract import conversation, out_row
from tests.factories import Bench, FakeChannel, build_bench
from tests.fakes import FakeClock


class PacedChannel(FakeChannel):
    """A channel whose platform takes what the test says."""

    pace: Pace | None = None
    paces: dict[str, Pace] = {}

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(max_text=1000, pace=self.pace, bucket_paces=self.paces, unknown_sends="idempotent")


def channel(pace: Pace | None = None, **paces: Pace) -> PacedChannel:
    made = PacedChannel()
    made.pace, made.paces = pace, {"" if name == "every" else "-": value for name, value in paces.items()}
    return made


def call(bucket: str, role: str = "message") -> ApiCall:
    return ApiCall.model_validate({"method": "say", "params": {}, "bucket": bucket, "role": role})


def waits(clock: FakeClock, pace: SendPace, by: Channel, *buckets: str) -> list[float]:
    """Return the seconds that calls wait which are all made now."""
    times = [pace.book("fake:one", call(bucket), by) for bucket in buckets]
    return [0.0 if at is None else (at - clock.now()).total_seconds() for at in times]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pace(clock: FakeClock) -> SendPace:
    return SendPace(clock, Metrics())


def test_a_bucket_has_its_burst_and_then_its_pace(clock: FakeClock, pace: SendPace) -> None:
    by = channel(every=Pace(per_s=1.0, burst=2))
    assert waits(clock, pace, by, *"aaaa", "b") == [0.0, 0.0, 1.0, 2.0, 0.0]


def test_all_buckets_together_have_the_accounts_pace(clock: FakeClock, pace: SendPace) -> None:
    by = channel(Pace(per_s=2.0, burst=1), every=Pace(per_s=1.0, burst=1))
    assert waits(clock, pace, by, "a", "b", "c", "a") == [0.0, 0.5, 1.0, 1.5]


def test_a_group_obeys_both_its_own_limit_and_that_of_every_chat(clock: FakeClock, pace: SendPace) -> None:
    by = channel(every=Pace(per_s=1.0, burst=1), groups=Pace(per_s=0.1, burst=2))
    assert waits(clock, pace, by, "-7", "-7", "-7") == [0.0, 1.0, 10.0]
    assert waits(clock, pace, by, "7", "7") == [0.0, 1.0]


def test_a_platform_without_a_limit_never_waits(clock: FakeClock, pace: SendPace) -> None:
    assert waits(clock, pace, channel(), *"a" * 1000) == [0.0] * 1000


def test_more_may_leave_where_a_platform_has_granted_more(clock: FakeClock) -> None:
    by = channel(every=Pace(per_s=1.0, burst=2))
    assert waits(clock, SendPace(clock, Metrics(), 3.0), by, *"aaaaaaa") == pytest.approx([0.0] * 6 + [1 / 3])
    assert waits(clock, SendPace(clock, Metrics(), 0.1), by, *"aa") == [0.0, 10.0]


def test_an_aside_is_no_message(clock: FakeClock, pace: SendPace) -> None:
    by = channel(Pace(per_s=1.0), every=Pace(per_s=1.0))
    assert all(pace.book("fake:one", call("a", "aside"), by) is None for _ in range(100))
    assert waits(clock, pace, by, "a") == [0.0]


def test_a_clock_set_back_an_hour_makes_nobody_wait_for_it(clock: FakeClock, pace: SendPace) -> None:
    """F033."""
    by = channel(every=Pace(per_s=1.0))
    waits(clock, pace, by, "a")
    clock.at -= timedelta(hours=1)
    clock.ticks += 1
    assert waits(clock, pace, by, "a") == [0.0]


# What the platforms say


def most_within(pace: Pace, window_s: float) -> int:
    """Return the most calls that a stretch of time can hold."""
    return pace.burst + int(pace.per_s * window_s)


def test_telegram_never_gets_more_than_it_takes() -> None:
    """T22: 30 a second for a bot, 20 a minute for a group, one a second for a chat in the long run."""
    assert most_within(BOT_PACE, 1.0) <= 30
    assert most_within(GROUP_PACE, 60.0) <= 20
    assert CHAT_PACE.per_s == 1.0
    assert TelegramChannel.capabilities.bucket_paces == {"": CHAT_PACE, GROUP_PREFIX: GROUP_PACE}


def test_slack_and_whatsapp_state_what_their_platforms_take() -> None:
    """CHANNELS 1.5: one message a second to a channel. W24: 80 a second, one in six seconds to one person."""
    assert [pace.per_s for pace in SlackChannel.capabilities.bucket_paces.values()] == [1.0]
    whole = WhatsAppChannel.capabilities.pace
    assert whole is not None
    assert most_within(whole, 1.0) <= 80
    assert {prefix: pace.per_s for prefix, pace in WhatsAppChannel.capabilities.bucket_paces.items()} == {
        "whatsapp:": pytest.approx(1 / 6)
    }


@pytest.mark.parametrize("of", [SlackChannel, TelegramChannel, WhatsAppChannel])
def test_an_answer_of_two_parts_never_waits(of: type[Channel], clock: FakeClock, pace: SendPace) -> None:
    for bucket in ("C1", "7", "-7", "whatsapp:+15550100"):
        assert waits(clock, pace, of, bucket, bucket) == [0.0, 0.0]  # type: ignore[arg-type]  # only its capabilities count
        clock.advance(1)


# In the outbox


T1 = ConversationId("fake:one:t1")


async def held(bench: Bench, *names: str) -> list[SendState]:
    hold = await bench.holds.take(T1)
    assert hold is not None
    hold.is_fresh = False
    hold.conversation = conversation(T1, version=1, channel="fake", account="one")
    hold.out = tuple(out_row(name, created_at=bench.clock.now()) for name in names)
    await bench.outbox.drain(hold)
    return [row.state for row in hold.out]


async def test_rows_wait_for_their_time_and_then_leave_in_order(clock: FakeClock) -> None:
    bench = build_bench(clock=clock, channel=channel(every=Pace(per_s=0.5, burst=2)))
    hold = await bench.holds.take(T1)
    assert hold is not None
    hold.conversation = conversation(T1, version=1, channel="fake", account="one")
    hold.out = tuple(out_row(f"o{number}", created_at=clock.now()) for number in range(4))
    assert await bench.outbox.drain(hold) == clock.now() + timedelta(seconds=2)
    assert len(bench.channel.sent) == 2
    assert (hold.open_rows[0].reason, hold.open_rows[0].state) == (PACED, SendState.QUEUED)
    clock.advance(2)
    assert await bench.outbox.drain(hold) == clock.now() + timedelta(seconds=2)
    clock.advance(2)
    assert await bench.outbox.drain(hold) is None
    assert len(bench.channel.sent) == 4


async def test_a_time_once_given_is_kept_whoever_comes_in_between(clock: FakeClock) -> None:
    bench = build_bench(clock=clock, channel=channel(Pace(per_s=1.0)))
    first = await bench.holds.take(T1)
    assert first is not None
    row = out_row("o1", created_at=clock.now())
    bench.outbox.claimed(first, row)
    waiting = bench.outbox.claimed(first, row)
    assert waiting.retry_at == clock.now() + timedelta(seconds=1)
    later = [bench.outbox.claimed(first, row).retry_at for _ in range(3)]
    assert later == [clock.now() + timedelta(seconds=wait) for wait in (2, 3, 4)]
    clock.advance(1)
    assert bench.outbox.claimed(first, waiting).state is SendState.SENDING


async def test_a_pause_that_the_platform_asks_for_counts_for_those_who_have_a_time(clock: FakeClock) -> None:
    """F042."""
    by = channel(every=Pace(per_s=1.0))
    by.outcomes = [RateLimited(30.0)]
    bench = build_bench(clock=clock, channel=by)
    assert await held(bench, "o1") == [SendState.QUEUED]
    hold = await bench.holds.take(T1)
    assert hold is not None
    paced = out_row("o2", created_at=clock.now()).queued(clock.now(), PACED)
    assert bench.outbox.claimed(hold, paced).retry_at == clock.now() + timedelta(seconds=30)


async def test_the_commit_of_a_turn_respects_the_pace_too() -> None:
    """The first row of a plan is claimed by the commit; it must not slip past."""
    bench = build_bench(channel=channel(every=Pace(per_s=0.01, burst=1)))
    await bench.receive("1", "one")
    await bench.receive("2", "two")
    while await bench.state_of("2") != "handled":
        await bench.receive("2", "two")
    await bench.records.drain()
    assert [text for _, text in bench.channel.sent] == ["one"]
    found = await bench.store.load(T1)
    assert found is not None
    assert [(row.state, row.reason) for row in found.out if not row.is_terminal] == [(SendState.QUEUED, PACED)]
    await bench.lanes.drain(0.1)
    limited = bench.metrics.registry.get_sample_value("frontdesk_limited_total", {"channel": "fake", "limit": "pace"})
    assert limited == 1
