"""Named places at which a test may stop the world. Nothing happens at them unless a test has installed something.

The hub installs what `FRONTDESK_FAILPOINTS` asks for, and only where `FRONTDESK_ENV` is `test` (`hub/failpoints.py`).
Otherwise passing a place costs one look at a variable.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

Point = Literal[
    "accept.read",
    "accept.verified",
    "accept.batched",
    "accept.inserted",
    "accept.replied",
    "spool.written",
    "spool.synced",
    "drain.inserted",
    "parse.done",
    "claim.done",
    "handle.mid",
    "handle.done",
    "commit.done",
    "relay.inserted",
    "relay.pulled",
    "send.claimed",
    "send.connected",
    "send.sent",
    "send.answered",
    "send.marked",
    "hint.acked",
    "park.done",
    "park.llm_back",
]
"""The places of FAULTS.md, section A, in the order in which a message passes them."""

Hook = Callable[[Point, str], Awaitable[None]]


class _Slot:
    hook: Hook | None = None


_SLOT: Final = _Slot()


def install(hook: Hook | None) -> None:
    """Call `hook` at every place from now on; None removes it."""
    _SLOT.hook = hook


def is_armed() -> bool:
    """Tell whether anything is installed."""
    return _SLOT.hook is not None


async def reach(point: Point, channel: str = "") -> None:
    """Pass a place, with the channel that the work belongs to."""
    if _SLOT.hook is not None:
        await _SLOT.hook(point, channel)
