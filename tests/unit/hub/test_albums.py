"""Albums: several messages, one turn, one answer, nothing lost (T19)."""

from datetime import timedelta
from typing import Any

import pytest

from core.events import Attachment, MessageReceived, Sender
from core.ids import AccountName, ChannelName, ConversationId, EventId
from core.inbox import InboxRow
from core.store.memory import MemoryStore
from hub.clock import SystemClock
from hub.lanes.albums import LONGEST, MOST, QUIET, album_of, due, gathered
from hub.lanes.lane import Task
from hub.settings import Limits
from tests.factories import Bench, FakeResponder, build_bench, echo
from tests.fakes import START

T1 = ConversationId("fake:one:t1")


def task(number: int, album: str | None = "a1", text: str = "", after_s: float = 0.0, **more: Any) -> Task:
    at = START + timedelta(seconds=after_s)
    row = InboxRow(
        id=f"r{number}",
        channel="fake",
        account="one",
        body=b"",
        received_at=at,
        node="a",
        n=number,
        order=f"{number:03}",
        replayed=more.pop("replayed", False),
    )
    event = MessageReceived(
        id=EventId(f"e{number}"),
        channel=ChannelName("fake"),
        account=AccountName("one"),
        conversation_id=T1,
        sender=Sender(id=more.pop("sender", "ann")),
        sent_at=at,
        received_at=at,
        adapter="fake/1",
        raw_ref=row.id,
        message_id=f"m{number}",
        text=text,
        album=album,
        attachments=(Attachment(reference=f"f{number}", kind="image"),),
    )
    return Task(row.sort_key, row, event)


def nothing_taken(_name: object) -> bool:
    return False


def names(tasks: list[Task]) -> list[str]:
    return [one.row.id for one in tasks]


def test_the_messages_of_one_album_belong_together_whatever_order_they_came_in() -> None:
    assert names(album_of([task(3), task(1), task(2)], nothing_taken)) == ["r1", "r2", "r3"]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (task(2, album="a2"), "another album"),
        (task(2, album=None), "none"),
        (task(2, album=""), "an album without a name"),
        (task(2, sender="bob"), "another person in the same group"),
    ],
)
def test_what_does_not_belong_to_it_ends_it(other: Task, why: str) -> None:
    assert names(album_of([task(1), other, task(3)], nothing_taken)) == ["r1"], why


def test_an_album_has_ten_at_most() -> None:
    """T19: 2 to 10."""
    album = album_of([task(number) for number in range(12)], nothing_taken)
    assert len(album) == MOST
    assert due(album, START) is None, "more cannot come"


def test_what_had_its_turn_is_not_gathered_again() -> None:
    assert names(album_of([task(1), task(2), task(3)], lambda name: name == "e2")) == ["r1", "r3"]
    assert names(album_of([task(1), task(2)], lambda name: name == "e1")) == ["r1"]


def test_what_a_person_brought_back_has_its_turn_alone() -> None:
    album = album_of([task(1, replayed=True), task(2)], nothing_taken)
    assert (names(album), due(album, START)) == (["r1"], None)


def test_a_turn_waits_for_a_quiet_moment_after_the_latest_message() -> None:
    """T19: no end mark; about a second."""
    album = [task(1), task(2, after_s=0.7)]
    assert due(album, START + timedelta(seconds=0.8)) == START + timedelta(seconds=0.7) + QUIET
    assert due(album, START + timedelta(seconds=1.8)) is None
    assert due([task(1, album=None)], START) is None, "nobody else waits"


def test_whoever_goes_on_sending_is_answered_all_the_same() -> None:
    album = [task(number, after_s=0.6 * number) for number in range(9)]
    assert due(album, START + timedelta(seconds=4.9)) == START + LONGEST
    assert due(album, START + LONGEST) is None


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    assert due([task(1)], START - timedelta(hours=1)) is None


def test_gathered_it_has_all_files_and_words_and_names() -> None:
    whole = gathered([task(1), task(2, text="the lid"), task(3, text=" is broken ")])
    assert (whole.id, whole.text) == ("e1", "the lid\nis broken")
    assert [file.reference for file in whole.attachments] == ["f1", "f2", "f3"]
    assert [(other.id, other.raw_ref, other.attachments) for other in whole.companions] == [
        ("e2", "r2", 1),
        ("e3", "r3", 1),
    ]


# --- in the lanes -----------------------------------------------------------------------------------------------------


def listing(_conversation: Any, event: MessageReceived, _results: Any) -> Any:
    said = f"{event.text}: {', '.join(file.reference for file in event.attachments)}"
    return echo(_conversation, event.model_copy(update={"text": said}))


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than Telegram's second."""
    monkeypatch.setattr("hub.lanes.albums.QUIET", timedelta(milliseconds=50))


def album_bench(store: MemoryStore | None = None) -> Bench:
    return build_bench(store=store, responder=FakeResponder(listing))


async def send(bench: Bench, number: int, text: str = "", album: str | None = "a1") -> None:
    await bench.receive(f"m{number}", text, album=album, files=[{"reference": f"f{number}", "kind": "image"}])


@pytest.mark.usefixtures("quiet")
async def test_an_album_gets_one_turn_and_one_answer_and_every_row_is_done() -> None:
    """T19."""
    bench = album_bench()
    for number, text in enumerate(["my lid", "", ""]):
        await send(bench, number, text)
    await bench.settle()
    assert bench.channel.sent == [(T1, "my lid: f0, f1, f2")]
    assert [await bench.state_of(f"m{number}") for number in range(3)] == ["done"] * 3
    lines = [line for line in await bench.store.transcript(T1, 0, 10) if line.direction == "in"]
    (line,) = lines
    assert [(file.row, file.number) for file in line.files] == [("fake:m0", 0), ("fake:m1", 0), ("fake:m2", 0)]


@pytest.mark.usefixtures("quiet")
async def test_what_is_written_after_an_album_is_answered_after_it() -> None:
    bench = album_bench()
    await send(bench, 0)
    await send(bench, 1)
    await bench.receive("m2", "what is this?")
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == [": f0, f1", "what is this?: "]


@pytest.mark.usefixtures("quiet")
async def test_pictures_without_an_album_s_name_that_come_together_are_one_too() -> None:
    """W10: WhatsApp has one medium a message, so several pictures are several messages."""
    bench = album_bench()
    for number in range(3):
        await send(bench, number, album="")
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == [": f0, f1, f2"]
    await send(bench, 3, album="")
    await bench.settle()
    assert [text for _, text in bench.channel.sent][1:] == [": f3"]


async def test_a_process_that_ends_while_it_waits_loses_nothing_and_the_next_answers_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Durable: the messages are rows of the inbox from the start."""
    store = MemoryStore(SystemClock())
    first = album_bench(store)
    for number in range(3):
        await send(first, number)
    await first.lanes.drain(1.0)
    await first.records.drain()
    await first.holds.close()
    assert first.channel.sent == []
    monkeypatch.setattr("hub.lanes.albums.QUIET", timedelta(0))
    second = build_bench(store=store, responder=FakeResponder(listing), worker="w2")
    await second.sweep.once(everything=True)
    await second.settle()
    assert [text for _, text in second.channel.sent] == [": f0, f1, f2"]


@pytest.mark.usefixtures("quiet")
async def test_an_album_counts_as_one_turn_of_its_sender() -> None:
    bench = build_bench(responder=FakeResponder(listing), limits=Limits(turns_per_min=0.001, turns_burst=2))
    for number in range(5):
        await send(bench, number)
    await bench.settle()
    await bench.receive("m9", "hello")
    await bench.settle()
    assert [text for _, text in bench.channel.sent] == [": f0, f1, f2, f3, f4", "hello: "]
