"""How much one person may ask of the bot, and one mailbox of the parser (SECURITY section 6). What is more waits.

Counts in this process: a conversation is worked on by one process at a time, and a restart forgives.
"""

from datetime import datetime, timedelta

from channels.inbound import Pace
from core.clock import Clock
from core.events import ChoiceMade, CommandGiven, Event, FormSubmitted, MessageEdited, MessageReceived
from core.ids import account_key
from core.inbox import InboxRow
from hub.rates import Buckets
from hub.settings import Limits
from hub.telemetry import Metrics

REPORT_BYTES = 64 * 1024
"""A report of a failed delivery is no larger as a rule; reading one of this size takes milliseconds."""
MAIL = "email"
"""People write mails an hour apart and machines write them in floods, so this channel counts by the hour."""


class SenderLimits:
    """Decides when a message may have its turn. Dropping one is not among the answers."""

    def __init__(self, limits: Limits, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._chats = _Queue(Pace(per_s=limits.turns_per_min / 60, burst=limits.turns_burst))
        self._mails = _Queue(Pace(per_s=limits.mails_per_hour / 3600, burst=max(int(limits.mails_per_hour), 1)))
        self._reading = _Queue(Pace(per_s=limits.mails_read_per_min / 60, burst=max(int(limits.mails_read_per_min), 1)))

    def due(self, event: Event) -> datetime | None:
        """Return None when the event may have its turn now, which counts it, else when to ask again.

        Only what a person says counts. The key is the person, not the conversation: each mail of a flood may begin one.
        """
        counts = isinstance(event, MessageReceived | MessageEdited | ChoiceMade | CommandGiven | FormSubmitted)
        if not counts or (isinstance(event, MessageReceived | MessageEdited) and event.addressed == "ambient"):
            return None
        queue = self._mails if event.channel == MAIL else self._chats
        return self._ask(
            queue, f"{account_key(event.channel, event.account)}:{event.sender.id}", event.channel, "sender"
        )

    def due_to_read(self, channel: str, account: str) -> datetime | None:
        """Return None when a payload of this account may be parsed now, which counts it, else when to ask again."""
        return self._ask(self._reading, account_key(channel, account), channel, "reading") if channel == MAIL else None

    def note_report(self, row: InboxRow) -> None:
        """Do not count what was read and is a bounce: it starts nothing, and other mail must not wait for it (F103)."""
        if row.channel == MAIL and len(row.body) <= REPORT_BYTES:
            self._reading.give_back(account_key(row.channel, row.account))

    def _ask(self, queue: "_Queue", key: str, channel: str, limit: str) -> datetime | None:
        wait_s = queue.ask(key, self._clock.monotonic())
        if not wait_s:
            return None
        self._metrics.limited.labels(channel, limit).inc()
        return self._clock.now() + timedelta(seconds=wait_s)


class _Queue:
    """A bucket, and turns promised to those who found it full: thousands who wait must not all come back at once."""

    def __init__(self, pace: Pace) -> None:
        self._bucket: Buckets[str] = Buckets(pace)
        self._promised: Buckets[str] = Buckets(Pace(per_s=pace.per_s))

    def ask(self, key: str, now: float) -> float:
        """Take one and return 0.0, or take none and return the seconds after which there should be one."""
        if wait_s := self._bucket.wait_s(key, now):
            return wait_s + self._promised.book(key, now)
        self._bucket.book(key, now)
        return 0.0

    def give_back(self, key: str) -> None:
        """Take one out again."""
        self._bucket.give_back(key)
