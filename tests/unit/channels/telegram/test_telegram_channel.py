import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels.base import Acceptance, Channel, Finding, Resources
from channels.inbound import Inbound
from channels.telegram.account import AccountSettings
from channels.telegram.channel import build
from channels.telegram.payloads import HANDLED_UPDATES
from core.errors import StoreUnavailable, UnknownOutcome
from core.events import MessageReceived
from core.ids import AccountName, ConversationId, OutId
from core.ports import Mailbox
from core.replies import ApiCall
from tests.fakes import START, FakeClock
from tests.unit.channels.telegram.bot_api import TOKEN, BotApi, as_list, hang, ok, refuse, sent_message
from tests.unit.channels.telegram.telegram_samples import body, sample

SECRET = "s3cret_-of-ours"
HEADER = "X-Telegram-Bot-Api-Secret-Token"
PUBLIC = "https://desk.example"


class Inbox:
    """Remembers what was accepted; or has nowhere to put it."""

    def __init__(self) -> None:
        self.accepted: list[Inbound] = []
        self.available = True
        self.answer = Acceptance.ACCEPTED
        self.arrived = asyncio.Event()

    async def accept(self, inbound: Inbound) -> Acceptance:
        if not self.available:
            raise StoreUnavailable
        self.accepted.append(inbound)
        self.arrived.set()
        return self.answer


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def make(bot_api: BotApi, inbox: Inbox, mode: str = "webhook", **settings: str) -> Channel:
    given = {"token": TOKEN, "webhook_secret": SECRET, "mode": mode, "api_url": bot_api.url} | settings
    lent = Resources(FakeClock(), inbox.accept, PUBLIC, cast("Mailbox", None))
    return build(AccountName("support"), AccountSettings.model_validate(given), lent)


@pytest.fixture
async def channel(bot_api: BotApi, inbox: Inbox) -> AsyncIterator[Channel]:
    made = make(bot_api, inbox)
    yield made
    await made.close()


@pytest.fixture
async def webhook(channel: Channel) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    app = web.Application()
    app.add_routes(channel.routes())
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_an_update_with_our_secret_is_journaled_as_it_came(
    webhook: TestClient[web.Request, web.Application], inbox: Inbox
) -> None:
    raw = body(sample("text_private"))
    answer = await webhook.post("/telegram/support", data=raw, headers={HEADER: SECRET})
    (inbound,) = inbox.accepted
    assert (answer.status, await answer.read()) == (200, b"")
    assert inbound == Inbound(inbound.channel, AccountName("support"), raw, START)
    assert (inbound.channel, inbound.headers) == ("telegram", {})


@pytest.mark.parametrize(
    "headers",
    [[], [(HEADER, "wrong")], [(HEADER, SECRET.upper())], [(HEADER, SECRET), (HEADER, SECRET)], [(HEADER, "")]],
)
async def test_without_our_secret_nothing_is_stored_f068(
    webhook: TestClient[web.Request, web.Application], inbox: Inbox, headers: list[tuple[str, str]]
) -> None:
    answer = await webhook.post("/telegram/support", data=b"{}", headers=headers)
    assert (answer.status, inbox.accepted) == (401, [])


async def test_during_a_rotation_updates_with_either_secret_are_taken_and_the_new_one_is_registered(
    bot_api: BotApi, inbox: Inbox
) -> None:
    """F072."""
    channel = make(bot_api, inbox, webhook_secret="new", previous_webhook_secret=SECRET)
    app = web.Application()
    app.add_routes(channel.routes())
    async with TestClient(TestServer(app)) as client:
        statuses = [
            (await client.post("/telegram/support", data=b"{}", headers={HEADER: secret})).status
            for secret in ("new", SECRET, "another")
        ]
    bot_api.will("setWebhook", ok(True))
    await channel.listen()
    await channel.close()
    assert statuses == [200, 200, 401]
    assert bot_api.params("setWebhook")[0]["secret_token"] == "new"


@pytest.mark.parametrize("raw", [b"", b"not json", b"\xff\xfe", b"[" * 50_000])
async def test_rubbish_with_our_secret_is_journaled_and_answered_2xx_t3(
    webhook: TestClient[web.Request, web.Application], inbox: Inbox, raw: bytes
) -> None:
    answer = await webhook.post("/telegram/support", data=raw, headers={HEADER: SECRET})
    assert (answer.status, inbox.accepted[0].body) == (200, raw)


async def test_a_duplicate_is_answered_2xx(webhook: TestClient[web.Request, web.Application], inbox: Inbox) -> None:
    inbox.answer = Acceptance.DUPLICATE
    answer = await webhook.post("/telegram/support", data=b"{}", headers={HEADER: SECRET})
    assert answer.status == 200


async def test_what_cannot_be_journaled_is_to_come_again(
    webhook: TestClient[web.Request, web.Application], inbox: Inbox
) -> None:
    inbox.available = False
    answer = await webhook.post("/telegram/support", data=b"{}", headers={HEADER: SECRET})
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_polling_has_no_route_that_could_be_forged(bot_api: BotApi, inbox: Inbox) -> None:
    assert make(bot_api, inbox, "polling").routes() == []


async def test_webhook_mode_registers_address_secret_and_kinds_and_returns_t5(
    bot_api: BotApi, channel: Channel
) -> None:
    bot_api.will("setWebhook", ok(True))
    await asyncio.wait_for(channel.listen(), 10)
    (params,) = bot_api.params("setWebhook")
    assert (params["url"], params["secret_token"]) == (f"{PUBLIC}/telegram/support", SECRET)
    assert as_list(params["allowed_updates"]) == list(HANDLED_UPDATES)


async def test_polling_removes_the_webhook_drops_nothing_and_journals_updates(bot_api: BotApi, inbox: Inbox) -> None:
    bot_api.will("deleteWebhook", ok(True))
    bot_api.will("getUpdates", ok([sample("text_private")]), hang)
    channel = make(bot_api, inbox, "polling")
    listening = asyncio.create_task(channel.listen())
    await asyncio.wait_for(inbox.arrived.wait(), 10)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    await channel.close()
    assert bot_api.params("deleteWebhook") == [{"drop_pending_updates": "false"}]
    (event,) = channel.normalize(inbox.accepted[0])
    assert isinstance(event, MessageReceived)
    assert channel.identify(inbox.accepted[0]).primary == event.id == "tg:support:9001"


async def test_a_polled_update_is_named_as_a_delivered_one(channel: Channel) -> None:
    names = channel.identify(Inbound(channel.name, channel.account, body(sample("text_private")), START))
    assert (names.primary, names.order) == ("tg:support:9001", "9001".zfill(20))


async def test_a_call_is_sent_and_never_provable(bot_api: BotApi, channel: Channel) -> None:
    bot_api.will("sendMessage", ok(sent_message(77)))
    call = ApiCall(method="sendMessage", params={"chat_id": 1, "text": "hi"}, bucket="1")
    assert (await channel.send(call, OutId("o"), 1, ConversationId("telegram:support:1"))).provider_id == "77"
    assert channel.capabilities.unknown_sends == "unprovable"
    with pytest.raises(UnknownOutcome):
        await channel.find_sent(call, OutId("o"), START, frozenset())


async def test_a_channel_shows_no_secret(channel: Channel) -> None:
    assert "AAtest" not in repr(channel)
    assert "AAtest" not in repr(vars(channel))
    assert SECRET not in repr(vars(channel))


# The doctor

HEALTHY = {
    "url": f"{PUBLIC}/telegram/support",
    "allowed_updates": list(HANDLED_UPDATES),
    "pending_update_count": 0,
}


async def findings(bot_api: BotApi, channel: Channel, info: Any) -> dict[str, Finding]:
    bot_api.will("getMe", ok({"id": 4242, "is_bot": True, "first_name": "Desk", "username": "desk_bot"}))
    bot_api.will("getWebhookInfo", ok(info))
    found = await channel.check()
    await channel.close()
    assert all(finding.account == "telegram:support" and (finding.ok or finding.fix) for finding in found)
    return {finding.check: finding for finding in found}


async def test_a_healthy_webhook_has_nothing_to_mend(bot_api: BotApi, inbox: Inbox) -> None:
    found = await findings(bot_api, make(bot_api, inbox, username="Desk_Bot"), HEALTHY)
    assert {check for check, finding in found.items() if not finding.ok} == set()
    assert set(found) == {"token", "username", "public_url", "delivery", "allowed_updates", "backlog", "last_error"}


@pytest.mark.parametrize(
    ("info", "broken"),
    [
        ({"url": "https://else.example/x"}, "delivery"),
        ({"url": ""}, "delivery"),
        ({"allowed_updates": ["message"]}, "allowed_updates"),
        ({"pending_update_count": 101}, "backlog"),
        ({"last_error_date": int(START.timestamp()) - 60, "last_error_message": "401 Unauthorized"}, "last_error"),
    ],
)
async def test_each_trouble_of_a_webhook_is_named(
    bot_api: BotApi, inbox: Inbox, info: dict[str, Any], broken: str
) -> None:
    found = await findings(bot_api, make(bot_api, inbox, username="desk_bot"), HEALTHY | info)
    assert {check for check, finding in found.items() if not finding.ok} == {broken}


async def test_an_error_of_yesterday_is_no_finding(bot_api: BotApi, inbox: Inbox) -> None:
    info = HEALTHY | {"last_error_date": int(START.timestamp()) - 86_400, "last_error_message": "down"}
    assert (await findings(bot_api, make(bot_api, inbox, username="desk_bot"), info))["last_error"].ok


async def test_a_webhook_that_keeps_polling_dry_is_named_t6(bot_api: BotApi, inbox: Inbox) -> None:
    found = await findings(bot_api, make(bot_api, inbox, "polling", username="desk_bot"), HEALTHY)
    assert not found["delivery"].ok
    found = await findings(bot_api, make(bot_api, inbox, "polling", username="desk_bot"), {"url": ""})
    assert found["delivery"].ok


async def test_a_missing_username_is_told_with_its_value(bot_api: BotApi, inbox: Inbox) -> None:
    assert (await findings(bot_api, make(bot_api, inbox), HEALTHY))["username"].fix == "set `username` to desk_bot"


@pytest.mark.parametrize(
    ("trouble", "advice"),
    [
        (refuse(401, "Unauthorized"), "@BotFather"),
        (refuse(502, "Bad Gateway"), "network"),
        (ok("what"), "api_url"),
        (ok({"username": 3}), "api_url"),
    ],
)
async def test_the_doctor_never_raises_and_gives_advice(
    bot_api: BotApi, channel: Channel, trouble: Callable[..., Any], advice: str
) -> None:
    bot_api.will("getMe", trouble)
    bot_api.will("getWebhookInfo", ok(HEALTHY))
    (finding,) = await channel.check()
    assert not finding.ok
    assert advice in (finding.fix or "")
