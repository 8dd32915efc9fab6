"""What the hub tells about itself: JSON logs with ids and sizes only, and metrics.

No message text, name, address, phone number or token enters a log. A conversation's name may hold a phone number or a
visitor's id, so logs carry a keyed hash of it: lines of one conversation belong together and do not say whose it is.
"""

import hashlib
import logging
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TextIO

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

SECRET_SHAPES = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|(?<!\w)\d{8,12}:[\w-]{33,}|\bAC[0-9a-f]{32}\b|\bSK[0-9a-f]{32}\b|Bearer\s+\S+|/bot\d+:[^/\s]+"
)
"""Tokens as Slack, Telegram and Twilio write them (SECURITY section 4), should a library's message hold one."""
LATENCY_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
WAIT_BUCKETS_S = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 180.0, 600.0)


class LogNames:
    """Makes names for logs: the same input, the same name, and no way back without the key."""

    def __init__(self, key: bytes) -> None:
        self._key = key[:64]

    def __call__(self, conversation_id: str) -> str:
        """Return `channel:account:xxxxxxxx` for a conversation id."""
        channel, account, thread = conversation_id.split(":", 2)
        return f"{channel}:{account}:{self._digest(thread)}"

    def _digest(self, text: str) -> str:
        return hashlib.blake2b(text.encode(), key=self._key, digest_size=6).hexdigest()

    def row(self, name: str) -> str:
        """Return the name of an event or inbox row; a web visitor's holds the session, so that one is hashed.

        >>> LogNames(b"key").row("tw:main:SM1")
        'tw:main:SM1'
        """
        return f"web:{self._digest(name)}" if name.startswith("web:") else name


def _hide_secrets(_logger: Any, _method: str, entry: structlog.types.EventDict) -> structlog.types.EventDict:
    for key, value in entry.items():
        if isinstance(value, str) and SECRET_SHAPES.search(value):
            entry[key] = SECRET_SHAPES.sub("[secret]", value)
    return entry


def _to_json(value: Any, default: Callable[[Any], Any] | None = None, **_: Any) -> str:
    return orjson.dumps(value, default=default or str).decode()


class _Output(logging.StreamHandler[TextIO]):
    """Writes lines; one that meets a full disk or a reader that is gone is counted, and nothing ends with it (F038)."""

    dropped: ClassVar[int] = 0
    """Of this process: its hubs share one log."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        """Count what could not be written; a line that could not be made is a bug, and logging says so."""
        if isinstance(sys.exc_info()[1], OSError):
            _Output.dropped += 1
        else:
            super().handleError(record)


class _DroppedLines(Collector):
    """Tells Prometheus how many lines the log lost."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return the number as it stands."""
        yield CounterMetricFamily(
            "frontdesk_log_lines_dropped", "Log lines that could not be written.", value=_Output.dropped
        )


def configure_logging(level: str = "INFO") -> None:
    """Send every log line, ours and the libraries', as one JSON object per line to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    handler = _Output(sys.stderr)
    handler.setLevel(level)  # a library may set its own logger to DEBUG when it is imported (bm25s does)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("aiohttp.access", "httpx", "httpcore", "slack_bolt", "slack_sdk", "telegram", "twilio", "mail.log"):
        logging.getLogger(noisy).setLevel(logging.ERROR)  # they log bodies, URLs with tokens, or one line per request


class Metrics:
    """Every number the hub keeps, in a registry of its own so that two hubs in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        labels = ("channel", "account")
        self.accepted = Counter("frontdesk_accepted", "Payloads made durable.", labels, registry=r)
        self.duplicates = Counter("frontdesk_duplicates", "Payloads that were known already.", labels, registry=r)
        self.refused = Counter("frontdesk_refused", "Payloads that could not be made durable.", labels, registry=r)
        self.quarantined = Counter(
            "frontdesk_quarantined", "Payloads nobody can read.", (*labels, "reason"), registry=r
        )
        self.accept_seconds = Histogram(
            "frontdesk_accept_seconds", "From raw bytes to durable.", buckets=LATENCY_BUCKETS_S, registry=r
        )
        self.turns = Counter("frontdesk_turns", "Turns taken, by the rung that spoke.", ("channel", "rung"), registry=r)
        self.turn_seconds = Histogram(
            "frontdesk_turn_seconds", "From the claim of an event to its commit.", buckets=LATENCY_BUCKETS_S, registry=r
        )
        self.ignored = Counter("frontdesk_ignored", "Events that ask for no answer.", ("channel", "reason"), registry=r)
        self.failures = Counter("frontdesk_turn_failures", "Turns that raised.", ("error",), registry=r)
        self.dead = Counter("frontdesk_dead_letters", "Messages that no run could finish.", ("channel",), registry=r)
        self.sends = Counter("frontdesk_sends", "Api calls by how they ended.", ("channel", "outcome"), registry=r)
        self.send_seconds = Histogram(
            "frontdesk_send_seconds", "One api call.", ("channel",), buckets=LATENCY_BUCKETS_S, registry=r
        )
        self.handoffs = Counter("frontdesk_handoffs", "Conversations given to people.", ("reason",), registry=r)
        self.unreachable = Counter(
            "frontdesk_unreachable",
            "Conversations whose person can no longer be reached.",
            ("channel", "reason"),
            registry=r,
        )
        self.feedback = Counter(
            "frontdesk_feedback", "Thumbs that people put under answers.", ("channel", "opinion"), registry=r
        )
        self.leases_lost = Counter("frontdesk_leases_lost", "Work thrown away because a lease was lost.", registry=r)
        self.inbox_rows = Gauge("frontdesk_inbox_rows", "Rows by state, as of the last sweep.", ("state",), registry=r)
        self.channel_up = Gauge("frontdesk_channel_up", "1 while an account listens.", labels, registry=r)
        self.database_restarts = Counter(
            "frontdesk_database_restarts", "Restarts of the embedded database.", registry=r
        )
        self.lane_wait_seconds = Histogram(
            "frontdesk_lane_wait_seconds", "From durable to the start of the turn.", buckets=WAIT_BUCKETS_S, registry=r
        )
        self.answer_seconds = Histogram(
            "frontdesk_answer_seconds",
            "From the arrival of a message to the platform's yes to its first answer.",
            ("channel",),
            buckets=WAIT_BUCKETS_S,
            registry=r,
        )
        self.oldest_row_age = Gauge(
            "frontdesk_inbox_oldest_seconds", "Age of the oldest row that waits for its turn.", registry=r
        )
        self.outbox_age = Gauge("frontdesk_outbox_age_seconds", "Age of the oldest reply that is due.", registry=r)
        self.unknown_sends = Gauge("frontdesk_unknown_sends", "Sends in doubt that are being settled.", registry=r)
        self.outside_window = Counter(
            "frontdesk_outside_window",
            "Messages that met a shut service window, by what was done.",
            ("channel", "decision"),
            registry=r,
        )
        self.undelivered = Counter(
            "frontdesk_undelivered",
            "Messages that a platform took and did not deliver, and that are not planned anew.",
            labels,
            registry=r,
        )
        self.waiting = Gauge("frontdesk_waiting", "Messages that wait until their person writes.", registry=r)
        self.held = Gauge("frontdesk_holds", "Sends in doubt that wait for a person.", registry=r)
        self.spool_records = Gauge("frontdesk_spool_records", "Payloads on disk that MongoDB has not.", registry=r)
        self.spool_bytes = Gauge("frontdesk_spool_bytes", "Size of the spool.", registry=r)
        self.spool_broken = Gauge("frontdesk_spool_broken", "1 while the spool cannot take anything.", registry=r)
        self.spooled = Counter("frontdesk_spooled", "Payloads made durable by the spool.", labels, registry=r)
        self.spool_drained = Counter("frontdesk_spool_drained", "Payloads moved on from the spool.", registry=r)
        self.spool_bad = Counter("frontdesk_spool_bad", "Damaged records set aside.", registry=r)
        self.database_up = Gauge("frontdesk_database_up", "1 while the database answers.", registry=r)
        self.nats_up = Gauge("frontdesk_nats_up", "1 while NATS is connected.", registry=r)
        self.hints = Counter("frontdesk_hints", "Wake-ups over NATS.", ("what",), registry=r)
        self.members = Gauge("frontdesk_members", "Processes that share the database.", ("role",), registry=r)
        self.partitions = Gauge("frontdesk_partitions", "Partitions that are ours.", registry=r)
        self.clock_skew = Gauge("frontdesk_clock_skew_seconds", "Our clock minus the database's.", registry=r)
        self.backfilled = Counter(
            "frontdesk_backfilled", "Payloads found by asking that the platform had not delivered.", labels, registry=r
        )
        self.pending_at_platform = Gauge(
            "frontdesk_pending_at_platform", "Updates that a platform says it could not deliver.", labels, registry=r
        )
        self.limited = Counter(
            "frontdesk_limited", "Requests and turns slowed by a limit.", ("channel", "limit"), registry=r
        )
        self.paused = Gauge("frontdesk_paused", "1 while an account's sends wait.", ("account",), registry=r)
        self.claims_paused = Gauge(
            "frontdesk_claims_paused", "1 while no turns are taken because too many die.", registry=r
        )
        self.media = Counter(
            "frontdesk_media",
            "Files that somebody asked for, by what became of them.",
            ("channel", "state"),
            registry=r,
        )
        self.typing_failures = Counter(
            "frontdesk_typing_failures", "Typing signs that were not shown.", ("channel", "error"), registry=r
        )
        r.register(_DroppedLines())
