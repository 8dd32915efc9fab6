"""Bringing something to the hub: one try over HTTP, and how far a delivery has come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import aiohttp

from hub.emulate.world import World

Progress = Literal["on_its_way", "taken", "given_up"]
Trouble = Literal["http_timeout", "http_error", "connection_failed"]
"""Slack's words for a failed delivery (S4); the other platforms tell nobody."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try ended."""

    status: int | None
    trouble: Trouble | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    """What was answered, where the platform does something with it."""

    @property
    def is_taken(self) -> bool:
        """Tell whether the platform may forget what it brought."""
        return self.trouble is None

    def __str__(self) -> str:
        return str(self.status or self.trouble)


@dataclass
class Delivery:
    """One thing that a platform brings, and how far it got."""

    progress: Progress = "on_its_way"
    tries: int = 0
    last: str = ""

    def note(self, outcome: object, *, is_taken: bool) -> None:
        """Count a try."""
        self.tries += 1
        self.last = str(outcome)
        if is_taken:
            self.progress = "taken"


async def _post(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float
) -> Outcome:
    """Post once; redirects count as errors."""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with session.post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False) as answer:
            trouble: Trouble | None = None if answer.status // 100 == 2 else "http_error"
            return Outcome(answer.status, trouble, dict(answer.headers), await answer.read())
    except TimeoutError:
        return Outcome(None, "http_timeout")
    except (aiohttp.ClientError, OSError):
        return Outcome(None, "connection_failed")


async def bring(
    world: World, platform: str, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float
) -> Outcome:
    """Post once and write it down."""
    at, began = world.clock.now(), world.clock.monotonic()
    outcome = await _post(world.session, url, body, headers, timeout_s)
    took_s = world.clock.monotonic() - began
    world.ledger.write(
        at, "to_hub", platform, f"POST {urlsplit(url).path}", body.decode(), None, None, str(outcome), took_s
    )
    return outcome
