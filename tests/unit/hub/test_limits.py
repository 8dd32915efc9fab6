from datetime import timedelta

import pytest

from core.events import Event, EventBase, MessageReceived, Sender
from core.ids import AccountName, ChannelName, ConversationId, EventId
from core.inbox import InboxRow
from hub.limits import REPORT_BYTES, SenderLimits
from hub.settings import Limits
from hub.telemetry import Metrics
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def limits(clock: FakeClock, metrics: Metrics) -> SenderLimits:
    return SenderLimits(Limits(), clock, metrics)


def said(clock: FakeClock, channel: str = "telegram", sender: str = "7", thread: str = "7", **more: object) -> Event:
    return MessageReceived.model_validate(
        {
            "id": EventId("e1"),
            "channel": ChannelName(channel),
            "account": AccountName("main"),
            "conversation_id": ConversationId(f"{channel}:main:{thread}"),
            "sender": Sender(id=sender),
            "sent_at": clock.now(),
            "received_at": clock.now(),
            "adapter": "test/1",
            "message_id": "1",
            "text": "hello",
            **more,
        }
    )


def taken_at_once(limits: SenderLimits, event: Event, tries: int) -> int:
    return sum(limits.due(event) is None for _ in range(tries))


@pytest.mark.parametrize("channel", ["telegram", "slack", "whatsapp", "web"])
def test_a_hundred_messages_in_a_second_are_twenty_turns_now(
    channel: str, limits: SenderLimits, clock: FakeClock, metrics: Metrics
) -> None:
    """Row 189."""
    assert taken_at_once(limits, said(clock, channel), 100) == 20
    slowed = metrics.registry.get_sample_value("frontdesk_limited_total", {"channel": channel, "limit": "sender"})
    assert slowed == 80


def test_then_twenty_more_each_minute(limits: SenderLimits, clock: FakeClock) -> None:
    taken_at_once(limits, said(clock), 100)
    due = limits.due(said(clock))
    assert due is not None
    assert due > clock.now()
    clock.advance(60)
    assert taken_at_once(limits, said(clock), 100) == 20


def test_everybody_waits_until_there_is_room_and_no_longer(limits: SenderLimits, clock: FakeClock) -> None:
    taken_at_once(limits, said(clock), 20)
    assert limits.due(said(clock)) == clock.now() + timedelta(seconds=3)
    clock.advance(3)
    assert limits.due(said(clock)) is None


def test_those_who_wait_are_told_different_times(limits: SenderLimits, clock: FakeClock) -> None:
    """F106: five thousand mails of one address must not all ask again in the same moment."""
    taken_at_once(limits, said(clock, "email"), 20)
    times = [limits.due(said(clock, "email", thread=str(number))) for number in range(5000)]
    assert None not in times
    assert len(set(times)) == 5000


def test_nothing_is_lost_whoever_waits_gets_a_turn(limits: SenderLimits, clock: FakeClock) -> None:
    """F106: what is more than the limit is queued, never dropped."""
    waiting = {number: clock.now() for number in range(200)}
    last = clock.now() + timedelta(minutes=11)
    while waiting and clock.now() < last:
        for number in [number for number, due in waiting.items() if due <= clock.now()]:
            due = limits.due(said(clock))
            if due is None:
                del waiting[number]
            else:
                waiting[number] = due
        clock.advance(1)
    assert waiting == {}


def test_a_mail_flood_from_one_address_is_twenty_turns_in_an_hour(limits: SenderLimits, clock: FakeClock) -> None:
    """F106, first half: each mail may begin a conversation of its own, so the address counts."""
    events = [said(clock, "email", "bomber@example.com", thread=str(number)) for number in range(5000)]
    assert sum(limits.due(event) is None for event in events) == 20
    clock.advance(3600)
    assert sum(limits.due(event) is None for event in events) == 20


def test_a_mail_flood_from_many_addresses_slows_none_of_them_but_the_parser_keeps_its_pace(
    limits: SenderLimits, clock: FakeClock
) -> None:
    """F106: 5,000 senders; 300 mails a minute are parsed."""
    assert all(limits.due(said(clock, "email", f"{number}@example.com")) is None for number in range(5000))
    assert sum(limits.due_to_read("email", "help") is None for _ in range(5000)) == 300
    clock.advance(60)
    assert sum(limits.due_to_read("email", "help") is None for _ in range(5000)) == 300


def test_a_mail_flood_leaves_the_chats_alone(limits: SenderLimits, clock: FakeClock) -> None:
    """F106."""
    for number in range(5000):
        limits.due(said(clock, "email", "7", thread=str(number)))
        limits.due_to_read("email", "help")
    assert taken_at_once(limits, said(clock, "telegram", "7"), 20) == 20
    assert all(limits.due_to_read("telegram", "main") is None for _ in range(5000))


def mail_of(size: int, clock: FakeClock) -> InboxRow:
    return InboxRow(id="m", channel="email", account="help", body=b"x" * size, received_at=clock.now(), node="a", n=1)


def test_ten_thousand_bounces_hold_up_no_other_mail(limits: SenderLimits, clock: FakeClock) -> None:
    """F103: what was read and turned out to be a bounce is not counted, so what comes behind it is read at once."""
    for _ in range(10_000):
        assert limits.due_to_read("email", "help") is None
        limits.note_report(mail_of(REPORT_BYTES, clock))
    assert sum(limits.due_to_read("email", "help") is None for _ in range(5000)) == 300


def test_bounces_of_megabytes_are_read_at_the_pace_of_all_mail(limits: SenderLimits, clock: FakeClock) -> None:
    """F078, F106: whoever calls his bombs bounces gains nothing."""
    read = 0
    for _ in range(5000):
        if limits.due_to_read("email", "help") is None:
            limits.note_report(mail_of(REPORT_BYTES + 1, clock))
            read += 1
    assert read == 300


def test_another_mailbox_has_a_pace_of_its_own(limits: SenderLimits) -> None:
    for _ in range(400):
        limits.due_to_read("email", "help")
    assert limits.due_to_read("email", "sales") is None


def test_one_person_does_not_use_up_the_turns_of_another_in_the_same_thread(
    limits: SenderLimits, clock: FakeClock
) -> None:
    taken_at_once(limits, said(clock, "slack", "U1", "C1"), 100)
    assert limits.due(said(clock, "slack", "U2", "C1")) is None


def test_what_people_say_among_themselves_counts_against_nobody(limits: SenderLimits, clock: FakeClock) -> None:
    assert taken_at_once(limits, said(clock, addressed="ambient"), 500) == 500
    assert taken_at_once(limits, said(clock), 20) == 20


def test_a_delivery_status_is_nobody_saying_something(limits: SenderLimits, clock: FakeClock) -> None:
    from core.events import DeliveryStatusChanged

    of_a_message = MessageReceived.model_fields.keys() - EventBase.model_fields.keys()
    plain = said(clock).model_dump(exclude=set(of_a_message))
    status = DeliveryStatusChanged.model_validate(plain | {"status": "delivered", "provider_id": "p1"})
    assert taken_at_once(limits, status, 500) == 500


def test_the_numbers_are_the_settings(clock: FakeClock) -> None:
    limits = SenderLimits(Limits(turns_burst=3, turns_per_min=60), clock, Metrics())
    assert taken_at_once(limits, said(clock), 10) == 3
    clock.advance(1)
    assert taken_at_once(limits, said(clock), 10) == 1
