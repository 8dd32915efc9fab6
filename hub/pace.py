"""Keeping a platform's pace in advance, so that it rarely has to refuse (SEMANTICS section 6.6).

Counts in this process. Several workers share an account's limit without knowing of each other: what is too much then
comes back as a 429 and pauses the bucket.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from channels.base import Channel
from channels.inbound import Pace
from core.clock import Clock
from core.replies import ApiCall
from hub.rates import Buckets
from hub.telemetry import Metrics


class SendPace:
    """Gives every call its time.

    Args:
        clock: the monotonic one counts.
        metrics: tell how many had to wait.
        factor: multiple of what a platform takes by default.
    """

    def __init__(self, clock: Clock, metrics: Metrics, factor: float = 1.0) -> None:
        self._clock = clock
        self._metrics = metrics
        self._factor = factor
        self._buckets: dict[Pace, Buckets[str]] = {}

    def book(self, account: str, call: ApiCall, channel: Channel) -> datetime | None:
        """Count a call and return when it may be made; None: now.

        Everybody gets a time of their own: who comes again then need not ask again.

        Args:
            account: `channel:account`.
            call: asides are no messages and do not count.
            channel: says what its platform takes.
        """
        if call.role == "aside":
            return None
        now = self._clock.monotonic()
        wait_s = max((self._of(pace).book(key, now) for key, pace in _limits(account, call, channel)), default=0.0)
        if not wait_s:
            return None
        self._metrics.limited.labels(channel.name, "pace").inc()
        return self._clock.now() + timedelta(seconds=wait_s)

    def _of(self, pace: Pace) -> Buckets[str]:
        if pace not in self._buckets:
            burst = max(int(pace.burst * self._factor), 1)
            self._buckets[pace] = Buckets(Pace(per_s=pace.per_s * self._factor, burst=burst))
        return self._buckets[pace]


def _limits(account: str, call: ApiCall, channel: Channel) -> list[tuple[str, Pace]]:
    """Return every limit that counts a call, with the key it counts by."""
    paces: Mapping[str, Pace] = channel.capabilities.bucket_paces
    fitting = [(f"{account}:{call.bucket}", pace) for prefix, pace in paces.items() if call.bucket.startswith(prefix)]
    whole = channel.capabilities.pace
    return [*fitting, (account, whole)] if whole is not None else fitting
