"""The customer service window: how long after a person's last message everything may be written to them (W20).

Outside it a platform takes approved templates only. What may be said then, and how, is data that travels with the plan.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from core.model import Model
from core.replies import ReplyKind

Way = Literal["template", "wait", "fail"]
"""What to do with a message outside the window.

- `template`: send an approved template that says the same, where there is one for the reply and its language
- `wait`: until the person writes; then it goes first, in order
- `fail`: give it up, and show it
"""

Went = Literal["template", "waited"]
"""How a message went that met a shut window."""

WINDOW_CLOSED = "window_closed"
"""Reason of a message that waits, or was given up, because the window was shut."""

LASTS_S = 86_400.0
"""24 hours from the person's last message (W20)."""
SHUT_EARLY = timedelta(minutes=1)
"""So long before its end a window counts as shut: a request may last 20 s, and two clocks may differ a little."""
WAITS_S = 7 * 86_400.0
"""A message that waits longer than a week for its person answers nothing any more. Ours."""
MAX_WAITING = 8
"""Messages of one conversation that wait; what is more fails and is shown. Bounds the conversation's document. Ours."""

TEMPLATE_THEN_WAIT: tuple[Way, ...] = ("template", "wait")


def _ends(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """Refuse a way that can never be tried: whatever waits or fails has come to its end."""
    if not ways or len(set(ways)) < len(ways) or any(way != "template" for way in ways[:-1]):
        raise ValueError("write the ways in the order in which they are tried: [template, wait], [wait], [fail] ...")
    return ways


Ways = Annotated[tuple[Way, ...], AfterValidator(_ends)]


class OutsidePolicy(Model):
    """What one account does with messages outside the window, by the kind of reply."""

    answer: Ways = TEMPLATE_THEN_WAIT
    question: Ways = TEMPLATE_THEN_WAIT
    side_effect: Ways = TEMPLATE_THEN_WAIT
    handoff_notice: Ways = TEMPLATE_THEN_WAIT
    agent: Ways = TEMPLATE_THEN_WAIT
    waits_s: float = Field(default=WAITS_S, gt=0)
    """How long a message waits for its person, in seconds; then it fails and is shown."""

    def ways(self, kind: ReplyKind) -> tuple[Way, ...]:
        """Return what is tried, in order."""
        ways: tuple[Way, ...] = getattr(self, kind)
        return ways


class ServiceWindow(Model):
    """The window of one account."""

    prefix: str
    """Of the buckets that it holds for: an SMS from the same account knows no window."""
    lasts_s: float = LASTS_S
    policy: OutsidePolicy = OutsidePolicy()

    def holds_for(self, bucket: str) -> bool:
        """Tell whether a message to this bucket needs an open window."""
        return bucket.startswith(self.prefix)

    def end(self, heard_at: datetime) -> datetime:
        """Return when a window ends that a message of the person opened."""
        return heard_at + timedelta(seconds=self.lasts_s)


def is_open(until: datetime | None, now: datetime) -> bool:
    """Tell whether a message that leaves now meets an open window; an end that nobody knows counts as later.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    >>> is_open(None, noon), is_open(noon, noon), is_open(noon + timedelta(hours=1), noon)
    (True, False, True)
    """
    return until is None or now < until - SHUT_EARLY


class CloudTemplate(Model):
    """A template as Meta's WhatsApp manager names it."""

    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$")
    language: str = Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")


class ContentTemplate(Model):
    """A template that WhatsApp has approved, and which of our replies it says in which language."""

    locale: str | None = Field(default=None, pattern=r"^[a-z]{2,3}(-[a-z0-9]{2,8})?$")
    """As in the names of template files, `de` or `de-at`; None: for every language that has no entry of its own."""
    account: str | None = None
    """`whatsapp:main`; None: every account of a provider that is named."""
    twilio: str | None = Field(default=None, pattern=r"^HX[0-9a-fA-F]{32}$")
    """ContentSid."""
    cloud: CloudTemplate | None = None
    variables: Mapping[str, str] = {}
    """The template's variables (`1`, `2`, or names) and expressions of the reply's context."""


def rank_of(template: ContentTemplate, account: str, locale: str | None) -> int | None:
    """Return how well a template fits, 0 is best; None: not at all.

    >>> german = ContentTemplate(locale="de")
    >>> [rank_of(german, "whatsapp:main", locale) for locale in ("de", "de-AT", "en", None)]
    [0, 1, None, None]
    """
    if template.account not in {None, account}:
        return None
    tag = (locale or "").lower().replace("_", "-")
    wanted = dict.fromkeys([tag, tag.split("-")[0], None])
    fits = {name: rank for rank, name in enumerate(wanted)}
    return fits.get(template.locale)
