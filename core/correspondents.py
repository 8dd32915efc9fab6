"""Whoever writes by mail, as one address over all conversations: answers it got, and reports that it does not exist.

A machine that says nothing of itself and changes subject and ids each time begins a conversation with every mail, so
what one of them may be told is counted here (FAULTS F101, F103). Pure: the store keeps what this decides.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta

from core.ids import DeskName, EventId, OutId, out_id
from core.model import AwareDatetime, Model
from core.outbox import MAX_OUTBOX_ROWS

ANSWERS_COUNTED_FOR = timedelta(hours=24)
ANSWERS_KEPT = 21
"""Answers remembered in any case, a week of three a day: a report that comes late still finds what it is about."""
SUSPENDED_AT = 5
"""The score at which nothing more is sent to an address."""
HARD_BOUNCE, SOFT_BOUNCE = 2, 1
"""What a report adds: delivery failed for good (5.x.x), or was given up (4.x.x). Three answers to an address that is
gone, and a day allows no more, suspend it."""
BOUNCES_COUNTED_FOR = timedelta(days=7)
"""Then a report is forgotten, and with it a suspension: GNU Mailman's `bounce_info_stale_after`."""
CORRESPONDENTS_KEPT = timedelta(days=8)
"""After the last change: nothing in the record counts any more."""
SHARED_DOMAINS = frozenset(
    """aol.com bluewin.ch comcast.net duck.com fastmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de
    gmx.net googlemail.com hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.fr hotmail.it icloud.com laposte.net
    libero.it live.com live.de mac.com mail.com mail.ru mailbox.org me.com msn.com naver.com orange.fr outlook.com
    outlook.de pm.me posteo.de proton.me protonmail.com qq.com rocketmail.com sfr.fr t-online.de tutanota.com uol.com.br
    virgilio.it wanadoo.fr web.de wp.pl yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.br yahoo.de yahoo.es
    yahoo.fr yahoo.it yandex.com yandex.ru ymail.com zoho.com 126.com 163.com""".split()  # noqa: SIM905
)
"""Where anybody may have an address: strangers share them, so a number of answers for all of them would silence people.
Ours, by size; a provider that is missing here is one domain like any other."""
PLANS_OF_AN_EVENT = 2
"""The turn's own, and the notice that it failed."""


class Answer(Model):
    """An event that was answered, however many mails that took."""

    event_id: EventId
    at: AwareDatetime


class Bounce(Model):
    """A report of a failed delivery."""

    event_id: EventId
    at: AwareDatetime
    weight: int


class Correspondent(Model):
    """One address that writes to one account."""

    id: str
    """By `correspondent_id`."""
    rev: int = 0
    """Writes so far; 0: not stored yet."""
    answers: tuple[Answer, ...] = ()
    """Oldest first."""
    bounces: tuple[Bounce, ...] = ()

    def may_have_answer(self, event_id: EventId, now: datetime, limit: int) -> bool:
        """Tell whether an event may be answered: it is counted already, or fewer than `limit` are (0: no limit)."""
        counted = {answer.event_id for answer in self.answers if now - answer.at < ANSWERS_COUNTED_FOR}
        return not limit or event_id in counted or len(counted) < limit

    def answered(self, event_id: EventId, now: datetime, limit: int) -> "Correspondent":
        """Return the record with one more answer; the same event counts once, however often its turn is taken."""
        if any(answer.event_id == event_id for answer in self.answers):
            return self
        kept = (*self.answers, Answer(event_id=event_id, at=now))[-max(limit, ANSWERS_KEPT) :]
        return self.model_copy(update={"answers": kept})

    def heard(self) -> "Correspondent":
        """Return the record after a person wrote from the address: it lives, whatever was reported."""
        return self.model_copy(update={"bounces": ()})

    def bounced(self, event_id: EventId, weight: int, now: datetime) -> "Correspondent":
        """Return the record with one more report; one that is suspended stays as it is."""
        if self.is_suspended(now) or any(bounce.event_id == event_id for bounce in self.bounces):
            return self
        fresh = tuple(bounce for bounce in self.bounces if now - bounce.at < BOUNCES_COUNTED_FOR)
        return self.model_copy(update={"bounces": (*fresh, Bounce(event_id=event_id, at=now, weight=weight))})

    def score(self, now: datetime) -> int:
        """Return how much speaks against the address."""
        return sum(bounce.weight for bounce in self.bounces if now - bounce.at < BOUNCES_COUNTED_FOR)

    def is_suspended(self, now: datetime) -> bool:
        """Tell whether nothing may be sent to the address."""
        return self.score(now) >= SUSPENDED_AT

    def was_sent(self, names: Collection[OutId], desk: DeskName) -> bool:
        """Tell whether one of these sends was an answer to this address; nobody else has seen its name."""
        sends = (
            out_id(desk, answer.event_id, step, index)
            for answer in self.answers
            for step in range(PLANS_OF_AN_EVENT)
            for index in range(MAX_OUTBOX_ROWS)
        )
        return any(name in names for name in sends)


def correspondent_id(account: str, address: str) -> str:
    """Name an address of an account (`channel:account`) without saying it.

    >>> correspondent_id("email:help", "Jo@customer.example") == correspondent_id("email:help", "jo@customer.example")
    True
    """
    return f"{account}:{hashlib.sha256(address.lower().encode()).hexdigest()}"
