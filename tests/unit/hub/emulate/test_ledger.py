"""The ground truth: a line for each request, readable while the stand-ins run."""

import json
from pathlib import Path

from core.errors import UnknownOutcome
from hub.emulate import slack
from hub.emulate.faults import Fault
from hub.emulate.ledger import Ledger
from hub.emulate.platforms import Platforms
from tests.unit.hub.emulate.kit import QuickWorld
from tests.unit.hub.emulate.test_slack_standin import failure_of, sends


async def test_every_request_has_a_line_in_the_file_before_the_run_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.jsonl"
    async with Platforms(QuickWorld(ledger=Ledger(path))) as platforms:
        await sends(platforms)
        await platforms.add_fault(Fault(platform="slack", action="error", moment="after"))
        assert isinstance(await failure_of(platforms), UnknownOutcome)
        first, second = map(json.loads, path.read_text().splitlines())
    (taken, repeated) = (sent.provider_id for sent in platforms.ledger)
    assert (first["did"], first["answered"], first["fault"]) == (taken, "200", None)
    assert (second["did"], second["answered"], second["fault"]) == (repeated, "500", "error moment=after")
    assert first["request"] == "POST /api/chat.postMessage"
    assert first["direction"] == "from_hub"
    assert "hello" in first["body"]
    assert first["number"] == 1
    assert first["at"].endswith("+00:00")
    assert slack.BOT_TOKEN not in path.read_text(), "headers hold credentials"


async def test_a_second_run_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for _ in range(2):
        async with Platforms(QuickWorld(ledger=Ledger(path))) as platforms:
            await sends(platforms)
    assert len(path.read_text().splitlines()) == 2


async def test_a_line_keeps_the_beginning_of_a_long_body() -> None:
    async with Platforms(QuickWorld()) as platforms:
        await sends(platforms, "x" * 10_000)
    (line,) = platforms.ledger.lines
    assert len(line.body) == 4096
