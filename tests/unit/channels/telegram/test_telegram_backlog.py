"""What waits at Telegram is counted, and why it does is said once (SEMANTICS 9, T3)."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import structlog

from channels.base import Acceptance, Gap, Look, Resources
from channels.inbound import Inbound
from channels.telegram.account import AccountSettings
from channels.telegram.channel import build
from core.errors import DeliveryError, UnknownOutcome
from core.ids import AccountName
from core.ports import Mailbox
from tests.fakes import START, FakeClock
from tests.unit.channels.telegram.bot_api import TOKEN, BotApi, ok, refuse

GAP = Gap(START)
NOW_S = int(START.timestamp())
FAILING = {"url": "https://desk.example/telegram/support", "pending_update_count": 12}
BAD_GATEWAY = {"last_error_date": NOW_S - 30, "last_error_message": "Wrong response from the webhook: 502 Bad Gateway"}


class Bot:
    """The channel of one bot, asked again and again."""

    def __init__(self, api: BotApi) -> None:
        self.api, self.clock = api, FakeClock()
        settings = AccountSettings.model_validate({"token": TOKEN, "api_url": api.url})
        lent = Resources(self.clock, _nothing_comes, "https://desk.example", cast("Mailbox", None))
        self.channel = build(AccountName("support"), settings, lent)

    async def asked(self, info: dict[str, Any]) -> Look:
        self.api.will("getWebhookInfo", ok(info))
        (look,) = [look async for look in self.channel.catch_up([GAP])]
        return look


async def _nothing_comes(_: Inbound) -> Acceptance:
    raise AssertionError("Telegram lists nothing")


@pytest.fixture
async def bot(bot_api: BotApi) -> AsyncIterator[Bot]:
    made = Bot(bot_api)
    yield made
    await made.channel.close()


async def test_what_waits_is_counted_and_nothing_can_be_fetched(bot: Bot) -> None:
    assert await bot.asked(FAILING) == Look(payloads=(), closed=(GAP,), pending=12)


async def test_the_reason_is_told_once_until_it_changes(bot: Bot) -> None:
    other = BAD_GATEWAY | {"last_error_message": "Connection timed out"}
    with structlog.testing.capture_logs() as lines:
        for error in ({}, BAD_GATEWAY, BAD_GATEWAY | {"last_error_date": NOW_S - 1}, other, other, {}, BAD_GATEWAY):
            await bot.asked(FAILING | error)
    assert [line["reason"] for line in lines if line["event"] == "telegram_cannot_deliver"] == [
        "Wrong response from the webhook: 502 Bad Gateway",
        "Connection timed out",
        "Wrong response from the webhook: 502 Bad Gateway",
    ]
    assert {line["account"] for line in lines} == {"telegram:support"}


async def test_a_failure_of_long_ago_is_no_reason(bot: Bot) -> None:
    """Telegram keeps naming it after delivery has recovered."""
    with structlog.testing.capture_logs() as lines:
        await bot.asked(FAILING | BAD_GATEWAY | {"last_error_date": NOW_S - 3601})
    assert lines == []


@pytest.mark.parametrize("answer", [ok([]), ok({"pending_update_count": "many"}), refuse(500, "Internal Server Error")])
async def test_what_cannot_be_asked_now_is_told(bot: Bot, answer: Any) -> None:
    bot.api.will("getWebhookInfo", answer)
    with pytest.raises(DeliveryError) as caught:
        [look async for look in bot.channel.catch_up([GAP])]
    assert isinstance(caught.value, UnknownOutcome)


def test_telegram_is_asked_every_minute(bot: Bot) -> None:
    plan = bot.channel.capabilities.catch_up
    assert plan is not None
    assert (plan.every_s, plan.by_conversation) == (60.0, False)
