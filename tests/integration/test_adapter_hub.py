"""The worked example, installed by pip, in the running hub: signed webhooks in, answers at the Graph API, states."""

import hashlib
import hmac
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.integration.running import accepted, at_rest, exactly, started, state_of, until
from tests.servers.hub import Hub
from tests.shared_files import PROJECT

pytestmark = pytest.mark.integration

EXAMPLE = PROJECT / "docs" / "examples" / "messenger"
PAGE, MIRA, SECRET = "104000000000001", "7000000000000001", "the app's secret"
PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
ALONE = ("--no-deps", "--no-build-isolation", "--no-index")


@dataclass
class Graph:
    """Takes messages as the Graph API does, each under an id of its own."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def take(self, request: web.Request) -> web.Response:
        mid = f"m_out{next(self.ids)}"
        self.sent.append({**await request.json(), "mid": mid})
        return web.json_response({"recipient_id": MIRA, "message_id": mid})

    async def sends(self) -> list[dict[str, Any]]:
        return list(self.sent)


@dataclass(frozen=True)
class Desk:
    hub: Hub
    graph: Graph

    async def hear(self, signed_with: str = SECRET, **what: Any) -> int:
        """Let Meta post one event of Mira; returns the hub's status."""
        happening = {"sender": {"id": MIRA}, "recipient": {"id": PAGE}, "timestamp": 1795348800000, **what}
        entry = {"id": PAGE, "time": 1795348800000, "messaging": [happening]}
        body = json.dumps({"object": "page", "entry": [entry]}).encode()
        signature = hmac.new(signed_with.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.hub.url}/messenger/shop", data=body, headers=headers) as answer,
        ):
            return answer.status


def installed(folder: Path) -> Path:
    """Install the example into a folder of its own, from a copy: building leaves files beside the source."""
    site = folder / "site"
    copied = shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    subprocess.run([*PIP, *ALONE, "--target", str(site), str(copied)], check=True, capture_output=True)
    return site


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    graph = Graph()
    application = web.Application()
    application.router.add_post(f"/v25.0/{PAGE}/messages", graph.take)
    (tmp_path / "frontdesk.yaml").write_text("desks: {support: {accounts: ['messenger:shop']}}\n")
    async with TestServer(application, host="127.0.0.1") as server:
        fields = {
            "PAGE_ID": PAGE,
            "ACCESS_TOKEN": "EAAB",
            "APP_SECRET": SECRET,
            "VERIFY_TOKEN": "ours",
            "API_URL": f"http://127.0.0.1:{server.port}",
        }
        environment = {f"FRONTDESK_MESSENGER_SHOP_{name}": value for name, value in fields.items()} | {
            "PYTHONPATH": str(installed(tmp_path)),
            "FRONTDESK_CONFIG": str(tmp_path / "frontdesk.yaml"),
            "FRONTDESK_CONTENT": str(PROJECT / "config" / "content"),
        }
        with started(Hub(tmp_path, environment)) as hub:
            yield Desk(hub, graph)


async def test_a_person_on_an_adapters_channel_is_answered_as_on_ours(desk: Desk) -> None:
    assert await desk.hear(message={"mid": "m_1", "text": "help"}) == 200
    (menu,) = await exactly(desk.hub, 1, desk.graph.sends)
    assert menu["recipient"] == {"id": MIRA}
    assert menu["message"]["metadata"].startswith("frontdesk:")
    offered = menu["message"].get("quick_replies") or menu["message"]["attachment"]["payload"]["buttons"]

    assert await desk.hear(message={"mid": "m_1", "text": "help"}) == 200, "Meta comes again with the same message"
    assert await desk.hear(signed_with="a guess", message={"mid": "m_2", "text": "hello"}) == 401
    await at_rest(desk.hub)
    assert await accepted(desk.hub) == 1

    choice = offered[1]
    assert await desk.hear(postback={"mid": "m_3", "title": choice["title"], "payload": choice["payload"]}) == 200
    _, asked = await exactly(desk.hub, 2, desk.graph.sends)
    assert "order" in json.dumps(asked["message"])

    await until(lambda: state_of(desk.hub, asked["mid"]), lambda state: state == "sent")
    assert await desk.hear(delivery={"mids": [asked["mid"]], "watermark": 1795348800000}) == 200
    await until(lambda: state_of(desk.hub, asked["mid"]), lambda state: state == "delivered")
