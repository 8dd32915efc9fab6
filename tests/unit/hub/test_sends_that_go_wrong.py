"""The real adapters and the outbox against stand-ins that misbehave: what becomes of a reply and the one behind it.

FAULTS F042-F045, F048-F054. That an adapter gives up in time on silence and on drips (F046, F047) is shown where its
deadlines can be set; what follows is that of F044 here.
"""

from pathlib import Path
from typing import Any

import pytest

from hub.emulate.faults import Fault, Platform
from tests.unit.hub.line import CLOUD, LINES, channel_of, down_for_hours, line_on

HTTP = ("slack", "telegram", "whatsapp", CLOUD)
TEXTS = ["one", "two"]

SENT: tuple[str, str | None] = ("sent", None)
HELD: tuple[str, str | None] = ("held", "unknown_outcome")

Ends = list[tuple[str, str | None]]


def gone(code: str) -> Ends:
    """Return how two replies end to somebody who cannot be reached: nobody tries the second one."""
    return [("failed", code), ("undeliverable", code)]


ONCE: list[tuple[str, dict[str, Any], Ends, list[str]]] = [
    # F044: before and after acting. Slack and Twilio are asked; Telegram and Meta cannot be; a mail may go twice.
    ("slack", {"action": "error"}, [SENT, SENT], TEXTS),
    ("slack", {"action": "error", "moment": "after"}, [SENT, SENT], TEXTS),
    ("slack", {"action": "cut"}, [SENT, SENT], TEXTS),
    ("slack", {"action": "cut", "moment": "after"}, [SENT, SENT], TEXTS),
    ("whatsapp", {"action": "error"}, [SENT, SENT], TEXTS),
    ("whatsapp", {"action": "error", "moment": "after"}, [SENT, SENT], TEXTS),
    ("whatsapp", {"action": "cut", "moment": "after"}, [SENT, SENT], TEXTS),
    ("telegram", {"action": "error"}, [HELD, SENT], ["two"]),
    ("telegram", {"action": "error", "moment": "after"}, [HELD, SENT], TEXTS),
    ("telegram", {"action": "cut", "moment": "after"}, [HELD, SENT], TEXTS),
    (CLOUD, {"action": "error"}, [HELD, SENT], ["two"]),
    (CLOUD, {"action": "error", "moment": "after"}, [HELD, SENT], TEXTS),
    (CLOUD, {"action": "cut", "moment": "after"}, [HELD, SENT], TEXTS),
    ("email", {"action": "error"}, [SENT, SENT], TEXTS),
    ("email", {"action": "error", "moment": "after"}, [SENT, SENT], ["one", *TEXTS]),
    # F048: a 200 that is none.
    ("slack", {"action": "refuse", "code": "channel_not_found"}, gone("channel_not_found"), []),
    ("slack", {"action": "refuse", "code": "msg_too_long"}, [("failed", "msg_too_long"), SENT], ["two"]),
    ("slack", {"action": "refuse", "code": "ratelimited"}, [SENT, SENT], TEXTS),
    # F049: an answer that cannot be read. It was done.
    *(
        (channel, {"action": "body", "kind": kind}, [SENT, SENT], TEXTS)
        for channel in ("slack", "whatsapp")
        for kind in ("truncated", "huge", "not_json")
    ),
    *(
        (channel, {"action": "body", "kind": kind}, [HELD, SENT], TEXTS)
        for channel in ("telegram", CLOUD)
        for kind in ("truncated", "huge", "not_json")
    ),
    # F052: the recipient is gone.
    ("telegram", {"action": "refuse", "code": "403"}, gone("forbidden"), []),
    ("whatsapp", {"action": "refuse", "code": "21610"}, gone("21610"), []),
    (CLOUD, {"action": "refuse", "code": "131021"}, gone("131021"), []),
    (CLOUD, {"action": "refuse", "code": "131056"}, [SENT, SENT], TEXTS),
    # F054: mail.
    ("email", {"action": "refuse", "code": "421"}, [SENT, SENT], TEXTS),
    ("email", {"action": "refuse", "code": "450"}, [SENT, SENT], TEXTS),
    ("email", {"action": "refuse", "code": "552"}, [("failed", "5.2.2"), SENT], ["two"]),
    ("email", {"action": "cut"}, [SENT, SENT], TEXTS),
    ("email", {"action": "cut", "moment": "after"}, [SENT, SENT], ["one", *TEXTS]),
]


@pytest.mark.parametrize(("channel", "fault", "ends", "taken"), ONCE, ids=str)
async def test_one_thing_that_goes_wrong_ends_as_promised(
    channel: str, fault: dict[str, Any], ends: list[tuple[str, str | None]], taken: list[str], tmp_path: Path
) -> None:
    """F044, F048, F049, F052, F054."""
    async with line_on(channel, tmp_path, {**fault, "times": 1}) as line:
        hold = await line.plan(*TEXTS)
        await line.finish(hold)
        assert await line.ends(hold) == ends
        assert line.taken() == taken
        names = [sent.provider_id for sent in line.platforms.ledger if sent.text.strip() == "one"]
        assert len(set(names)) <= 1, "copies of a mail have one Message-ID"


@pytest.mark.parametrize("channel", HTTP)
@pytest.mark.parametrize(
    ("written", "wait_s"),
    [("7", 7.0), (None, 5.0), ("-5", 1.0), ("1e9", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 5.0), ("soon", 5.0)],
)
async def test_a_platform_that_wants_a_pause_gets_it_and_order_is_kept(
    channel: str, written: str | None, wait_s: float, tmp_path: Path
) -> None:
    """F042 for 7; F043 for the others."""
    async with line_on(channel, tmp_path, {"action": "rate_limit", "retry_after": written, "times": 1}) as line:
        hold = await line.plan(*TEXTS)
        await line.finish(hold)
        assert line.taken() == TEXTS
        assert line.waits[0] == pytest.approx(wait_s, abs=1.4 if written == "7" else 0.01)
        assert line.asked() == 3, "nothing was asked during the pause"


@pytest.mark.parametrize("channel", LINES)
async def test_a_platform_where_nobody_listens_is_tried_again_on_the_schedule(
    channel: Platform, tmp_path: Path
) -> None:
    """F045: certainly not sent."""
    async with line_on(channel, tmp_path, {"action": "closed"}) as line:
        hold = await line.plan(*TEXTS)
        await line.finish(hold, line.platforms.heal)
        assert line.taken() == TEXTS
        assert line.waits[0] == pytest.approx(1.0, abs=0.01)
        assert await line.ends(hold) == [SENT, SENT]


@pytest.mark.parametrize("channel", HTTP)
async def test_a_redirect_is_not_followed(channel: str, tmp_path: Path) -> None:
    """F050: the token stays with the platform that it is for."""
    async with line_on(channel, tmp_path) as line:
        elsewhere = line.platforms.http["orders"]
        fault = {"platform": channel_of(channel), "action": "redirect", "location": f"{elsewhere.url}/x", "times": 1}
        await line.platforms.add_fault(Fault.model_validate(fault))
        hold = await line.plan(*TEXTS)
        await line.finish(hold)
        assert line.taken() == ["two"]
        assert [state for state, _ in await line.ends(hold)] == ["failed", "sent"]
        assert {request.platform for request in line.platforms.ledger.lines if request.direction == "from_hub"} == {
            channel_of(channel)
        }


@pytest.mark.parametrize("channel", LINES)
async def test_refused_credentials_cost_no_reply(channel: str, tmp_path: Path) -> None:
    """F051: what waits goes, in order, once they are good again."""
    async with line_on(channel, tmp_path, {"action": "unauthorized"}) as line:
        hold, other = await line.plan(*TEXTS), await line.plan("elsewhere", number=1)
        due = await line.step(hold)
        assert due is not None
        assert [row.state for row in hold.out] == ["queued", "queued"]
        assert await line.step(other) is not None
        assert line.asked() <= 2, "the whole account pauses"
        await line.platforms.heal()
        await line.finish(hold)
        await line.finish(other)
        assert line.taken(0) == TEXTS
        assert line.taken(1) == ["elsewhere"]
        assert [state for state, _ in await line.ends(hold)] == ["sent", "sent"]


PEOPLE, EACH = 40, 5


async def test_a_platform_that_is_down_for_hours_is_probed_and_gets_everything_afterwards(tmp_path: Path) -> None:
    """F053, with 200 rows; with 10,000 in the campaign."""
    async with line_on("slack", tmp_path, {"action": "closed"}) as line:
        await down_for_hours(line, PEOPLE, EACH)
