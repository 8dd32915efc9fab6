"""A group becomes a supergroup, and its conversation must not fork (T10)."""

from core.errors import RecipientMoved
from core.ids import ConversationId
from tests.unit.hub.test_changes import answers, bench_with_a_bot, conversation, tell, until

NEW = ConversationId("fake:one:t2")
IN_NEW = {"name": "8", "text": "", "thread": "t2", "came_from": "fake:one:t1", "moved_to": "t2"}
IN_OLD = {"name": "7", "text": "", "goes_to": "fake:one:t2", "moved_to": "t2"}


async def test_the_new_name_goes_on_where_the_old_one_stands() -> None:
    """T10: the open question is answered in the supergroup."""
    bench = bench_with_a_bot()
    asked = {"name": "1", "text": "where is my order? I am ann@example.com"}
    await tell(bench, asked, IN_OLD, IN_NEW, {"name": "9", "text": "A-1001", "thread": "t2"})
    assert bench.channel.sent == [("fake:one:t1", "ask_order_number"), ("fake:one:t2", "order_status")]
    leased = await bench.store.load(NEW)
    assert leased is not None
    assert leased.conversation is not None
    assert (leased.conversation.came_from, (await conversation(bench)).goes_to) == ("fake:one:t1", "fake:one:t2")


async def test_a_new_name_in_which_something_was_said_keeps_that() -> None:
    bench = bench_with_a_bot()
    first = {"name": "1", "text": "where is my order? I am ann@example.com"}
    await tell(bench, first, {"name": "2", "text": "thank you", "thread": "t2"}, IN_NEW)
    leased = await bench.store.load(NEW)
    assert leased is not None
    assert leased.conversation is not None
    assert (leased.conversation.session.position, leased.conversation.came_from) == (None, "fake:one:t1")


async def test_a_move_of_what_was_never_begun_is_nothing() -> None:
    bench = bench_with_a_bot()
    await tell(bench, IN_OLD)
    assert await bench.state_of("7") == "ignored"


async def test_a_reply_to_the_old_name_goes_to_the_new_one() -> None:
    """T10: 400 with `migrate_to_chat_id` is not sent, and says where to."""
    bench = bench_with_a_bot()
    bench.channel.outcomes.append(RecipientMoved("moved", place={"to": "t2"}, bucket="t2"))
    seen: list[object] = []
    send = bench.channel.send

    async def watched(call, *args):  # type: ignore[no-untyped-def]
        seen.append((call.params["to"], call.bucket))
        return await send(call, *args)

    bench.channel.send = watched  # type: ignore[method-assign]
    await bench.receive("1", text="thank you")
    await until(lambda: len(seen) == 1)
    clock = bench.clock
    clock.advance(2)  # type: ignore[attr-defined]
    await until(lambda: len(seen) == 2)
    await bench.settle()
    assert seen == [("t1", "t1"), ("t2", "t2")]
    assert answers(bench) == ["thanks"]
    assert (await conversation(bench)).address == {"to": "t2"}
