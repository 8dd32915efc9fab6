"""Who shares the database, and which conversations are whose.

Every process says every two seconds that it lives, by the database's clock. The conversations are divided into 32
partitions; each belongs to the living process that scores highest for it (rendezvous hashing), so that one that comes
or goes moves only its own share. This is a division of work, not a lock: the lease on a conversation decides, and a
view that is seconds old costs a wait and nothing else.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Iterable

import structlog

from core.clock import Clock
from core.errors import StoreError
from core.storage import Member, Store
from hub.lanes.spools import ALIVE_S, SPOKEN_WITHIN_S, Spools
from hub.telemetry import Metrics

log = structlog.get_logger(__name__)

PARTITIONS = 32
"""Shares of work; a few for each process, and few enough to listen to each (SEMANTICS section 7)."""
BEAT_EVERY_S = 2.0
ALONE_AFTER_S = 10.0
"""So long after the last other process was seen, what it accepted has been found by the sweep."""
TAKES_TURNS = frozenset({"all", "worker"})


def partition_of(name: str) -> int:
    """Return the partition of a conversation, or of an account whose rows are read later.

    >>> partition_of("slack:acme:T1:C1")
    17
    """
    return zlib.crc32(name.encode()) % PARTITIONS


def owner_of(partition: int, members: Iterable[Member]) -> str | None:
    """Return the process that a partition belongs to; None where nobody takes turns."""
    takers = [member.name for member in members if member.role in TAKES_TURNS]
    return max(takers, key=lambda name: (_score(partition, name), name), default=None)


def _score(partition: int, name: str) -> bytes:
    """Return what a process bids for a partition; not a checksum: those of two names go together."""
    return hashlib.blake2b(f"{partition}:{name}".encode(), digest_size=8).digest()


class Members:
    """This process among the others.

    Args:
        me: our name, never used twice, and our role.
    """

    def __init__(self, store: Store, me: Member, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._me = me
        self._clock = clock
        self._metrics = metrics
        self.on_change: list[Callable[[], None]] = []
        """Called after somebody came or went."""
        self._members: frozenset[Member] = frozenset({me})
        self._others_seen: float | None = None
        self.spools = Spools(store, me.name, clock, lambda: self.is_alone)
        self.mine: frozenset[int] = frozenset()
        """Our partitions."""
        self._divide()

    @property
    def is_alone(self) -> bool:
        """Tell whether nobody else accepts or takes turns, and has not for a while."""
        if len(self._members) > 1:
            return False
        return self._others_seen is None or self._clock.monotonic() - self._others_seen > ALONE_AFTER_S

    def owns(self, name: str) -> bool:
        """Tell whether a conversation, or an account whose rows are read later, is ours to see to."""
        return partition_of(name) in self.mine

    async def has_undrained(self) -> bool:
        """Tell whether earlier rows than those in the database may still be in somebody's spool.

        Raises:
            StoreError: the database does not answer.
        """
        return await self.spools.has_undrained()

    async def join(self) -> None:
        """Say that we live; where somebody may believe to be alone, wait until it knows better.

        Raises:
            StoreError: the database does not answer.
        """
        await self.beat()
        if len(self._members) == 2:  # of three or more, none is alone
            await asyncio.sleep(SPOKEN_WITHIN_S)
            await self.beat()

    async def beat(self) -> None:
        """Say that we live, and look who else does."""
        spools = self.spools.ours()
        members = frozenset({*await self._store.beat(self._me, ALIVE_S, spools=spools), self._me})
        self.spools.said = spools
        if len(members) > 1:
            self._others_seen = self._clock.monotonic()
        if members == self._members:
            return
        self._members = members
        self._divide()
        log.info("members_changed", members=len(members), partitions=len(self.mine))
        for call in self.on_change:
            call()

    def _divide(self) -> None:
        takes = self._me.role in TAKES_TURNS
        ours = (number for number in range(PARTITIONS) if owner_of(number, self._members) == self._me.name)
        self.mine = frozenset(ours) if takes else frozenset()
        self._metrics.partitions.set(len(self.mine))
        for role in ("all", "web", "worker", "mail"):
            self._metrics.members.labels(role).set(sum(member.role == role for member in self._members))

    async def keep(self) -> None:
        """Go on saying that we live, until cancelled."""
        while True:
            await asyncio.sleep(BEAT_EVERY_S)
            try:
                await self.beat()
                self._metrics.database_up.set(1)
            except StoreError as error:
                self._metrics.database_up.set(0)
                log.warning("beat_missed", error=type(error).__name__)

    async def leave(self) -> None:
        """Say that we end."""
        await self._store.leave(self._me.name)
