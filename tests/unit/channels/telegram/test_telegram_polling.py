import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from channels.telegram.client import Deadlines, TelegramClient
from channels.telegram.polling import LONGEST_PAUSE_S, BackOff, Poller, until_done
from core.errors import AccountRefused, RateLimited, StoreUnavailable, TemporaryFailure, UnknownOutcome
from tests.unit.channels.telegram.bot_api import TOKEN, BotApi, hang, ok, refuse

HELD = Deadlines(total_s=20.0, long_poll_s=0)


def update(update_id: int) -> dict[str, Any]:
    return {"update_id": update_id}


class Journal:
    """Notes updates; the first `failures` tries at an id in `broken` fail."""

    def __init__(self, *broken: int) -> None:
        self.broken = list(broken)
        self.kept: list[Any] = []

    async def __call__(self, update: Any) -> None:
        if isinstance(update, dict) and update.get("update_id") in self.broken:
            self.broken.remove(update["update_id"])
            raise StoreUnavailable
        self.kept.append(update)


class Pauses:
    """Notes pauses instead of taking them."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def polling(
    bot_api: BotApi, journal: Callable[[Any], Awaitable[None]], pauses: Pauses | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    client = TelegramClient(TOKEN, bot_api.url, HELD)
    task = asyncio.create_task(Poller(client, ("message",), journal, pauses or Pauses()).run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await client.close()


async def polls(bot_api: BotApi, count: int) -> list[str | None]:
    """Wait for that many polls; return the offsets they asked with."""
    for _ in range(count):
        await asyncio.wait_for(bot_api.seen.get(), 10)
    return [params.get("offset") for params in bot_api.params("getUpdates")]


async def test_a_batch_is_confirmed_only_after_it_was_journaled_t6(bot_api: BotApi) -> None:
    bot_api.will("getUpdates", ok([update(5), update(6)]), hang)
    gate = asyncio.Event()
    journal = Journal()

    async def slow(given: Any) -> None:
        await gate.wait()
        await journal(given)

    async with polling(bot_api, slow):
        assert await polls(bot_api, 1) == [None]
        assert bot_api.seen.empty()
        gate.set()
        assert await polls(bot_api, 1) == [None, "7"]
    assert journal.kept == [update(5), update(6)]


async def test_updates_that_could_not_be_journaled_are_fetched_again(bot_api: BotApi) -> None:
    bot_api.will("getUpdates", ok([update(5), update(6)]), ok([update(5), update(6)]), hang)
    journal, pauses = Journal(5), Pauses()
    async with polling(bot_api, journal, pauses):
        assert await polls(bot_api, 3) == [None, None, "7"]
    assert [kept["update_id"] for kept in journal.kept] == [6, 5, 6]
    assert len(pauses.taken) == 1


async def test_only_what_came_before_the_first_gap_is_confirmed(bot_api: BotApi) -> None:
    bot_api.will("getUpdates", ok([update(5), update(6), update(7)]), hang)
    async with polling(bot_api, Journal(6)):
        assert await polls(bot_api, 2) == [None, "6"]


async def test_ids_that_start_anew_after_a_quiet_week_are_taken_t4_f064(bot_api: BotApi) -> None:
    bot_api.will("getUpdates", ok([update(900)]), ok([]), ok([update(3)]), hang)
    journal = Journal()
    async with polling(bot_api, journal):
        assert await polls(bot_api, 4) == [None, "901", None, "4"]
    assert journal.kept == [update(900), update(3)]


@pytest.mark.parametrize(
    "trouble",
    [refuse(409, "Conflict: terminated by other getUpdates request"), refuse(502, "Bad Gateway"), refuse(401, "no")],
    ids=["T6 second poller", "outage", "revoked token"],
)
async def test_trouble_only_makes_it_pause_and_ask_again_the_same(bot_api: BotApi, trouble: Any) -> None:
    bot_api.will("getUpdates", ok([update(5)]), trouble, trouble, ok([]), hang)
    pauses = Pauses()
    async with polling(bot_api, Journal(), pauses):
        assert await polls(bot_api, 5) == [None, "6", "6", "6", None]
    assert 0.5 <= pauses.taken[0] <= 1.0 <= pauses.taken[1] <= 2.0
    assert len(pauses.taken) == 2


async def test_updates_without_ids_are_kept_but_not_asked_for_without_pause(bot_api: BotApi) -> None:
    bot_api.will("getUpdates", ok(["strange", {"x": 1}]), hang)
    journal, pauses = Journal(), Pauses()
    async with polling(bot_api, journal, pauses):
        assert await polls(bot_api, 2) == [None, None]
    assert journal.kept == ["strange", {"x": 1}]
    assert len(pauses.taken) == 1


async def test_a_bug_in_the_journal_is_not_hidden() -> None:
    class Source:
        async def get_updates(self, offset: int | None, kinds: tuple[str, ...]) -> list[Any]:
            return [update(5)]

    async def buggy(_: Any) -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await asyncio.wait_for(Poller(Source(), (), buggy, Pauses()).run(), 10)


async def test_pauses_double_up_to_a_minute_and_start_anew_after_success() -> None:
    pauses = Pauses()
    back_off = BackOff(pauses)
    for _ in range(12):
        await back_off.wait(TemporaryFailure("no"))
    back_off.reset()
    await back_off.wait(UnknownOutcome("no"))
    longest = [min(2.0**n, LONGEST_PAUSE_S) for n in range(12)] + [1.0]
    assert all(most / 2 <= taken <= most for taken, most in zip(pauses.taken, longest, strict=True))


async def test_a_rate_limit_is_paused_as_long_as_asked() -> None:
    pauses = Pauses()
    await BackOff(pauses).wait(RateLimited(33.0))
    assert pauses.taken == [33.0]


async def test_a_preparation_is_repeated_until_it_succeeds() -> None:
    outcomes: list[Exception | None] = [TemporaryFailure("no"), AccountRefused("no"), None]

    async def prepare() -> None:
        if (outcome := outcomes.pop(0)) is not None:
            raise outcome

    pauses = Pauses()
    await until_done(prepare, pauses)
    assert (outcomes, len(pauses.taken)) == ([], 2)
