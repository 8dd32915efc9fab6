"""Faults on command: what a stand-in does wrong, how often, and for which requests (FAULTS F042-F054)."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from core.model import Model

Platform = Literal["slack", "telegram", "whatsapp", "email", "orders", "helpdesk", "model"]
PLATFORMS: tuple[Platform, ...] = get_args(Platform)

Action = Literal[
    "rate_limit",
    "error",
    "hang",
    "drip",
    "cut",
    "body",
    "redirect",
    "unauthorized",
    "refuse",
    "closed",
]
"""
- `rate_limit`: refused, with `retry_after` as the header says it (F042, F043)
- `error`: `status` before or after acting (F044)
- `closed`: nobody listens on the port (F045)
- `hang`: no answer until the other side gives up (F046)
- `drip`: acts, then answers `bytes_per_s` (F047)
- `refuse`: the platform's own refusal named `code` (F048, F052, F054)
- `body`: acts, then answers with a body of this `kind` (F049)
- `redirect`: to `location`, without acting (F050)
- `unauthorized`: the credentials are refused (F051)
- `cut`: the connection ends before or after acting (F044, F054)
"""
BodyKind = Literal["wrong_json", "truncated", "huge", "not_json", "empty"]
Moment = Literal["before", "after"]

MAIL_ACTIONS: frozenset[str] = frozenset(
    {"rate_limit", "error", "hang", "drip", "cut", "unauthorized", "refuse", "closed"}
)
MAIL_REFUSALS: Mapping[str, str] = {
    "421": "421 4.3.2 too many connections, try again",
    "450": "450 4.2.1 mailbox busy, try again",
    "550": "550 5.1.1 no such mailbox here",
    "552": "552 5.2.2 mailbox full",
}
"""421 is said instead of the greeting, 450 and 550 to RCPT, 552 to the mail (F054; RFC 5321 section 4.2, RFC 3463)."""


class Fault(Model):
    """One thing that goes wrong."""

    platform: Platform
    action: Action
    times: int | None = Field(default=None, ge=1)
    """How many requests it meets; None: all, until it is removed."""
    probability: float = Field(default=1.0, gt=0.0, le=1.0)
    requests: Literal["sends", "all"] = "sends"
    """`sends`: those that make the platform do something; `all`: questions about the past too."""
    moment: Moment = "before"
    """Of `error`, `hang` and `cut`: whether the platform acts first."""
    status: int = Field(default=500, ge=400, le=599)
    retry_after: str | None = None
    """As it stands in the header: a number, a date, rubbish; None: no such header."""
    bytes_per_s: float = Field(default=1.0, gt=0.0)
    kind: BodyKind = "truncated"
    location: str = "https://elsewhere.example/"
    code: str | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.action == "refuse" and not self.code:
            raise ValueError("refuse needs the platform's `code`")
        if self.platform == "email" and self.action not in MAIL_ACTIONS:
            raise ValueError(f"mail knows {', '.join(sorted(MAIL_ACTIONS))}")
        if self.platform == "email" and self.action == "refuse" and self.code not in MAIL_REFUSALS:
            raise ValueError(f"mail refuses with {', '.join(MAIL_REFUSALS)}")
        if self.platform == "whatsapp" and self.action == "refuse" and not str(self.code).isdigit():
            raise ValueError("Twilio's codes are numbers")
        return self

    @property
    def acts(self) -> bool:
        """Tell whether the platform does what it was asked before it goes wrong."""
        return self.action in ("drip", "body") or (self.action in ("error", "hang", "cut") and self.moment == "after")

    def is_like(self, other: "Fault") -> bool:
        """Tell whether both are the same but for the times."""
        return self.model_copy(update={"times": None}) == other.model_copy(update={"times": None})

    def __str__(self) -> str:
        shown = self.model_dump(exclude_defaults=True, exclude={"platform", "action", "times", "probability"})
        return " ".join([self.action, *(f"{name}={value}" for name, value in shown.items())])


@dataclass
class _Active:
    fault: Fault
    left: int | None


@dataclass
class Faults:
    """The faults of a run.

    Args:
        seed: makes faults with a probability meet the same requests again.
    """

    seed: int = 0
    _active: list[_Active] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  repeatable, hides nothing

    def add(self, fault: Fault) -> None:
        """Let this go wrong from now on."""
        self._active.append(_Active(fault, fault.times))

    def remove(self, fault: Fault) -> None:
        """Let this work again, however many times it was to go wrong."""
        self._active = [active for active in self._active if not active.fault.is_like(fault)]

    def active(self) -> list[Fault]:
        """Return what goes wrong now, with the times that are left."""
        return [active.fault.model_copy(update={"times": active.left}) for active in self._active]

    def pick(self, platform: str, *, is_send: bool) -> Fault | None:
        """Return what goes wrong with this request; it counts as met."""
        for active in self._active:
            fault = active.fault
            if fault.platform != platform or fault.action == "closed" or not (is_send or fault.requests == "all"):
                continue
            if fault.probability < 1.0 and self._random.random() >= fault.probability:
                continue
            self._count(active)
            return fault
        return None

    def _count(self, active: _Active) -> None:
        if active.left is not None:
            active.left -= 1
            if active.left == 0:
                self._active.remove(active)
