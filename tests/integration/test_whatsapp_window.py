"""A customer who has been silent for 25 hours, at both providers: templates, what waits, and refusals that come later.

W20; 131047 at the Cloud API. The running hub, the command line and the stand-ins that keep the window.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from core.ids import ConversationId
from core.storage import TranscriptRow, Trouble
from hub.emulate.ledger import Sent
from hub.emulate.platforms import Platforms
from hub.emulate.twilio import press_form, text_form
from hub.emulate.webhook import Delivery
from hub.emulate.world import World
from tests.integration.running import at_rest, store_of, until
from tests.servers.hub import Hub
from tests.shared_files import PROJECT

pytestmark = pytest.mark.integration

Provider = Literal["twilio", "cloud"]
PROVIDERS: tuple[Provider, ...] = ("twilio", "cloud")
SID = "HX" + "a" * 32
APPROVED = f"""\
order_status:
  - locale: en
    twilio: {SID}
    cloud: {{name: order_update, language: en_US}}
    variables: {{"1": order.order_number, "2": order.status}}
"""
NUMBER = "4915100000007"
CONVERSATION = ConversationId(f"whatsapp:main:+{NUMBER}")
SHIPPED = (
    "order_status",
    "--set",
    "order={order_number: A-1001, status: shipped, carrier: DHL, expected_on: '2026-11-24'}",
)
TEMPLATE_SAYS = "Order A-1001: shipped."
HOURS = 25.0


@dataclass(frozen=True)
class Desk:
    hub: Hub
    platforms: Platforms
    provider: Provider

    async def write(self, text: str) -> None:
        """Have the customer write."""
        if self.provider == "cloud":
            self.platforms.cloud.write(NUMBER, text)
            return
        form = text_form(f"SM{uuid.uuid4().hex}", f"whatsapp:+{NUMBER}", text)
        self.platforms.twilio.write(form)
        await self.platforms.twilio.bring(f"{self.hub.url}/whatsapp/main", form, Delivery())

    def shown(self) -> list[str]:
        """Return what the customer was shown."""
        return [sent.text for sent in self.platforms.ledger if sent.place.endswith(NUMBER)]

    async def until_shown(self, count: int) -> list[str]:
        async def look() -> list[str]:
            return self.shown()

        await until(look, lambda seen: len(seen) >= count)
        await at_rest_but_waiting(self.hub)
        return self.shown()

    async def run(self, *words: str) -> str:
        """Run a command beside the hub."""
        own = {"FRONTDESK_DATABASE_PORT": str(self.hub.database_port), "FRONTDESK_DATA": str(self.hub.folder / "data")}
        command = [sys.executable, "-m", "hub", *words]
        environment = {"PATH": os.environ["PATH"], "COLUMNS": "250", **self.hub.environment, **own}
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    async def notify(self, *words: str) -> None:
        await self.run("notify", CONVERSATION, *words)

    async def be_silent(self) -> None:
        """Let 25 hours pass, for the platform and for the hub: what it knows of the person is so much older."""
        await asyncio.to_thread(self.hub.stop)
        self.platforms.whatsapp.window.pass_hours(HOURS)
        await asyncio.to_thread(self.hub.start)
        async with store_of(self.hub) as store:
            conversations = store._collection("conversations")
            known = await conversations.find_one({"_id": CONVERSATION})
            assert known is not None
            until_then = known["window_until"] - timedelta(hours=HOURS)
            await conversations.update_one({"_id": CONVERSATION}, {"$set": {"window_until": until_then}})

    async def troubled(self, trouble: Trouble) -> list[TranscriptRow]:
        async with store_of(self.hub) as store:
            return await store.troubled_lines(trouble, 10)


async def at_rest_but_waiting(hub: Hub) -> None:
    """Wait until nothing more is done about what came in."""
    await asyncio.sleep(0)
    async with store_of(hub) as store:
        unfinished = {"state": {"$in": ["received", "ready"]}}
        await until(lambda: store._collection("inbox").count_documents(unfinished), lambda count: count == 0)


@asynccontextmanager
async def desk_at(provider: Provider, folder: Path, **more: str) -> AsyncIterator[Desk]:
    content = folder / "content"
    shutil.copytree(PROJECT / "config" / "content", content)
    (content / "whatsapp_templates.yaml").write_text(APPROVED)
    async with Platforms(World(scale=20.0), whatsapp_by=provider) as platforms:
        for name in (SID, "order_update/en_US"):
            platforms.whatsapp.window.approve(name, "Order {{1}}: {{2}}.")
        hub = Hub(folder, {})
        hub.environment = platforms.environment() | {
            "FRONTDESK_CONTENT": str(content),
            "FRONTDESK_PUBLIC_URL": hub.url,
            "FRONTDESK_LIMITS": "{pace_factor: 1000}",
            **more,
        }
        platforms.cloud.callback_url = f"{hub.url}/whatsapp/main"
        await asyncio.to_thread(hub.start)
        try:
            yield Desk(hub, platforms, provider)
        finally:
            await asyncio.to_thread(hub.stop)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_to_who_was_silent_for_25_hours_a_template_goes_or_it_waits_until_they_write(
    provider: Provider, tmp_path: Path
) -> None:
    async with desk_at(provider, tmp_path) as desk:
        await desk.write("hello")
        (greeting,) = await desk.until_shown(1)
        await at_rest(desk.hub)
        await desk.be_silent()

        await desk.notify(*SHIPPED)
        assert await desk.until_shown(2) == [greeting, TEMPLATE_SAYS]

        await desk.notify("voice_not_understood", "--set", "abilities=[]")
        await desk.notify("orders_unavailable")
        waiting = await until(lambda: desk.troubled("waiting"), lambda lines: len(lines) == 2)
        assert {line.reason for line in waiting} == {"window_closed"}
        listed = await desk.run("undelivered")
        assert all(line.id in listed for line in waiting)
        assert desk.shown() == [greeting, TEMPLATE_SAYS]

        await desk.write("what is your refund policy?")
        later = (await desk.until_shown(5))[2:]
        first, second = sorted(waiting, key=lambda line: line.seq)
        assert [text.split()[:4] for text in later[:2]] == [first.text.split()[:4], second.text.split()[:4]]
        assert "refund" in later[2].lower()
        assert await until(lambda: desk.troubled("waiting"), lambda lines: not lines) == []


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_a_platform_refuses_later_goes_as_a_template_once(provider: Provider, tmp_path: Path) -> None:
    """63016, 131047: only the platform knows that the window is shut."""
    async with desk_at(provider, tmp_path) as desk:
        await desk.write("hello")
        (greeting,) = await desk.until_shown(1)
        desk.platforms.whatsapp.window.pass_hours(HOURS)
        await desk.notify(*SHIPPED)
        assert await desk.until_shown(2) == [greeting, TEMPLATE_SAYS]
        async with store_of(desk.hub) as store:
            lines = await until(
                lambda: store.transcript(CONVERSATION, -1, 20),
                lambda lines: [line.state for line in lines[-2:]] == ["replaced", "delivered"],
            )
        assert (lines[-1].went, lines[-1].replanned) == ("template", True)
        await at_rest(desk.hub)
        assert desk.shown() == [greeting, TEMPLATE_SAYS]
        assert await desk.troubled("undelivered") == []


async def test_at_twilio_a_menu_has_buttons_where_there_is_a_content_and_a_press_is_understood(tmp_path: Path) -> None:
    """W22."""
    sids = {count: f"HX{count:032x}" for count in range(1, 11)}
    contents = {"FRONTDESK_WHATSAPP_MAIN_CHOICE_CONTENTS": json.dumps(sids)}
    async with desk_at("twilio", tmp_path, **contents) as desk:
        for count, sid in sids.items():
            desk.platforms.twilio.window.register(sid, count)
        await desk.write("help")
        await desk.until_shown(1)
        menu = await until(lambda: shown_menu(desk), lambda sent: sent is not None)
        assert menu is not None
        refunds = next(button for button in menu.buttons if button.label == "Refunds")
        before = len(desk.shown())
        form = press_form(f"SM{uuid.uuid4().hex}", f"whatsapp:+{NUMBER}", refunds, len(menu.buttons))
        desk.platforms.twilio.write(form)
        await desk.platforms.twilio.bring(f"{desk.hub.url}/whatsapp/main", form, Delivery())
        assert "refund" in (await desk.until_shown(before + 1))[-1].lower()


async def shown_menu(desk: Desk) -> Sent | None:
    return next((sent for sent in desk.platforms.ledger if sent.buttons), None)
