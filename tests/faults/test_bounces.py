"""F101, F103 in full size: ten thousand bounces of every kind into one mailbox, a machine that says nothing of itself.

`FRONTDESK_FAULT_BOUNCES` is how many a running hub gets: 1,000 in CI, 10,000 where there is time.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from core.correspondents import correspondent_id
from core.ids import ConversationId
from core.storage import Leased
from hub.emulate.mail import mail_from
from hub.emulate.pace import Pace
from tests.faults.figures import note
from tests.servers.hub import Hub
from tests.standins.aftermath import opened_store, until_quiet
from tests.standins.platforms import QuickPlatforms, running_platforms
from tests.unit.channels.email.mails import SETTINGS, event_of
from tests.unit.channels.email.test_email_loops import Mailbox, bounce
from tests.unit.channels.email.test_email_reports import report

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

BOUNCES = 10_000
BOUNCES_OF_A_HUB = int(os.environ.get("FRONTDESK_FAULT_BOUNCES", "1000"))
OTHER_MAIL_WITHIN_S = 60.0
AT_ONCE = 20
QUESTION = "How long does shipping take?"
LOOK_EVERY_S = 0.05
QUIET_WITHIN_S = 120.0


def test_ten_thousand_bounces_are_not_answered() -> None:
    dice, ours = random.Random(103), Mailbox(SETTINGS)
    for _ in range(BOUNCES):
        raw = bounce(dice)
        assert event_of(raw).automatic is not None, raw
        assert ours.take(raw) is None
    assert ours.sent == 0


@dataclass
class Post:
    """A hub with its own limits, and who writes to it by mail."""

    hub: Hub
    platforms: QuickPlatforms

    async def bring(self, sender: str, raw: bytes) -> None:
        code, answer = await self.platforms.mail_sender.try_once(sender, raw)
        assert code == 250, answer

    async def bring_all(self, mails: Sequence[bytes]) -> None:
        waiting = iter(mails)

        async def some() -> None:
            for raw in waiting:
                await self.bring("", raw)

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))

    async def answers_to(self, person: str, count: int, within_s: float) -> list[str]:
        """Wait for so many answers to an address; returns their Message-IDs."""
        deadline = time.monotonic() + within_s
        while True:
            found = [sent.provider_id for sent in self.platforms.ledger if sent.place == person]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, f"{len(found)} of {count} answers after {within_s} s"
            await asyncio.sleep(LOOK_EVERY_S)

    async def until_quiet(self) -> None:
        async with opened_store(self.hub.database_port) as store:
            await until_quiet(store, lambda: True, QUIET_WITHIN_S)


@asynccontextmanager
async def post_office(folder: Path) -> AsyncIterator[Post]:
    async with running_platforms(Pace(103, 0.0)) as platforms:
        hub = Hub(folder, {**platforms.environment(), "FRONTDESK_LIMITS": "{pace_factor: 1000}"})
        try:
            await asyncio.to_thread(hub.start)
            yield Post(hub, platforms)
        finally:
            if hub.process is not None and hub.process.poll() is None:
                await asyncio.to_thread(hub.stop)


def said(person: str, number: int, subject: str = "A question") -> bytes:
    mail: Message = message_from_bytes(mail_from(person, f"<{number}.{person}>", QUESTION, datetime.now(UTC)))
    mail.replace_header("Subject", subject)
    return mail.as_bytes()


async def test_bounces_in_thousands_start_no_bot_suspend_their_address_and_hold_up_no_other_mail(
    tmp_path: Path,
) -> None:
    """F103: the mailbox's other mail comes behind all of them."""
    gone, other = "jo@customer.example", "ann@customer.example"
    async with post_office(tmp_path) as post:
        for number in range(2):
            await post.bring(gone, said(gone, number))
        sent = await post.answers_to(gone, 2, 30.0)
        started = time.monotonic()
        await post.bring_all([report(gone, sent[n % 2], number=n) for n in range(BOUNCES_OF_A_HUB)])
        taken_s, asked = time.monotonic() - started, time.monotonic()
        await post.bring(other, said(other, 0))
        await post.answers_to(other, 1, 10 * OTHER_MAIL_WITHIN_S)
        waited_s = time.monotonic() - asked
        await post.until_quiet()
        done_s = time.monotonic() - started
        async with opened_store(post.hub.database_port) as store:
            known = await store.find_correspondent(correspondent_id("email:help", gone))
        note("bounces", bounces=BOUNCES_OF_A_HUB, taken_s=taken_s, other_mail_s=waited_s, done_s=done_s)
        assert known is not None
        assert known.is_suspended(datetime.now(UTC))
        assert len(list(post.platforms.ledger)) == 3, "the bounces got no answer"
        assert waited_s < OTHER_MAIL_WITHIN_S


async def test_a_machine_that_begins_a_conversation_with_every_mail_gets_three_answers_a_day(tmp_path: Path) -> None:
    """F101: nothing is set, Message-ID and subject change each time; people find every mail in the queue."""
    robot = "robot@customer.example"
    async with post_office(tmp_path) as post:
        for number in range(12):
            await post.bring(robot, said(robot, number, subject=f"Away {number}"))
        await post.answers_to(robot, 3, 30.0)
        await post.until_quiet()
        assert len(await post.answers_to(robot, 3, 0.0)) == 3
        async with opened_store(post.hub.database_port) as store:
            names = await store.active("email:help", datetime(2000, 1, 1, tzinfo=UTC), 100)
            found = [await store.load(name) for name, _ in names]
            lines = [line for name, _ in names for line in await store.transcript(ConversationId(name), 0, 10)]
        assert sorted(owner_of(one) for one in found) == ["bot"] * 3 + ["queue"] * 9
        assert [line.trace.handoff for line in lines if line.trace and line.trace.handoff] == ["answer_limit"] * 9
        assert len([line for line in lines if line.direction == "in"]) == 12, "none is lost"


def owner_of(leased: Leased | None) -> str:
    assert leased is not None
    assert leased.conversation is not None
    return leased.conversation.owner
