"""A reply that quotes: what is quoted belongs to what is asked, and stands in the transcript."""

import pytest

from tests.unit.hub.test_changes import ORDER, answers, bench_with_a_bot, conversation, lines, tell

TWO = (
    {"name": "1", "text": "thank you so much, A-1001, ann@example.com"},
    {"name": "2", "text": "thank you so much, A-1002"},
)
WHERE = {"name": "3", "text": "where is my order?"}


@pytest.mark.parametrize(("quote", "answer"), [({"quotes": "1"}, "order_status"), ({}, "order_not_found")])
async def test_what_is_quoted_says_which_order_is_meant(quote: dict[str, str], answer: str) -> None:
    """The platform gives an id; the words are in the transcript. Without a quote it is the last one that was named."""
    bench = bench_with_a_bot()
    await tell(bench, *TWO, WHERE | quote)
    assert answers(bench) == ["thanks", "thanks", answer]
    line = (await lines(bench))[-1]
    assert (line.in_reply_to, line.quoted) == (("1", TWO[0]["text"]) if quote else (None, None))


async def test_the_persons_own_words_count_more_than_what_they_quote() -> None:
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": ORDER}, {"name": "2", "text": "where is A-1002?", "quotes": "1"})
    assert answers(bench) == ["order_status", "order_not_found"]


async def test_the_quote_of_an_open_question_answers_nothing() -> None:
    """Its example is not the person's order."""
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": "where is my order? I am ann@example.com"})
    question = {"quotes": "p33", "quoted": "What is your order number? It looks like A-1001."}
    await tell(bench, {"name": "2", "text": "I have no idea", **question})
    assert (await conversation(bench)).session.position is not None
    assert "order_status" not in answers(bench)


async def test_people_read_what_was_quoted_in_the_summary() -> None:
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": ORDER}, {"name": "2", "text": "talk to a person", "quotes": "1"})
    given = (await conversation(bench)).handoff
    assert given is not None
    assert ORDER in given.summary


async def test_a_quote_of_a_deleted_message_goes_with_it() -> None:
    """SECURITY section 7."""
    bench = bench_with_a_bot()
    quoting = {"name": "2", "text": "thank you", "quotes": "1"}
    await tell(bench, {"name": "1", "text": ORDER}, quoting, {"name": "3", "text": "", "deletes": "1"})
    assert all("A-1001" not in line.model_dump_json() for line in await lines(bench))


async def test_a_quote_of_what_nobody_knows_is_a_message_like_any_other() -> None:
    bench = bench_with_a_bot()
    await tell(bench, {"name": "1", "text": "thank you", "quotes": "gone"})
    assert answers(bench) == ["thanks"]
