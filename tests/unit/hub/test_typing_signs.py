"""Typing signs: shown while a turn is slow, always ended, never in anybody's way (T25, W29)."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from channels.base import Channel
from channels.inbound import Inbound, TypingAbility
from core.conversation import ActionResult, ActionWanted, Conversation
from core.errors import DeliveryError
from core.events import MessageReceived
from core.ids import AccountName, ChannelName, DeskName
from core.store.memory import MemoryStore
from hub.clock import SystemClock
from hub.content import load_content
from hub.emulate import cloud, slack, telegram, twilio
from hub.emulate.platforms import Platforms
from hub.mailbox import StoreMailbox
from hub.offers import DeskOffers
from hub.settings import Desk, load_settings
from hub.templating import Templates
from hub.wiring import build_channels
from tests.factories import Bench, FakeChannel, FakeResponder, build_bench, echo
from tests.fakes import START
from tests.shared_files import PROJECT
from tests.unit.hub.emulate.kit import QuickWorld


def slow(_conversation: Conversation, event: MessageReceived, results: Mapping[str, ActionResult]) -> Any:
    return echo(_conversation, event) if results else ActionWanted(key="k", action="slow")


def bench(*, must_end: bool = False, sign_fails: bool = False, starts_after_s: float = 0.0) -> tuple[Bench, Any]:
    """Return a hub whose turns wait for `gate`."""
    ability = TypingAbility(renew_every_s=0.01, must_end=must_end)
    channel = FakeChannel(typing=ability, sign_fails=sign_fails)
    made = build_bench(channel=channel, responder=FakeResponder(slow), starts_after_s=starts_after_s)
    gate = asyncio.Event()

    async def act(_arguments: object) -> ActionResult:
        await gate.wait()
        return ActionResult(outcome="ok")

    made.actions["slow"] = act
    return made, gate


async def shown_times(channel: FakeChannel, times: int) -> None:
    async with asyncio.timeout(5):
        while channel.signs.count(True) < times:
            channel.sign_shown.clear()
            await channel.sign_shown.wait()


async def test_a_slow_turn_shows_a_sign_and_renews_it_until_it_ends() -> None:
    """T25: a sign shows five seconds at most."""
    made, gate = bench()
    await made.receive("m1")
    await shown_times(made.channel, 3)
    assert made.channel.sent == []
    gate.set()
    await made.settle()
    shown = len(made.channel.signs)
    assert made.channel.sent == [("fake:one:t1", "hello")]
    assert False not in made.channel.signs, "this one goes by itself"
    await asyncio.sleep(0.03)
    assert len(made.channel.signs) == shown, "it is not renewed after the turn"


async def test_a_sign_that_stays_is_taken_away() -> None:
    made, gate = bench(must_end=True)
    await made.receive("m1")
    await shown_times(made.channel, 1)
    gate.set()
    await made.settle()
    assert made.channel.signs[-1] is False


async def test_a_turn_that_fails_takes_its_sign_away_too() -> None:
    made, gate = bench(must_end=True)
    failures = iter([True])

    async def act(_arguments: object) -> ActionResult:
        await gate.wait()
        if next(failures, False):
            raise RuntimeError("the system behind it broke")
        return ActionResult(outcome="ok")

    made.actions["slow"] = act
    await made.receive("m1")
    await shown_times(made.channel, 1)
    gate.set()
    await made.settle()
    assert made.channel.signs[-1] is False


async def test_a_quick_turn_shows_none() -> None:
    made, gate = bench(starts_after_s=60.0, must_end=True)
    gate.set()
    await made.receive("m1")
    await made.settle()
    assert made.channel.signs == []
    assert len(made.channel.sent) == 1


async def test_a_platform_that_refuses_signs_is_asked_once_a_turn_and_the_reply_goes_out() -> None:
    """A 429 for a sign is counted, and pauses no reply."""
    made, gate = bench(sign_fails=True)
    await made.receive("m1")
    await shown_times(made.channel, 1)
    await asyncio.sleep(0.03)
    assert made.channel.signs == [True]
    gate.set()
    await made.settle()
    assert made.channel.sent == [("fake:one:t1", "hello")]
    assert (
        made.metrics.registry.get_sample_value(
            "frontdesk_typing_failures_total", {"channel": "fake", "error": "RateLimited"}
        )
        == 1
    )


async def test_nobody_waits_for_a_sign_that_hangs() -> None:
    made, gate = bench()
    never = asyncio.Event()

    async def hangs(_event: object, *, is_on: bool) -> None:
        made.channel.signs.append(is_on)
        made.channel.sign_shown.set()
        await never.wait()

    made.channel.show_typing = hangs  # type: ignore[method-assign, assignment]
    await made.receive("m1")
    await shown_times(made.channel, 1)
    gate.set()
    await made.settle()
    assert made.channel.sent == [("fake:one:t1", "hello")]


async def test_a_sign_writes_nothing_to_the_database() -> None:
    made, gate = bench(must_end=True)
    await made.receive("m1")
    await shown_times(made.channel, 1)
    assert isinstance(made.store, MemoryStore)
    before = dict(vars(made.store))
    await shown_times(made.channel, 3)
    assert dict(vars(made.store)) == before
    gate.set()
    await made.settle()


# --- what each platform has for it, against its stand-in --------------------------------------------------------------


class Account:
    """One account as a hub builds it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def show(self, body: bytes, *, is_on: bool = True) -> None:
        inbound = Inbound(ChannelName(self.channel.name), AccountName(self.channel.account), body, START)
        (event,) = self.channel.normalize(inbound)
        await self.channel.show_typing(event, is_on=is_on)


def accounts(platforms: Platforms, tmp_path: Path, **environ: str) -> dict[str, Channel]:
    settings = load_settings(environ=platforms.environment() | {"FRONTDESK_DATA": str(tmp_path)} | environ)
    clock = SystemClock()

    async def accept(_: object) -> Any:
        raise AssertionError("nothing comes in here")

    desk = Desk(name=DeskName("it"), accounts=())
    content = load_content(PROJECT / "config" / "content")
    offers = DeskOffers(content, desk, Templates(PROJECT / "templates"), "slack")
    mailbox = StoreMailbox(MemoryStore(clock), clock)
    return build_channels(settings, accept, mailbox, clock, offers=lambda *_: offers)


async def closed(channels: Mapping[str, Channel]) -> None:
    for channel in channels.values():
        await channel.close()


async def test_telegram_shows_a_chat_action(tmp_path: Path) -> None:
    """T25."""
    async with Platforms(QuickWorld()) as platforms:
        channels = accounts(platforms, tmp_path)
        update = telegram.text_update(1, 77, 5, "hello", 1700000000)
        await Account(channels["telegram:support"]).show(json.dumps(update).encode())
        assert platforms.telegram.typing == ["77"]
        ability = channels["telegram:support"].capabilities.typing
        assert ability is not None
        assert ability.renew_every_s < 5
        await closed(channels)


async def test_twilio_shows_a_sign_below_the_message_that_is_being_answered(tmp_path: Path) -> None:
    """W29."""
    async with Platforms(QuickWorld()) as platforms:
        channels = accounts(platforms, tmp_path)
        form = twilio.text_form("SM1", "whatsapp:+4915112345678", "hello")
        await Account(channels["whatsapp:main"]).show(urlencode(form).encode())
        sms = Path("tests/fixtures/payloads/whatsapp/sms.form").read_bytes()
        await Account(channels["whatsapp:main"]).show(sms)
        assert platforms.twilio.typing == ["SM1"], "an SMS has no such thing"
        await closed(channels)


async def test_meta_marks_the_message_as_read_and_shows_a_sign(tmp_path: Path) -> None:
    async with Platforms(QuickWorld(), whatsapp_by="cloud") as platforms:
        channels = accounts(platforms, tmp_path)
        text = {"id": "wamid.HB:g==", "from": "4915112345678", "timestamp": "1700000000", "type": "text"}
        metadata = {"display_phone_number": cloud.OUR_NUMBER, "phone_number_id": cloud.NUMBER_ID}
        value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": [text | {"text": {"body": "hi"}}]}
        await Account(channels["whatsapp:main"]).show(cloud.webhook_body([value]))
        assert platforms.cloud.typing == ["wamid.HB:g=="]
        await closed(channels)


@pytest.mark.parametrize(("thread", "is_assistant"), [("1700000000.000100", True), (None, False)])
async def test_slack_has_a_status_only_in_an_assistants_thread(
    tmp_path: Path, thread: str | None, is_assistant: bool
) -> None:
    """CHANNELS 1.5, Assistants: assistant.threads.setStatus."""
    async with Platforms(QuickWorld()) as platforms:
        channels = accounts(platforms, tmp_path, FRONTDESK_SLACK_ACME_ASSISTANT="true")
        account = Account(channels["slack:acme"])
        event = slack.message_event("Ev1", "D0ANN", "U0ANN", "1700000001.000100", "hello", thread_ts=thread)
        for is_on in (True, False):
            await account.show(event, is_on=is_on)
        expected = [("D0ANN", "is writing …"), ("D0ANN", "")] if is_assistant else []
        assert platforms.slack.statuses == expected
        await closed(channels)
        ordinary = accounts(platforms, tmp_path)
        assert ordinary["slack:acme"].capabilities.typing is None
        await closed(ordinary)


async def test_a_platform_that_is_away_is_a_delivery_error_like_any_other(tmp_path: Path) -> None:
    async with Platforms(QuickWorld()) as platforms:
        channels = accounts(platforms, tmp_path)
        await platforms.http["telegram"].close()
        update = telegram.text_update(1, 77, 5, "hello", 1700000000)
        with pytest.raises(DeliveryError):
            await Account(channels["telegram:support"]).show(json.dumps(update).encode())
        await closed(channels)
