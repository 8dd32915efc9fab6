"""People who block us, opt out or are gone, and groups that we are added to and removed from (T9, W27, F052)."""

from typing import Any

import pytest

from core.errors import PermanentFailure, TemporaryFailure
from core.storage import TranscriptRow
from tests.factories import Bench
from tests.unit.hub.test_changes import C1, answers, bench_with_a_bot, conversation, lines, tell, until


def marked(bench: Bench, reason: str) -> float:
    labels = {"channel": "fake", "reason": reason}
    return bench.metrics.registry.get_sample_value("frontdesk_unreachable_total", labels) or 0.0


async def sends(bench: Bench) -> list[tuple[str | None, str | None]]:
    return [(line.state, line.reason) for line in await lines(bench, "out")]


@pytest.mark.parametrize("change", ["blocked", "opted_out", "gone"])
async def test_whoever_cannot_be_reached_is_marked_and_agents_see_it(change: str) -> None:
    """T9: `my_chat_member` comes before any 403."""
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": "thank you"}, {"name": "2", "text": "", "reach": change})
    gone = (await conversation(bench)).unreachable
    assert gone is not None
    assert gone.reason == change
    told = (await lines(bench))[-1]
    assert (told.kind, told.reason) == ("reachability", change)
    assert marked(bench, change) == 1


async def test_what_waits_for_somebody_who_blocked_us_is_ended_as_undeliverable() -> None:
    """F052: shown, and not tried on."""
    bench = bench_with_a_bot()
    bench.channel.outcomes.append(TemporaryFailure("no connection"))
    await bench.receive("1", text="thank you")
    await until(lambda: not bench.channel.outcomes)
    await bench.receive("2", text="", reach="blocked")
    await bench.settle()
    assert await sends(bench) == [("undeliverable", "blocked")]
    assert bench.channel.sent == []


async def test_a_refused_send_marks_the_person_and_ends_what_is_behind_it() -> None:
    """F052, T9, W27: 403 blocked, 21610: failed, no retry, nor any of the rest."""
    bench = bench_with_a_bot()
    bench.channel.outcomes.append(PermanentFailure("blocked", code="forbidden", unreachable=True))
    await bench.receive("1", text="thank you")
    await bench.settle()
    assert await sends(bench) == [("failed", "forbidden")]
    await bench.holds.close()
    gone = (await conversation(bench)).unreachable
    assert gone is not None
    assert gone.reason == "forbidden"
    assert marked(bench, "refused") == 1


async def test_of_several_messages_the_first_refusal_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """F052."""
    bench = bench_with_a_bot()
    render = bench.channel.render

    def twice(*args: Any) -> Any:
        return render(*args) * 2

    monkeypatch.setattr(bench.channel, "render", twice)
    bench.channel.outcomes.append(PermanentFailure("blocked", code="21610", unreachable=True))
    await tell(bench, {"name": "1", "text": "thank you"})
    assert await sends(bench) == [("failed", "21610"), ("undeliverable", "21610")]
    assert bench.channel.sent == []


@pytest.mark.parametrize("back", [{"text": "", "reach": "unblocked"}, {"text": "thank you"}])
async def test_whoever_unblocks_us_or_writes_again_is_reachable(back: dict[str, str]) -> None:
    bench = bench_with_a_bot()
    blocked = {"name": "2", "text": "", "reach": "blocked"}
    await tell(bench, {"name": "1", "text": "thank you"}, blocked, {"name": "3", **back})
    assert (await conversation(bench)).unreachable is None
    await tell(bench, {"name": "4", "text": "thanks a lot"})
    assert answers(bench)[-1] == "thanks"


async def test_an_opt_out_is_confirmed_once_and_then_nothing_is_sent() -> None:
    """W27: where the platform does not answer itself."""
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": "", "reach": "opted_out"})
    assert answers(bench) == ["opted_out"]
    await tell(bench, {"name": "2", "text": "", "reach": "opted_in"})
    assert answers(bench) == ["opted_out", "greeting"]


async def test_a_person_who_never_wrote_is_not_kept_for_blocking_us() -> None:
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": "", "reach": "blocked"})
    assert await bench.state_of("1") == "ignored"
    leased = await bench.store.load(C1)
    assert leased is None or leased.conversation is None


FAILED = {"name": "9", "text": "", "status": "failed", "provider_id": "p33", "unreachable": True}


async def test_a_failure_told_later_marks_the_person() -> None:
    """W27: 63032 comes in a status callback."""
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": "thank you"}, FAILED)
    await bench.holds.close()
    assert (await conversation(bench)).unreachable is not None
    assert (await lines(bench, "out"))[0].state == "failed"


async def test_a_failure_from_before_the_person_wrote_again_does_not_mark_them() -> None:
    bench = bench_with_a_bot()
    clock: Any = bench.clock
    await tell(bench, {"name": "1", "text": "thank you"})
    clock.advance(60)
    await tell(bench, {"name": "2", "text": "thanks again"}, FAILED)
    await bench.holds.close()
    assert (await conversation(bench)).unreachable is None


async def test_where_we_are_added_we_say_who_we_are_once() -> None:
    bench = bench_with_a_bot()
    joined = [{"name": name, "text": "", "member": "joined"} for name in ("1", "3")]
    left = {"name": "2", "text": "", "member": "left"}
    await tell(bench, joined[0])
    assert answers(bench) == ["introduction"]
    await tell(bench, left)
    assert (await conversation(bench)).unreachable is not None
    await tell(bench, joined[1])
    known = await conversation(bench)
    assert (known.unreachable, answers(bench)) == (None, ["introduction"])
    assert [line.kind for line in await lines(bench)] == ["membership"] * 3


async def test_a_desk_may_be_told_not_to_introduce_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_with_a_bot()
    quiet = bench.responder.desk.model_copy(update={"introduces_itself": False})
    monkeypatch.setattr(bench.responder, "desk", quiet)
    await tell(bench, {"name": "1", "text": "", "member": "joined"})
    assert answers(bench) == []


async def test_what_people_see_of_a_reply_that_had_nobody_to_go_to_can_be_sent_again() -> None:
    bench = bench_with_a_bot()
    bench.channel.outcomes.append(TemporaryFailure("no connection"))
    await bench.receive("1", text="thank you")
    await until(lambda: not bench.channel.outcomes)
    await bench.receive("2", text="", reach="gone")
    await bench.settle()
    (line,) = await lines(bench, "out")
    assert isinstance(line, TranscriptRow)
    assert line.call is not None
