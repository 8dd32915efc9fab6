"""What one address may be told by machine, and whether it may be written to at all (F101, F103).

Of channels that count answers (`Capabilities.counts_answers`); a message on any other costs no question to the store.
Each change is a compare-and-set, so two processes that answer the same address count both answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from channels.base import Channel
from core.clock import Clock
from core.correspondents import HARD_BOUNCE, SHARED_DOMAINS, SOFT_BOUNCE, Correspondent, correspondent_id
from core.events import Event, FailedDelivery, MessageReceived
from core.ids import DeskName, EventId, account_key
from core.storage import Store
from hub.telemetry import LogNames

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Correspondents:
    """The addresses that write to our accounts."""

    store: Store
    clock: Clock
    names: LogNames
    channels: Mapping[str, Channel]
    answers_per_day: int
    """Events of one address that are answered within 24 hours; 0: all."""
    answers_per_domain: int = 0
    """The same of all addresses of a domain together: a machine may write from a new address each time."""

    async def hear(self, event: Event, *, answer: bool) -> bool:
        """Note that somebody wrote, which ends a suspension, and with `answer` that this event is answered.

        Returns:
            False when it must not be: its sender, or the sender's domain, has had the answers of the day. True where
            nobody counts.

        Raises:
            StoreError: nothing is known to be counted; the same event does not count twice.
        """
        if not self._is_counted(account_key(event.channel, event.account)) or not _is_from_a_person(event):
            return True
        if not await self._count(event, event.sender.id, self.answers_per_day, answer=answer):
            return False
        domain = event.sender.id.rpartition("@")[2]
        if not answer or not domain or domain in SHARED_DOMAINS or not self.answers_per_domain:
            return True
        return await self._count(event, f"@{domain}", self.answers_per_domain, answer=True)

    async def _count(self, event: Event, whose: str, limit: int, *, answer: bool) -> bool:
        """Count an answer to an address, or to a domain as `@domain`; False: it has had its number."""
        name = correspondent_id(account_key(event.channel, event.account), whose)
        now, may = self.clock.now(), True

        def change(known: Correspondent) -> Correspondent:
            nonlocal may
            heard = known.heard()
            may = not answer or heard.may_have_answer(event.id, now, limit)
            return heard.answered(event.id, now, limit) if answer and may else heard

        await self._change(name, change)
        return may

    async def note_bounce(self, event: Event, desk: DeskName) -> None:
        """Count a report against the address it is about, if it quotes one of our answers to that address.

        Raises:
            StoreError: it is not known to be counted; the same report does not count twice.
        """
        failed = event.failed_delivery if isinstance(event, MessageReceived) else None
        account = account_key(event.channel, event.account)
        if failed is not None and self._is_counted(account):
            for address in failed.recipients:
                if await self._blame(account, address, event.id, failed, desk):
                    return

    async def _blame(
        self, account: str, address: str, event_id: EventId, failed: FailedDelivery, desk: DeskName
    ) -> bool:
        """Count a report against one address; False: it was told nothing of what the report quotes."""
        weight = HARD_BOUNCE if failed.is_permanent else SOFT_BOUNCE
        now, is_meant = self.clock.now(), True

        def change(known: Correspondent) -> Correspondent:
            nonlocal is_meant
            is_meant = known.is_suspended(now) or known.was_sent(failed.out_ids, desk)
            return known.bounced(event_id, weight, now) if is_meant else known

        before, after = await self._change(correspondent_id(account, address), change)
        if after.is_suspended(now) and not before.is_suspended(now):
            log.warning("address_suspended", address=self.names(f"{account}:{address}"), score=after.score(now))
        return is_meant

    async def is_suspended(self, account: str, address: str) -> bool:
        """Tell whether nothing may be sent from an account (`channel:account`) to an address now.

        Raises:
            StoreError: nobody can say.
        """
        if not self._is_counted(account):
            return False
        known = await self.store.find_correspondent(correspondent_id(account, address))
        return known is not None and known.is_suspended(self.clock.now())

    def _is_counted(self, account: str) -> bool:
        return self.channels[account].capabilities.counts_answers

    async def _change(
        self, name: str, change: Callable[[Correspondent], Correspondent]
    ) -> tuple[Correspondent, Correspondent]:
        """Bring a record to where it should be, whoever else changes it; returns it before and after."""
        while True:
            known = await self.store.find_correspondent(name) or Correspondent(id=name)
            changed = change(known)
            if changed == known or await self.store.save_correspondent(changed, self.clock.now()):
                return known, changed


def _is_from_a_person(event: Event) -> bool:
    return isinstance(event, MessageReceived) and event.automatic is None and event.addressed != "ambient"
