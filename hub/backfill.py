"""Backfill: asking platforms for what they did not deliver, at the start, on reconnection, and now and then.

What is found goes through the same door as what is delivered (SEMANTICS section 9). It has the same name, so it does no
harm that a delivery comes at the same time, or that two processes ask.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from channels.base import Accept, Acceptance, Channel, Gap, Look
from channels.inbound import CatchUp, Inbound
from core.clock import Clock
from core.errors import DeliveryError, RateLimited, StoreError
from core.ids import AccountName, ChannelName, ConversationId, account_key
from core.inbox import InboxRow
from hub.lanes.reading import where_raised
from hub.telemetry import Metrics

log = structlog.get_logger(__name__)

LATELY = timedelta(days=1)
"""Conversations in which something was done since then are asked for."""
FARTHEST = timedelta(days=7)
"""So far the first round looks back: the hub may have been away."""
FIRST_LOOK = timedelta(hours=1)
"""What was lost before the process began is not known; the first round goes back at least so far."""
ASKED_AT_ONCE = 100
"""Conversations of one round, the latest first. Slack takes 50 questions a minute and more (CHANNELS 1.5)."""
STORE_RETRY_S = 15.0
"""After the database did not answer."""
WHOSE_S = 30.0
"""So often it is looked whether an account has become ours."""
JITTER = 0.1
"""A round comes up to so much earlier, so that accounts do not keep in step."""


class KnownRows(Protocol):
    """What is asked of the store."""

    async def active(self, account: str, since: datetime, limit: int) -> list[tuple[ConversationId, datetime]]:
        """Return conversations of an account with something done since then, latest first."""
        ...

    async def load_inbox(self, ids: Sequence[str]) -> list[InboxRow]:
        """Return the rows of these names that there are."""
        ...


class Round:
    """Asks the platform of one account, and remembers how far it got."""

    def __init__(
        self, channel: Channel, plan: CatchUp, store: KnownRows, accept: Accept, clock: Clock, metrics: Metrics
    ) -> None:
        self._channel = channel
        self._plan = plan
        self._store = store
        self._accept = accept
        self._clock = clock
        self._metrics = metrics
        self._began: datetime | None = None
        """When the conversations were last read."""
        self._looked: dict[ConversationId | None, datetime] = {}
        """Until when each was looked through; of one that was not yet, since when it is to be."""
        self._stuck: ConversationId | None = None
        """Where the last round ended with an error; asked last, so that it does not stop the others for ever."""

    async def ask(self) -> None:
        """Ask once, and accept what is new.

        Raises:
            DeliveryError: the platform cannot say now; the next round goes on where this one ended.
            StoreError: the database does not answer.
        """
        now = self._clock.now()
        gaps = await self._gaps(now)
        closed: set[ConversationId | None] = set()
        try:
            async for look in self._channel.catch_up(gaps):
                await self._take(look)
                closed |= {gap.conversation_id for gap in look.closed}
        finally:
            self._looked |= dict.fromkeys(closed, now)
            self._stuck = next((gap.conversation_id for gap in gaps if gap.conversation_id not in closed), None)

    async def _gaps(self, now: datetime) -> list[Gap]:
        """Return since when the account, or each conversation of late, was not looked through; longest first."""
        window = FARTHEST if self._began is None else LATELY
        limit = ASKED_AT_ONCE if self._plan.by_conversation else 1
        found = await self._store.active(account_key(self._channel.name, self._channel.account), now - window, limit)
        names: dict[ConversationId | None, datetime] = {**dict(found)}
        if not self._plan.by_conversation:
            names = {None: max(names.values(), default=now)}
        floor = self._began or now - FIRST_LOOK
        self._began = now
        self._looked = {name: self._looked.get(name, min(at, floor)) for name, at in names.items()}
        overlap = timedelta(seconds=self._plan.overlap_s)
        gaps = [Gap(at - overlap, name) for name, at in self._looked.items()]
        return sorted(gaps, key=lambda gap: (gap.conversation_id == self._stuck, gap.since))

    async def _take(self, look: Look) -> None:
        """Accept what nobody has accepted before; what is known is not offered, or it would count as a repetition."""
        labels = (self._channel.name, self._channel.account)
        if look.pending is not None:
            self._metrics.pending_at_platform.labels(*labels).set(look.pending)
        for inbound in await self._unknown(look.payloads):
            if await self._accept(inbound) is Acceptance.ACCEPTED:
                self._metrics.backfilled.labels(*labels).inc()

    async def _unknown(self, payloads: Sequence[Inbound]) -> list[Inbound]:
        names = [self._channel.identify(inbound).primary for inbound in payloads]
        known = {row.id for row in await self._store.load_inbox(names)} if names else set()
        return [inbound for inbound, name in zip(payloads, names, strict=True) if name not in known]


class Backfill:
    """Has every account asked that can be asked.

    Args:
        channels: by `channel:account`.
        accept: the inbox's.
        is_ours: tells whether it is for us to ask for an account; where several processes share the work.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        store: KnownRows,
        accept: Accept,
        clock: Clock,
        metrics: Metrics,
        is_ours: Callable[[str], bool],
    ) -> None:
        self._is_ours = is_ours
        self._askers = {
            key: _Asker(key, plan, Round(channel, plan, store, accept, clock, metrics))
            for key, channel in channels.items()
            if (plan := channel.capabilities.catch_up) is not None
        }

    async def keep(self) -> None:
        """Ask at once and then as often as each platform's plan says, until cancelled."""
        async with asyncio.TaskGroup() as accounts:
            for key, asker in self._askers.items():
                accounts.create_task(asker.keep(partial(self._is_ours, key)))

    def missed(self, channel: ChannelName, account: AccountName) -> None:
        """Ask for an account now, whosever it is: its connection, which is ours, was away."""
        asker = self._askers.get(account_key(channel, account))
        if asker is not None:
            asker.nudge()


class _Asker:
    """The loop of one account."""

    def __init__(self, key: str, plan: CatchUp, asked: Round) -> None:
        self._key = key
        self._plan = plan
        self._round = asked
        self._nudged = asyncio.Event()
        self._trouble = ""

    def nudge(self) -> None:
        self._nudged.set()

    async def keep(self, is_ours: Callable[[], bool]) -> None:
        while True:
            is_wanted = self._nudged.is_set() or is_ours()
            self._nudged.clear()
            pause_s = await self._once() if is_wanted else min(self._plan.every_s, WHOSE_S)
            jittered_s = pause_s * random.uniform(1.0 - JITTER, 1.0)  # noqa: S311  spreads load, hides nothing
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), jittered_s)

    async def _once(self) -> float:
        """Ask once; returns the seconds until the next time."""
        try:
            await self._round.ask()
        except RateLimited as error:
            self._tell(error, str(error))
            return max(self._plan.every_s, error.retry_after_s)
        except DeliveryError as error:
            self._tell(error, str(error))
        except StoreError as error:
            self._tell(error, str(error))
            return min(self._plan.every_s, STORE_RETRY_S)
        except Exception as error:  # noqa: BLE001  whatever a platform answers, it is asked again
            self._tell(error, where_raised(error))
        else:
            self._trouble = ""
        return self._plan.every_s

    def _tell(self, error: Exception, detail: str) -> None:
        """Log what keeps us from asking, once until it changes."""
        if detail != self._trouble:
            log.warning("backfill_interrupted", account=self._key, error=type(error).__name__, detail=detail)
        self._trouble = detail
