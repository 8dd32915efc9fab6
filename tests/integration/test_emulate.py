"""`frontdesk emulate` and a hub beside it, as two terminals: everything through the calls of the developer's page."""

import asyncio
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.running import started, until
from tests.servers.hub import Hub
from tests.shared_files import PROJECT

pytestmark = pytest.mark.integration

STARTS_WITHIN_S = 20.0
STOPS_WITHIN_S = 10.0
PLATFORMS = ("slack", "telegram", "whatsapp", "email")


@dataclass(frozen=True)
class Desk:
    """A hub among stand-ins, and the page."""

    page: str
    ledger: Path
    hub: str
    told: Path
    """What the command prints."""

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.page}{path}", json=body) as answer,
        ):
            assert answer.ok, await answer.text()
            return await answer.json()

    async def say(self, platform: str, text: str) -> None:
        await self.call("POST", "api/say", {"platform": platform, "text": text})

    async def answers(self, platform: str) -> list[dict[str, Any]]:
        """Return what the bot said to the person who speaks now."""
        shown = await self.call("GET", "api/state")
        return [message for message in shown["talks"][platform]["messages"] if message["from"] == "bot"]

    async def answered(self, platform: str, count: int) -> list[dict[str, Any]]:
        return await until(lambda: self.answers(platform), lambda seen: len(seen) >= count)


def exported(path: Path) -> dict[str, str]:
    """Read what a shell would export."""
    lines = (line.removeprefix("export ").partition("=") for line in path.read_text().splitlines())
    return {name: shlex.split(value)[0] for name, _, value in lines}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with running_desk(tmp_path_factory.mktemp("emulate")) as desk:
        yield desk


@contextmanager
def running_desk(folder: Path, *options: str) -> Iterator[Desk]:
    hub, ledger = Hub(folder, {}), folder / "ledger.jsonl"
    command = [sys.executable, "-m", "hub", "emulate", "--port", "0", "--hub", hub.url, "--scale", "20", *options]
    told = folder / "emulate.log"
    with told.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data", str(folder / "data"), "--ledger", str(ledger)], cwd=PROJECT, stdout=log, stderr=log
        )
    try:
        page = _address(told, process)
        hub.environment = exported(folder / "data" / "emulate.env")
        with started(hub):
            yield Desk(page, ledger, hub.url, told)
    finally:
        process.terminate()
        assert process.wait(STOPS_WITHIN_S) == 0, told.read_text()


def _address(told: Path, process: "subprocess.Popen[bytes]") -> str:
    """Wait until the command says where its page is."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"open (http://127\.0\.0\.1:\d+/)\s", told.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"the command did not start:\n{told.read_text()}")


async def test_a_message_on_each_platform_is_answered_in_its_column(desk: Desk) -> None:
    for platform in PLATFORMS:
        await desk.call("POST", "api/person", {"platform": platform})
        await desk.say(platform, "where is my order A-1001?")
    for platform in PLATFORMS:
        (asked,) = await desk.answered(platform, 1)
        assert re.search("e-?mail", asked["text"]), platform
        await desk.say(platform, "ann@example.com")
    for platform in PLATFORMS:
        told = await desk.answered(platform, 2)
        assert "A-1001" in told[1]["text"], platform


@pytest.mark.parametrize("platform", ["slack", "telegram"])
async def test_a_button_can_be_pressed(desk: Desk, platform: str) -> None:
    await desk.call("POST", "api/person", {"platform": platform})
    await desk.say(platform, "help")
    (offered,) = await desk.answered(platform, 1)
    button = offered["buttons"][0]
    await desk.call("POST", "api/press", {"platform": platform, "message": offered["id"], "value": button["value"]})
    assert len(await desk.answered(platform, 2)) == 2
    shown = (await desk.call("GET", "api/state"))["talks"][platform]["messages"]
    assert [message["text"] for message in shown if message["from"] == "person"] == ["help", button["label"]]


async def test_a_refused_send_is_made_again_when_the_fault_is_over_and_the_file_tells_both(desk: Desk) -> None:
    await desk.call("POST", "api/person", {"platform": "slack"})
    fault = {"platform": "slack", "action": "rate_limit", "retry_after": "1", "times": 1}
    await desk.call("POST", "control/faults", fault)
    await desk.say("slack", "what is your refund policy?")
    (answer,) = await desk.answered("slack", 1)
    lines = [json.loads(line) for line in (await asyncio.to_thread(desk.ledger.read_text)).splitlines()]
    sends = [line for line in lines if line["request"] == "POST /api/chat.postMessage"][-2:]
    assert [(line["fault"], line["answered"]) for line in sends] == [
        ("rate_limit retry_after=1", "429"),
        (None, "200"),
    ]
    assert sends[1]["did"] == answer["id"]
    assert await desk.call("GET", "control/faults") == []


async def test_meta_may_carry_whatsapp_and_slack_may_be_installed(tmp_path: Path) -> None:
    with running_desk(tmp_path, "--whatsapp", "cloud", "--slack", "installs") as desk:
        told = " ".join((await asyncio.to_thread(desk.told.read_text)).split())
        assert "Meta's Cloud API" in told
        assert "client id 1234567890.stand-in" in told
        assert f"{desk.hub}/slack/acme/install" in told
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser,
            browser.get(f"{desk.hub}/slack/acme/install") as installed,
        ):
            assert installed.ok, await installed.text()
        for platform in ("whatsapp", "slack"):
            await desk.say(platform, "help")
            (offered,) = await desk.answered(platform, 1)
            button = offered["buttons"][0]
            press = {"platform": platform, "message": offered["id"], "value": button["value"]}
            await desk.call("POST", "api/press", press)
            assert len(await desk.answered(platform, 2)) == 2


@pytest.mark.parametrize("platform", ["slack", "telegram"])
async def test_a_person_corrects_an_order_number_and_gets_one_more_answer(desk: Desk, platform: str) -> None:
    """S10, T20: the correction is a turn; taking the words back afterwards, or a thumb, is none."""
    await desk.call("POST", "api/person", {"platform": platform})
    await desk.say(platform, "where is my order A-1001? I am ann@example.com")
    await desk.answered(platform, 1)
    said = (await desk.call("GET", "api/state"))["talks"][platform]["messages"][0]["id"]
    edit = {"platform": platform, "deed": "edit", "message": said}
    await desk.call("POST", "api/do", edit | {"text": "where is my order B-2002? I am ann@example.com"})
    answers = await desk.answered(platform, 2)
    assert "B-2002" in answers[1]["text"]
    thumb = {"platform": platform, "deed": "react", "message": answers[1]["id"]}
    await desk.call("POST", "api/do", thumb | {"text": "+1" if platform == "slack" else "\U0001f44d"})
    await desk.say(platform, "thank you")
    assert len(await desk.answered(platform, 3)) == 3


async def test_somebody_who_blocks_the_bot_and_comes_back_is_answered(desk: Desk) -> None:
    """T9: what they write after that is answered, and nothing before."""
    await desk.call("POST", "api/person", {"platform": "telegram"})
    await desk.say("telegram", "help")
    await desk.answered("telegram", 1)
    for deed in ("block", "unblock"):
        await desk.call("POST", "api/do", {"platform": "telegram", "deed": deed})
    await desk.say("telegram", "thank you")
    assert len(await desk.answered("telegram", 2)) == 2
