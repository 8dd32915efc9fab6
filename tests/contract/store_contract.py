"""What every store promises. One thin subclass per implementation."""

import asyncio
from datetime import timedelta

import pytest

from core.conversation import Conversation, Session, Trace
from core.correspondents import HARD_BOUNCE, Correspondent
from core.events import Address
from core.feedback import Reaction
from core.ids import AccountName, ChannelName, ConversationId, DeskName, EventId, OutId
from core.inbox import InboxMark, InboxRow, InboxState
from core.installations import Installation
from core.media import FileRef, MediaFile, MediaNote
from core.outbox import OutboxRow, SendState
from core.replies import ApiCall
from core.storage import DeadLetter, Held, Member, Save, Store, TranscriptRow
from hub.clock import SystemClock
from tests.fakes import START

C1 = ConversationId("web:site:c1")
LEASE_S = 15.0
LATEST = START + timedelta(days=1)


def row(name: str, **changes: object) -> InboxRow:
    fields = {
        "id": name,
        "channel": "web",
        "account": "site",
        "body": b"\x00\xff{",
        "received_at": START,
        "node": "a",
        "n": 1,
    }
    return InboxRow.model_validate(fields | changes)


def conversation(name: ConversationId = C1, **changes: object) -> Conversation:
    return Conversation(
        id=name, desk=DeskName("support"), channel=ChannelName("web"), account=AccountName("site"), address=Address()
    ).model_copy(update=changes)


def out_row(name: str, state: SendState = SendState.QUEUED, **changes: object) -> OutboxRow:
    call = ApiCall(method="deliver", params={"text": "hello"}, bucket="c1")
    fixed = OutboxRow(
        id=OutId(name), event_id=EventId("e1"), inbox_id="e1", call=call, epoch=0, seq=33, created_at=START, state=state
    )
    return fixed.model_copy(update=changes)


def line(name: str, state: str | None = None, seq: int = 1, direction: str = "out", **changes: object) -> TranscriptRow:
    fields = {"id": name, "conversation_id": C1, "desk": "support", "direction": direction, "seq": seq, "at": START}
    fields |= {"text": "hello", "body": {"text": "hello"}, "event_id": "e1", "state": state}
    return TranscriptRow.model_validate(fields | changes)


def said(name: str, message: str | None, **changes: object) -> TranscriptRow:
    trace = Trace(event_id=EventId(name), rung="flow", entities={"order": "A-1001"})
    return line(name, direction="in", provider_id=message, trace=trace).model_copy(update=changes)


def edit(name: str, text: str, before: str, seq: int) -> TranscriptRow:
    return said(name, None, seq=seq, kind="edited", about="m1", text=text, before=before)


def installation(name: str, **changes: object) -> Installation:
    account, _, place = name.rpartition(":")
    fields = {"id": name, "account": account, "place": place, "token": "xoxb-x", "installed_at": START}
    return Installation.model_validate(fields | changes)


class StoreContract:
    async def test_a_key_is_inserted_once_however_often_it_comes(self, store: Store) -> None:
        assert await store.insert_inbox([row("k1"), row("k2")]) == [True, True]
        assert await store.insert_inbox([row("k2"), row("k3")]) == [False, True]
        results = await asyncio.gather(*(store.insert_inbox([row("k9")]) for _ in range(20)))
        assert sorted(result[0] for result in results) == [False] * 19 + [True]

    async def test_open_rows_are_found_by_conversation_and_unread_ones_by_account(self, store: Store) -> None:
        known = row("known").model_copy(update={"conversation_id": C1, "home": C1})
        old = row("old").model_copy(update={"conversation_id": C1})
        unread, counted, done = row("unread"), row("counted"), row("done")
        await store.insert_inbox([known, old, unread, counted, done])
        await store.mark_inbox([InboxMark(id="counted", state=InboxState.READY, crashes=1)])
        await store.mark_inbox([InboxMark(id="done", state=InboxState.DONE)])
        assert {found.id for found in await store.open_of([C1])} == {"known", "old"}
        assert set(await store.unread_of(unread.channel, unread.account, 10)) == {"unread", "counted"}
        assert len(await store.unread_of(unread.channel, unread.account, 1)) == 1

    async def test_unread_rows_are_named_in_the_order_in_which_they_came(self, store: Store) -> None:
        """F103: thousands at a time, so without their bytes; those of one moment by their number."""
        rows = [row(f"k{n}", n=n, received_at=START + timedelta(seconds=n // 3)) for n in range(12)]
        await store.insert_inbox(rows[::-1])
        names = [f"k{n}" for n in range(12)]
        assert await store.unread_of("web", "site", 100) == names
        assert await store.unread_of("web", "site", 6) == names[:6]

    async def test_raw_bytes_come_back_as_they_went_in(self, store: Store) -> None:
        await store.insert_inbox([row("k1", headers={"content-type": "x"}, order="000012")])
        found = await store.find_inbox("k1")
        assert found == row("k1", headers={"content-type": "x"}, order="000012")
        assert await store.find_inbox("nobody") is None

    async def test_open_rows_come_oldest_first_and_page_by_page(self, store: Store) -> None:
        later = START + timedelta(seconds=30)
        await store.insert_inbox([row("new", received_at=START + timedelta(seconds=1)), row("old"), row("waits")])
        await store.mark_inbox([InboxMark(id="waits", state=InboxState.READY, not_before=later, attempts=1)])
        found = await store.open_inbox(LATEST, 0, 10)
        assert [entry.id for entry in found][2:] == ["new"]
        assert {entry.id: entry.not_before for entry in found} == {"old": None, "waits": later, "new": None}
        assert [entry.id for entry in await store.open_inbox(LATEST, 2, 10)] == ["new"]
        assert {entry.id for entry in await store.open_inbox(START, 0, 10)} == {"old", "waits"}, "not the new one"
        assert len(await store.open_inbox(LATEST, 0, 1)) == 1
        await store.mark_inbox([InboxMark(id=name, state=InboxState.DONE) for name in ("old", "waits")])
        assert [entry.id for entry in await store.open_inbox(LATEST, 0, 10)] == ["new"]

    async def test_rows_are_loaded_by_name_oldest_first(self, store: Store) -> None:
        await store.insert_inbox([row("b", received_at=START + timedelta(seconds=1)), row("a")])
        assert [(found.id, found.body) for found in await store.load_inbox(["b", "a", "nobody"])] == [
            ("a", b"\x00\xff{"),
            ("b", b"\x00\xff{"),
        ]

    async def test_a_row_never_leaves_an_end_state_by_a_late_mark(self, store: Store) -> None:
        await store.insert_inbox([row("k1")])
        await store.mark_inbox([InboxMark(id="k1", state=InboxState.DONE)])
        await store.mark_inbox([InboxMark(id="k1", state=InboxState.READY, attempts=3)])
        found = await store.find_inbox("k1")
        assert found is not None
        assert (found.state, found.attempts) == (InboxState.DONE, 0)

    async def test_a_conversation_has_one_holder(self, store: Store) -> None:
        (first,) = await store.acquire([C1], "a", LEASE_S)
        assert (first.id, first.rev, first.conversation, first.out) == (C1, 0, None, ())
        assert await store.acquire([C1], "b", LEASE_S) == []
        assert await store.acquire([C1], "a", LEASE_S) == [], "not even its holder leases it twice"
        await store.release([Held(C1, first.fence)], "a")
        (second,) = await store.acquire([C1], "b", LEASE_S)
        assert second.fence > first.fence

    async def test_an_old_lease_cannot_free_a_new_one_of_the_same_worker(self, store: Store) -> None:
        (first,) = await store.acquire([C1], "a", LEASE_S)
        await store.release([Held(C1, first.fence)], "a")
        (second,) = await store.acquire([C1], "a", LEASE_S)
        await store.release([Held(C1, first.fence)], "a")
        assert await store.acquire([C1], "b", LEASE_S) == []
        assert await store.renew([Held(C1, second.fence)], "a", LEASE_S) == {C1}

    async def test_a_lease_whose_fence_nobody_heard_is_given_back_by_its_worker_alone(self, store: Store) -> None:
        await store.acquire([C1], "a", LEASE_S)
        await store.release([Held(C1, None)], "b")
        assert await store.acquire([C1], "b", LEASE_S) == []
        await store.release([Held(C1, None)], "a")
        assert len(await store.acquire([C1], "b", LEASE_S)) == 1

    async def test_where_nobody_else_can_be_every_lease_ends_and_nobody_is_a_member(self, store: Store) -> None:
        await store.acquire([C1], "a", LEASE_S)
        await store.beat(Member("a", "all", None), LEASE_S)
        await store.release_all()
        assert len(await store.acquire([C1], "b", LEASE_S)) == 1
        assert await store.beat(Member("b", "all", None), LEASE_S) == [Member("b", "all", None)]

    async def test_a_living_process_says_whether_it_has_payloads_that_are_not_here_yet(self, store: Store) -> None:
        web, worker = Member("w", "web", "node"), Member("a", "worker", None)
        await store.beat(web, LEASE_S, spools=True)
        await store.beat(worker, LEASE_S)
        assert await store.spooling(LEASE_S) == ["w"]
        await store.note_spool("a", spools=True)
        await store.note_spool("w", spools=False)
        assert await store.spooling(LEASE_S) == ["a"]
        await store.beat(worker, LEASE_S)
        assert await store.spooling(LEASE_S) == []
        await store.beat(web, LEASE_S, spools=True)
        await store.beat(Member("w2", "web", "node"), LEASE_S, spools=False)
        assert await store.spooling(LEASE_S) == [], "a new life of the same node has looked into that spool"
        await store.note_spool("a", spools=True)
        await store.leave("a")
        assert await store.spooling(LEASE_S) == []
        await store.beat(worker, LEASE_S)
        assert await store.spooling(LEASE_S, late_s=0.0) == ["w2"], "a worker accepts nothing"

    async def test_an_empty_conversation_goes_with_its_lease_and_its_fence_stays_gone(self, store: Store) -> None:
        (first,) = await store.acquire([C1], "a", LEASE_S)
        await store.release([Held(C1, first.fence, is_empty=True)], "a")
        assert await store.load(C1) is None
        await self.let_leases_run_out()
        (second,) = await store.acquire([C1], "b", LEASE_S)
        assert second.fence > first.fence
        stale = Save(conversation(version=1), (), first.fence, 0, None)
        assert await store.save([stale]) == [False]

    async def test_what_people_said_is_kept_until_the_transcript_has_it(self, store: Store) -> None:
        (held,) = await store.acquire([C1], "a", LEASE_S)
        said = (line("e1", None, 1, "in"),)
        await store.save([Save(conversation(version=1), (), held.fence, held.rev, None, said, release=True)])
        (taken,) = await store.acquire([C1], "b", LEASE_S)
        assert taken.said == said

    async def test_of_many_who_want_a_conversation_one_gets_it(self, store: Store) -> None:
        results = await asyncio.gather(*(store.acquire([C1], f"w{n}", LEASE_S) for n in range(10)))
        assert sorted(len(result) for result in results) == [0] * 9 + [1]

    async def test_a_lease_that_ran_out_can_be_taken_and_not_be_renewed(self, store: Store) -> None:
        (old,) = await store.acquire([C1], "a", 0.0)
        await self.let_leases_run_out()
        (taken,) = await store.acquire([C1], "b", LEASE_S)
        assert taken.fence > old.fence
        assert await store.renew([Held(C1, old.fence)], "a", LEASE_S) == set()
        assert await store.renew([Held(C1, taken.fence)], "b", LEASE_S) == {C1}

    async def let_leases_run_out(self) -> None:
        raise AssertionError("each store says how time passes for it")

    async def test_a_save_applies_once_and_only_under_its_fence_and_revision(self, store: Store) -> None:
        (held,) = await store.acquire([C1], "a", LEASE_S)
        state = conversation(version=1, session=Session(slots={"order_number": "A-1"}), recent=("e1",))
        save = Save(state, (out_row("o1", SendState.SENDING, started_at=START),), held.fence, held.rev, START)
        assert await store.save([save]) == [True]
        found = await store.load(C1)
        assert found is not None
        assert (found.conversation, found.out, found.rev) == (state, save.out, 1)
        stale = Save(conversation(version=9), (), held.fence, 0, None)
        foreign = Save(conversation(version=9), (), held.fence + 1, 1, None)
        assert await store.save([foreign]) == [False]
        assert await store.save([stale]) == [True], "under one fence there is one writer: this is its retry"
        found = await store.load(C1)
        assert found is not None
        assert found.conversation == state

    async def test_saves_of_one_group_stand_for_themselves(self, store: Store) -> None:
        names = [ConversationId(f"web:site:g{n}") for n in range(5)]
        held = {lease.id: lease for lease in await store.acquire(names, "a", LEASE_S)}
        saves = [Save(conversation(name, version=1), (), held[name].fence, 0, None) for name in names]
        saves[2] = Save(conversation(names[2], version=1), (), 77, 0, None)
        assert await store.save(saves) == [True, True, False, True, True]

    async def test_a_save_can_give_the_lease_back(self, store: Store) -> None:
        (held,) = await store.acquire([C1], "a", LEASE_S)
        assert await store.save([Save(conversation(version=1), (), held.fence, held.rev, None, release=True)]) == [True]
        (taken,) = await store.acquire([C1], "b", LEASE_S)
        assert taken.conversation == conversation(version=1)

    async def test_the_transcript_knows_what_was_sent(self, store: Store) -> None:
        await store.record([line("o1", "sent", provider_id="p1"), line("o2", "failed"), line("o3", "held")])
        await store.deliver(C1, "o4", 40, {"text": "x"}, START)
        assert await store.delivered(C1, ["o1", "o2", "o3", "o4", "o5"]) == {"o1": "p1", "o4": ""}

    async def test_an_outbox_wakes_when_its_first_row_is_due(self, store: Store) -> None:
        (held,) = await store.acquire([C1], "a", LEASE_S)
        due = START + timedelta(seconds=30)
        await store.save([Save(conversation(), (out_row("o1", retry_at=due),), held.fence, 0, due)])
        assert await store.waking(START, 10) == []
        assert await store.waking(due, 10) == [C1]
        await store.save([Save(conversation(), (), held.fence, 1, None)])
        assert await store.waking(due, 10) == []

    async def test_a_transcript_is_read_in_order_and_written_again_without_harm(self, store: Store) -> None:
        await store.record([line("o1", "sent", 2, provider_id="p1"), line("e1", None, 1, "in")])
        await store.record([line("o1", "sent", 2, provider_id="p1")])
        assert [found.id for found in await store.transcript(C1, 0, 10)] == ["e1", "o1"]
        assert [found.id for found in await store.transcript(C1, 1, 10)] == ["o1"]
        assert await store.bodies(C1, 0, 10) == [(1, {"text": "hello"}), (2, {"text": "hello"})]

    async def test_a_delivery_state_only_rises(self, store: Store) -> None:
        """F056: whatever comes in whatever order, and for a message that nobody knows."""
        await store.note_delivery(C1, None, "p9", "read", None)
        await store.record([line("o1", "sent", provider_id="p1")])
        for state in ("read", "delivered", "sent"):
            await store.note_delivery(C1, None, "p1", state, None)
        assert [found.state for found in await store.transcript(C1, 0, 10)] == ["read"]
        await store.note_delivery(C1, "o1", "p1", "failed", "63016")
        assert [(found.state, found.reason) for found in await store.transcript(C1, 0, 10)] == [("failed", "63016")]

    @pytest.mark.parametrize("line_id", ["o1", None], ids=["by our id", "by the platform's"])
    async def test_a_delivery_state_that_comes_before_its_line_waits_for_it(
        self, line_id: str | None, store: Store
    ) -> None:
        """F056: the furthest of them counts; a line of the same name elsewhere is another's."""
        for state in ("delivered", "sent"):
            await store.note_delivery(C1, line_id, "p1", state, None)
        elsewhere = line("o2", "sent", provider_id="p1", conversation_id="web:site:c2")
        await store.record([line("o1", "sent", provider_id="p1"), elsewhere])
        assert [found.state for found in await store.transcript(C1, 0, 10)] == ["delivered"]
        assert [found.state for found in await store.transcript(elsewhere.conversation_id, 0, 10)] == ["sent"]

    async def test_a_failure_that_comes_before_its_line_says_why(self, store: Store) -> None:
        await store.note_delivery(C1, "o1", "p1", "failed", "63016")
        await store.record([line("o1", "sent", provider_id="p1")])
        assert [(found.state, found.reason) for found in await store.transcript(C1, 0, 10)] == [("failed", "63016")]

    async def test_a_line_and_its_delivery_state_that_come_together_find_each_other(self, store: Store) -> None:
        names = [f"o{number}" for number in range(20)]
        writes = [store.record([line(name, "sent", provider_id=f"p-{name}")]) for name in names]
        notes = [store.note_delivery(C1, name, f"p-{name}", "read", None) for name in names]
        await asyncio.gather(*(task for pair in zip(writes, notes, strict=True) for task in pair))
        assert {found.state for found in await store.transcript(C1, 0, 100)} == {"read"}

    async def test_a_held_send_is_listed_until_it_is_sent(self, store: Store) -> None:
        await store.record([line("o1", "held", call=out_row("o1").call)])
        (held,) = await store.held_lines(10)
        assert (held.id, held.call) == ("o1", out_row("o1").call)
        await store.record([line("o1", "sent", provider_id="p1")])
        assert await store.held_lines(10) == []

    async def test_what_waits_or_was_never_delivered_is_listed_newest_first_until_it_is_settled(
        self, store: Store
    ) -> None:
        later = START + timedelta(seconds=1)
        lost = line("o3", "cancelled").model_copy(update={"reason": "too_old", "at": later})
        await store.record([line("o1", "waiting"), line("o2", "sent", provider_id="p2"), lost, line("o4", "cancelled")])
        await store.note_delivery(C1, "o2", "p2", "failed", "131026")
        assert [found.id for found in await store.troubled_lines("waiting", 10)] == ["o1"]
        assert [found.id for found in await store.troubled_lines("undelivered", 10)] == ["o3", "o2"]
        assert (await store.counts())["waiting"] == 1
        await store.record([line("o1", "sent", provider_id="p1")])
        assert await store.troubled_lines("waiting", 10) == []
        assert (await store.counts())["waiting"] == 0

    async def test_a_line_is_found_by_our_name_and_by_the_platforms(self, store: Store) -> None:
        await store.record([line("o1", "sent", provider_id="p1", call=out_row("o1").call)])
        for found in (await store.line(C1, "o1", "p9"), await store.line(C1, None, "p1")):
            assert found is not None
            assert (found.id, found.call) == ("o1", out_row("o1").call)
        assert await store.line(C1, "o2", "p1") is None
        assert await store.line(ConversationId("web:site:c2"), "o1", "p1") is None

    async def test_what_was_delivered_is_not_kept_to_be_sent_again(self, store: Store) -> None:
        await store.record([line("o1", "sent", provider_id="p1", call=out_row("o1").call)])
        await store.note_delivery(C1, "o1", "p1", "delivered", None)
        (found,) = await store.transcript(C1, 0, 10)
        assert (found.state, found.call) == ("delivered", None)

    async def test_a_callback_that_proves_a_held_send_takes_it_off_the_list(self, store: Store) -> None:
        await store.record([line("o1", "held", call=out_row("o1").call)])
        await store.note_delivery(C1, "o1", "p1", "delivered", None)
        assert await store.held_lines(10) == []

    async def test_a_web_message_is_delivered_once(self, store: Store) -> None:
        for text in ("first", "again"):
            await store.deliver(C1, "o1", 33, {"text": text}, START)
        assert await store.bodies(C1, 0, 10) == [(33, {"text": "first"})]

    async def test_what_is_known_of_an_address_is_read_as_it_was_written(self, store: Store) -> None:
        """F101, F103."""
        now = SystemClock().now()  # what is old is forgotten by the database
        assert await store.find_correspondent("email:help:x") is None
        told = Correspondent(id="email:help:x").answered(EventId("e1"), START, 3)
        assert await store.save_correspondent(told, now)
        known = await store.find_correspondent("email:help:x")
        assert known == told.model_copy(update={"rev": 1})
        reported = known.bounced(EventId("b1"), HARD_BOUNCE, START)
        assert await store.save_correspondent(reported, now)
        assert await store.find_correspondent("email:help:x") == reported.model_copy(update={"rev": 2})

    async def test_of_two_who_count_at_once_one_has_to_count_again(self, store: Store) -> None:
        """F101: nobody gets a fourth answer because two processes counted to three."""
        now = SystemClock().now()
        begun = Correspondent(id="email:help:x")
        for rev in range(3):
            known = await store.find_correspondent("email:help:x") or begun
            tries = [known.answered(EventId(f"e{rev}-{n}"), START, 3) for n in range(5)]
            saved = await asyncio.gather(*(store.save_correspondent(one, now) for one in tries))
            assert sorted(saved) == [False] * 4 + [True]
        found = await store.find_correspondent("email:help:x")
        assert found is not None
        assert (found.rev, len(found.answers)) == (3, 3)

    async def test_an_installation_is_read_as_it_was_written_and_written_by_one_at_a_time(self, store: Store) -> None:
        begun = installation("slack:acme:T1", token="xoxb-1", refresh_token="xoxe-1", expires_at=LATEST)
        assert await store.find_installation(begun.id) is None
        saved = await asyncio.gather(*(store.save_installation(begun) for _ in range(5)))
        assert sorted(saved) == [False] * 4 + [True]
        known = await store.find_installation(begun.id)
        assert known == begun.model_copy(update={"rev": 1})
        ended = known.model_copy(update={"ended_at": LATEST, "ended_why": "app_uninstalled"})
        assert await store.save_installation(ended)
        assert not await store.save_installation(known), "somebody else was faster"
        assert await store.find_installation(begun.id) == ended.model_copy(update={"rev": 2})

    async def test_the_installations_of_an_account_are_its_own(self, store: Store) -> None:
        for name in ("slack:acme:T2", "slack:acme:E1", "slack:other:T1"):
            assert await store.save_installation(installation(name))
        assert [found.id for found in await store.installations_of("slack:acme")] == ["slack:acme:E1", "slack:acme:T2"]

    async def test_of_those_who_use_one_thing_at_once_one_succeeds(self, store: Store) -> None:
        until = SystemClock().now() + timedelta(days=1)
        tries = await asyncio.gather(*(store.use_once("slack:acme:n1", until) for _ in range(5)))
        assert sorted(tries) == [False] * 4 + [True]
        assert await store.use_once("slack:acme:n2", until)

    async def test_a_dead_letter_is_kept_replayed_or_discarded(self, store: Store) -> None:
        await store.insert_inbox([row("k1"), row("k2")])
        for name in ("k1", "k2"):
            letter = DeadLetter(
                id=name, channel="web", account="site", error="ValueError", detail="x", attempts=5, died_at=START
            )
            await store.bury(letter)
            await store.mark_inbox([InboxMark(id=name, state=InboxState.DEAD)])
        assert {letter.id for letter in await store.dead_letters(10)} == {"k1", "k2"}
        assert (await store.counts())["dead"] == 2
        assert await store.revive("k1", InboxState.READY)
        assert await store.revive("k2", InboxState.IGNORED)
        assert not await store.revive("k1", InboxState.READY), "it is no longer dead"
        assert await store.dead_letters(10) == []
        assert [found.id for found in await store.open_inbox(LATEST, 0, 10)] == ["k1"]
        assert await store.find_dead_letter("k1") is None

    async def test_a_file_is_kept_once_and_as_long_as_the_latest_wants(self, store: Store) -> None:
        file = MediaFile(sha256="ab" * 32, media_type="image/png", data=b"\x00png", until=LATEST)
        earlier, later = (file.model_copy(update={"until": LATEST + timedelta(days=days)}) for days in (-1, 1))
        for one in (file, later, earlier):
            await store.keep_media(one)
        assert await store.find_media(file.sha256) == later
        assert await store.find_media("cd" * 32) is None

    async def test_what_became_of_an_attachment_is_what_was_noted_last(self, store: Store) -> None:
        note = MediaNote(id="k1/0", state="expired", reason="gone", at=START, until=LATEST)
        kept = MediaNote(id="k1/0", state="kept", sha256="ab" * 32, at=START, until=LATEST)
        for one in (note, kept):
            await store.note_media(one)
        assert await store.media_notes(["k1/0", "k2/0"]) == [kept]
        assert await store.media_notes([]) == []

    async def test_what_was_attached_stands_in_the_transcript(self, store: Store) -> None:
        files = (FileRef(row="k1", number=0, kind="image", name="lid.png", media_type="image/png", size_bytes=7),)
        await store.record([line("e1", None, 1, "in", files=files), line("e2", None, 2, "in")])
        assert [found.files for found in await store.transcript(C1, 0, 10)] == [files, ()]

    async def test_a_line_is_found_by_the_platforms_id_of_its_message(self, store: Store) -> None:
        await store.record([said("e1", "m1"), line("o1", "sent", seq=33, provider_id="p1")])
        found = [await store.find_line(C1, name) for name in ("m1", "p1", "m2")]
        assert [row and row.id for row in found] == ["e1", "o1", None]
        assert await store.find_line(ConversationId("web:site:c2"), "m1") is None

    async def test_an_edit_changes_the_line_it_is_about_and_keeps_what_was_said(self, store: Store) -> None:
        """F066"""
        edits = [edit("e2", "second", "hello", 64), edit("e3", "third", "second", 96)]
        await store.record([said("e1", "m1")])
        await store.record(edits)
        await store.record([*edits, said("e1", "m1")])  # recovery writes again what may be missing
        found = await store.find_line(C1, "m1")
        assert found is not None
        assert (found.text, [version.text for version in found.versions]) == ("third", ["hello", "second"])
        assert found.edited_at is not None
        assert [row.kind for row in await store.transcript(C1, 0, 10)] == ["message", "edited", "edited"]

    async def test_a_line_that_was_changed_before_it_was_written_is_written_so(self, store: Store) -> None:
        await store.record([said("e1", "m1").after(edit("e2", "second", "hello", 64))])
        found = await store.find_line(C1, "m1")
        assert found is not None
        assert (found.text, [version.text for version in found.versions]) == ("second", ["hello"])

    async def test_a_deletion_takes_the_words_and_leaves_the_fact(self, store: Store) -> None:
        """F066, SECURITY section 7"""
        deletion = said("e3", None, seq=96, kind="deleted", about="m1", text="", body={})
        files = (FileRef(row="k1", number=0, kind="image"),)
        first = said("e1", "m1", files=files)
        await store.record([first, edit("e2", "the second", "hello", 64), said("e4", "m2", seq=128)])
        await store.record([deletion])
        await store.record([deletion, edit("e2", "the second", "hello", 64), said("e1", "m1")])
        gone, changed, told, other = await store.transcript(C1, 0, 10)
        assert (gone.text, gone.body, gone.versions, gone.deleted_at) == ("", {}, (), deletion.at)
        assert gone.files == ()
        assert gone.trace is not None
        assert gone.trace.entities == {}
        assert (changed.text, changed.before, told.kind, other.text) == ("", None, "deleted", "hello")

    async def test_raw_bytes_are_forgotten_in_every_row_of_a_payload_once_its_turns_are_over(
        self, store: Store
    ) -> None:
        names = ["b", "b#1", "b#2", "ba"]
        await store.insert_inbox([row(name) for name in names])
        await store.mark_inbox([InboxMark(id=name, state=InboxState.DONE) for name in ("b", "b#1", "ba")])
        await store.forget_raw("b#1")
        bodies = [(await store.find_inbox(name) or row("none")).body for name in names]
        assert bodies == [b"", b"", b"\x00\xff{", b"\x00\xff{"]

    async def test_a_mark_may_forget_the_raw_bytes(self, store: Store) -> None:
        await store.insert_inbox([row("k1"), row("k2")])
        await store.mark_inbox(
            [InboxMark(id="k1", state=InboxState.DONE, forget=True), InboxMark(id="k2", state=InboxState.DONE)]
        )
        bodies = [(await store.find_inbox(name) or row("none")).body for name in ("k1", "k2")]
        assert bodies == [b"", b"\x00\xff{"]

    async def test_reactions_stand_with_their_line_however_often_it_is_written(self, store: Store) -> None:
        answer = line("o1", "sent", seq=33, provider_id="p1")
        await store.record([answer])
        thumb = Reaction(by="u1", name="+1", at=START)
        await store.react(answer.model_copy(update={"reactions": (thumb,)}))
        await store.record([answer])
        found = await store.find_line_within("web:site:", "p1")
        assert found is not None
        assert found.reactions == (thumb,)
        assert await store.find_line_within("web:sit:", "p1") is None
        assert await store.find_line_within("web:site:c:", "p1") is None
