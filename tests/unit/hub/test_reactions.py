"""Reactions: they stand with their message, thumbs under an answer are feedback, and none is answered."""

from typing import Any

from core.feedback import opinions
from core.ids import ConversationId
from tests.factories import Bench
from tests.unit.hub.test_changes import answers, bench_with_a_bot, lines, tell


def counted(bench: Bench, opinion: str) -> float:
    labels = {"channel": "fake", "opinion": opinion}
    return bench.metrics.registry.get_sample_value("frontdesk_feedback_total", labels) or 0.0


def thumb(name: str, target: str, **told: Any) -> dict[str, Any]:
    return {"name": name, "text": "", "reacts_to": target, **told}


async def test_a_thumb_under_an_answer_is_feedback_and_not_answered() -> None:
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": "thank you"}, thumb("2", "p33", added=["+1"]))
    (answer,) = await lines(bench, "out")
    assert [(reaction.by, reaction.name) for reaction in answer.reactions] == [("t1", "+1")]
    assert opinions(answer.reactions) == {"up": 1}
    assert (counted(bench, "up"), answers(bench)) == (1, ["thanks"])
    assert await bench.state_of("2") == "done"


async def test_a_change_of_mind_is_kept_and_the_same_thumb_counts_once() -> None:
    bench = bench_with_a_bot()
    up, again = thumb("2", "p33", added=["👍"]), thumb("3", "p33", added=["👍"])
    await tell(bench, {"name": "1", "text": "thank you"}, up, again)
    await tell(bench, thumb("4", "p33", added=["👎🏽"], removed=["👍"]))
    (answer,) = await lines(bench, "out")
    assert opinions(answer.reactions) == {"down": 1}
    assert (counted(bench, "up"), counted(bench, "down")) == (1, 1)


async def test_the_one_reaction_that_a_platform_allows_takes_the_place_of_the_last() -> None:
    """CHANNELS 3.3: Meta does not say which one went."""
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": "thank you"}, thumb("2", "p33", added=["👍"], is_whole=True))
    await tell(bench, thumb("3", "p33", added=[], is_whole=True))
    (answer,) = await lines(bench, "out")
    assert [reaction.is_there for reaction in answer.reactions] == [False]


async def test_a_reaction_to_a_persons_message_is_no_feedback() -> None:
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": "thank you"}, thumb("2", "1", added=["+1"]))
    assert len((await lines(bench))[0].reactions) == 1
    assert counted(bench, "up") == 0


async def test_a_reaction_finds_its_message_in_another_thread() -> None:
    """Slack tells the channel and not the thread, Telegram the chat and not the topic."""
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": "thank you", "thread": "C1:7"})
    elsewhere = thumb("2", "p33", added=["+1"], thread="C1:9")
    await tell(bench, elsewhere, elsewhere | {"name": "3", "within": "fake:one:C1:"})
    assert await bench.state_of("2") == "ignored"
    found = await bench.store.find_line(ConversationId("fake:one:C1:7"), "p33")
    assert found is not None
    assert opinions(found.reactions) == {"up": 1}


async def test_a_reaction_to_what_nobody_knows_is_ignored() -> None:
    bench = bench_with_a_bot()
    await tell(bench, thumb("1", "p33", added=["+1"]))
    assert await bench.state_of("1") == "ignored"
