"""Rows to events: what a channel makes of the bytes that were accepted, and of those it makes nothing of."""

import traceback
from collections.abc import Mapping

import structlog

from channels.base import Channel
from channels.inbound import Inbound
from core.errors import MalformedPayload
from core.events import Event
from core.ids import AccountName, ChannelName, account_key
from core.inbox import MAX_CRASHES, InboxRow, InboxState
from hub.records import Records
from hub.suspects import Handling
from hub.telemetry import LogNames, Metrics

log = structlog.get_logger(__name__)


class Reader:
    """Translates rows, each by its account's channel."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        records: Records,
        metrics: Metrics,
        names: LogNames,
        handling: Handling,
    ) -> None:
        self._channels = channels
        self._records = records
        self._metrics = metrics
        self._names = names
        self._handling = handling

    def read(self, row: InboxRow) -> tuple[Event, ...] | None:
        """Translate a row; None when there is nothing to take a turn for, which is written down with its reason."""
        channel = self._channels.get(account_key(row.channel, row.account))
        if channel is None:
            return None  # the account is switched off; its rows wait
        if row.crashes >= MAX_CRASHES and row.conversation_id is None:
            self.set_aside(row, InboxState.QUARANTINED, f"crash: reading it ended the process {row.crashes} times")
            return None
        inbound = Inbound(
            channel=ChannelName(row.channel),
            account=AccountName(row.account),
            body=row.body,
            received_at=row.received_at,
            headers=row.headers,
        )
        try:
            with self._handling(row):
                events = channel.normalize(inbound)
        except MalformedPayload as error:
            self.set_aside(row, InboxState.QUARANTINED, f"malformed: {error}")
        except Exception as error:  # noqa: BLE001  a bug in one adapter must not stop the others, nor lose the bytes
            log.error(
                "normalize_failed", row=self._names.row(row.id), error=type(error).__name__, where=where_raised(error)
            )
            self.set_aside(row, InboxState.QUARANTINED, f"adapter_failed: {type(error).__name__}")
        else:
            if events:
                return named(row, events)
            self.set_aside(row, InboxState.IGNORED, "nothing_to_handle")
        return None

    def set_aside(self, row: InboxRow, state: InboxState, reason: str) -> None:
        """End a row for which no turn is taken, with the reason, soon."""
        kind = reason.split(":", 1)[0]
        if state is InboxState.QUARANTINED:
            self._metrics.quarantined.labels(row.channel, row.account, kind).inc()
        else:
            self._metrics.ignored.labels(row.channel, kind).inc()
        self._records.mark(row.mark(state, reason=reason[:500]))


def named(row: InboxRow, events: tuple[Event, ...]) -> tuple[Event, ...]:
    """Return events that say which row they come from."""
    return tuple(event.model_copy(update={"raw_ref": row.id}) for event in events)


def where_raised(error: BaseException) -> str:
    """Return file, line and function of the innermost frame: what a log may say about an error without its values."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "unknown"
    last = frames[-1]
    return f"{last.filename.rsplit('/', 2)[-2]}/{last.filename.rsplit('/', 1)[-1]}:{last.lineno} {last.name}"
