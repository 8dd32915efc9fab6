"""Builds a hub around fakes: a scripted channel, a scripted bot, a store in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from channels.base import Channel, Finding, Gap, Look, nothing_missed
from channels.inbound import Capabilities, DeliveryKey, Inbound, TypingAbility
from channels.media import Download
from core.clock import Clock
from core.conversation import ActionResult, ActionWanted, Conversation, Trace, Turn
from core.errors import MalformedPayload, MediaRefused, RateLimited
from core.events import (
    Address,
    Attachment,
    ConversationMoved,
    DeliveryStatusChanged,
    Event,
    MembershipChanged,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
    ReactionChanged,
    Sender,
    names_of,
)
from core.ids import AccountName, ChannelName, ConversationId, DeskName, EventId, OutId, account_key, conversation_id
from core.outbox import UnknownSends
from core.ports import Responder, Words
from core.replies import ApiCall, Receipt, Reply
from core.storage import Store
from core.store.memory import MemoryStore
from hub.changes import Changes
from hub.clock import SystemClock
from hub.correspondents import Correspondents
from hub.holds import Holds
from hub.inbox import ACKNOWLEDGED_FIRST_S, Inbox
from hub.lanes.local import ALONE, Lanes, Place
from hub.lanes.sweep import Sweep
from hub.limits import SenderLimits
from hub.outbox import Outbox
from hub.records import Records
from hub.settings import Desk, Limits
from hub.suspects import Handling, unnoted
from hub.telemetry import LogNames, Metrics
from hub.turns import Turns
from hub.typing_signs import STARTS_AFTER_S, TypingSigns

ACCOUNT = "fake:one"
FAKE, ONE = ChannelName("fake"), AccountName("one")
DESK = Desk(name=DeskName("support"), accounts=(ACCOUNT,))


NO_LIMITS = Limits(turns_per_min=1e6, turns_burst=1_000_000)


@dataclass
class FakeChannel:
    """A channel whose payloads are `{"id", "thread", "text"}` and whose platform does what the test says."""

    name: ChannelName = FAKE
    account: AccountName = ONE
    ability: UnknownSends = "unprovable"
    sent: list[tuple[str, str]] = field(default_factory=list)
    """Conversation and text, in the order in which the platform got them."""
    outcomes: list[BaseException | None] = field(default_factory=list)
    """What the next sends come to; None is success, and so is an empty list."""
    acts_before_failing: bool = False
    known: set[str] = field(default_factory=set)
    """Out ids that the platform can be shown to have."""
    escapes: Mapping[str, Callable[[str], str]] = field(default_factory=lambda: {"text": str})
    gate: asyncio.Event | None = None
    counts_answers: bool = False
    files: dict[str, Download | bytes] = field(default_factory=dict)
    """What can be had, by its reference."""

    typing: TypingAbility | None = None
    signs: list[bool] = field(default_factory=list)
    """What was shown, in order."""
    sign_fails: bool = False
    sign_shown: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            max_text=1000, unknown_sends=self.ability, counts_answers=self.counts_answers, typing=self.typing
        )

    def identify(self, inbound: Inbound) -> DeliveryKey:
        try:
            payload = json.loads(inbound.body)
            return DeliveryKey(f"fake:{payload['id']}", payload.get("order"))
        except (ValueError, KeyError, TypeError):
            return DeliveryKey(f"fake:sha:{hash(inbound.body)}")

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        try:
            payload = json.loads(inbound.body)
        except ValueError as error:
            raise MalformedPayload("not JSON") from error
        if payload.get("bug"):
            raise KeyError("a bug of the adapter")
        messages = payload.get("several") or ([payload] if "text" in payload else [])
        return tuple(self._event(message, inbound.received_at) for message in messages)

    def _event(self, message: dict[str, Any], at: datetime) -> Event:
        if "status" in message:
            return self._status(message, at)
        if "reacts_to" in message:
            told = {name: message[name] for name in ("added", "removed", "is_whole", "within") if name in message}
            return ReactionChanged(**self._base(message, at), message_id=message["reacts_to"], **told)
        if "came_from" in message or "goes_to" in message:
            places = {name: message[name] for name in ("came_from", "goes_to") if name in message}
            return ConversationMoved(**self._base(message, at) | {"address": {"to": message["moved_to"]}}, **places)
        if "reach" in message:
            return ReachabilityChanged(**self._base(message, at), change=message["reach"], text=message.get("text", ""))
        if "member" in message:
            return MembershipChanged(**self._base(message, at), member_id="us", change=message["member"], is_us=True)
        if "edits" in message or "deletes" in message:
            return self._change(message, at)
        return MessageReceived(
            **self._base(message, at),
            message_id=message["id"],
            text=message["text"],
            attachments=tuple(Attachment.model_validate(file) for file in message.get("files", ())),
            album=message.get("album"),
            automatic=message.get("automatic"),
            failed_delivery=message.get("failed_delivery"),
            in_reply_to=message.get("quotes"),
            is_quote="quotes" in message,
            quoted=message.get("quoted"),
        )

    def _base(self, message: dict[str, Any], at: datetime) -> dict[str, Any]:
        return {
            "id": EventId(f"fake:{message['id']}"),
            "channel": self.name,
            "account": self.account,
            "conversation_id": conversation_id("fake", "one", message["thread"]),
            "sender": Sender(id=message.get("from", message["thread"])),
            "sent_at": datetime.fromtimestamp(message["sent_s"], UTC) if "sent_s" in message else at,
            "received_at": at,
            "address": {"to": message.get("from", message["thread"])},
            "adapter": "fake/1",
        }

    def _change(self, message: dict[str, Any], at: datetime) -> Event:
        told = {name: message[name] for name in ("addressed", "was_addressed") if name in message}
        if "deletes" in message:
            return MessageDeleted(**self._base(message, at), message_id=message["deletes"], **told)
        return MessageEdited(**self._base(message, at), message_id=message["edits"], text=message["text"], **told)

    def _status(self, message: dict[str, Any], at: datetime) -> DeliveryStatusChanged:
        return DeliveryStatusChanged(
            id=EventId(f"fake:{message['id']}"),
            channel=self.name,
            account=self.account,
            conversation_id=conversation_id("fake", "one", message["thread"]),
            sender=Sender(id=message["thread"]),
            sent_at=at,
            received_at=at,
            adapter="fake/1",
            status=message["status"],
            provider_id=message.get("provider_id", "p1"),
            out_id=message.get("out_id"),
            unreachable=message.get("unreachable", False),
        )

    async def show_typing(self, event: Event, *, is_on: bool) -> None:
        self.signs.append(is_on)
        self.sign_shown.set()
        if self.sign_fails:
            raise RateLimited(30.0)

    async def find_media(self, attachment: Attachment, inbound: Inbound) -> Download | bytes:
        found = self.files.get(attachment.reference)
        if found is None:
            raise MediaRefused("expired", "gone")
        return found

    def render(self, reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
        text = words.block("text")
        return tuple(
            ApiCall(method="say", params={"text": part, "to": address["to"]}, bucket=address["to"], kind=reply.kind)
            for part in text.split("|")
        )

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is None or self.acts_before_failing:
            self.sent.append((conversation_id, str(call.params["text"])))
            self.known.add(out_id)
        if self.gate is not None:
            await self.gate.wait()
        if outcome is not None:
            raise outcome
        return Receipt(provider_id=f"p{seq}")

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime, others: frozenset[str]) -> Receipt | None:
        return Receipt(provider_id="found") if out_id in self.known else None

    def routes(self) -> list[web.RouteDef]:
        return []

    async def listen(self) -> None:
        return

    async def check(self) -> list[Finding]:
        return []

    def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        return nothing_missed()

    async def close(self) -> None:
        return


@dataclass
class FakeResponder:
    """A bot that says back what it hears; `script` may make it do something else."""

    script: Callable[[Conversation, MessageReceived, Mapping[str, ActionResult]], Turn | ActionWanted | None] | None = (
        None
    )
    running: int = 0
    heard: list[str] = field(default_factory=list)

    def respond(
        self, conversation: Conversation, event: Event, now: datetime, results: Mapping[str, ActionResult]
    ) -> Turn | ActionWanted:
        assert isinstance(event, MessageReceived)
        if self.script is not None and (answer := self.script(conversation, event, results)) is not None:
            return answer
        self.heard.append(event.text)
        return echo(conversation, event)


def echo(conversation: Conversation, event: MessageReceived, kind: str = "answer", owner: str | None = None) -> Turn:
    """Return a turn that says the event's text back."""
    changed = conversation.model_copy(
        update={
            "recent": (*conversation.recent, *names_of(event)),
            "address": event.address,
            "owner": owner or conversation.owner,
            "epoch": conversation.epoch + int(owner is not None),
        }
    )
    reply = Reply.model_validate({"template": "echo", "context": {"text": event.text}, "kind": kind})
    return Turn(conversation=changed, replies=(reply,), trace=Trace(event_id=event.id, rung="faq", templates=("echo",)))


class EchoWords:
    """Says the context's text, or the template's name."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def block(self, name: str) -> str:
        return str(self._reply.context.get("text", self._reply.template))

    def has(self, name: str) -> bool:
        return name == "text"


class EchoTemplates:
    def words(self, channel: str, reply: Reply, escapes: object, locale: str | None, tone: str | None) -> EchoWords:
        return EchoWords(reply)


@dataclass
class Bench:
    """A hub of fakes, ready to take payloads."""

    clock: Clock
    store: Store
    channel: FakeChannel
    responder: Any
    inbox: Inbox
    holds: Holds
    records: Records
    lanes: Lanes
    sweep: Sweep
    outbox: Outbox
    metrics: Metrics
    pauses: list[float]
    actions: dict[str, Any]

    async def receive(self, name: str, text: str = "hello", thread: str = "t1", **more: object) -> str:
        """Let the platform deliver one message; returns `accepted` or `duplicate`."""
        return await self.receive_raw(json.dumps({"id": name, "thread": thread, "text": text, **more}).encode())

    async def receive_raw(self, body: bytes) -> str:
        inbound = Inbound(self.channel.name, self.channel.account, body, self.clock.now(), {})
        return str(await self.inbox.accept(inbound))

    async def settle(self, timeout_s: float = 5.0) -> None:
        """Wait until nobody works and nothing is left to write, twice in a row."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        quiet = 0
        while quiet < 2:
            await asyncio.sleep(2 * ACKNOWLEDGED_FIRST_S)
            await self.records.drain()
            quiet = 0 if self.lanes.busy else quiet + 1
            assert asyncio.get_running_loop().time() < deadline, "the hub does not come to rest"

    async def state_of(self, name: str) -> str:
        row = await self.store.find_inbox(f"fake:{name}")
        assert row is not None
        return str(row.state)


def build_bench(
    *,
    store: Store | None = None,
    clock: Clock | None = None,
    channel: FakeChannel | None = None,
    responder: Responder | None = None,
    worker: str = "w1",
    absence_proven_after_s: float = 0.0,
    place: Place = ALONE,
    limits: Limits | None = None,
    hinted: Callable[[], bool] = lambda: True,
    handling: Handling = unnoted,
    answers_per_day: int = 3,
    starts_after_s: float = STARTS_AFTER_S,
    answers_per_domain: int = 200,
) -> Bench:
    """Build a hub of fakes."""
    clock = clock or SystemClock()
    store = store or MemoryStore(clock)
    channel = channel or FakeChannel()
    responder = responder or FakeResponder()
    metrics, names, records = Metrics(), LogNames(b"key"), Records(store)
    holds = Holds(store, worker, clock, metrics)
    account = account_key(channel.name, channel.account)
    channels: dict[str, Channel] = {account: channel}
    pauses: list[float] = []
    actions: dict[str, Any] = {}

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    correspondents = Correspondents(store, clock, names, channels, answers_per_day, answers_per_domain)
    signs = TypingSigns(channels, metrics, starts_after_s)
    outbox = Outbox(store, holds, records, clock, metrics, names, channels, correspondents, absence_proven_after_s)
    turns = Turns(
        store=store,
        holds=holds,
        records=records,
        clock=clock,
        metrics=metrics,
        names=names,
        channels=channels,
        desks={account: DESK},
        responders={DESK.name: responder},
        actions=actions,
        templates=EchoTemplates(),
        outbox=outbox,
        correspondents=correspondents,
        changes=Changes(store, holds, records, clock),
        signs=signs,
        handling=handling,
    )
    lanes = Lanes(
        store=store,
        holds=holds,
        records=records,
        turns=turns,
        outbox=outbox,
        channels=channels,
        clock=clock,
        metrics=metrics,
        names=names,
        pause=pause,
        place=place,
        limits=SenderLimits(limits or NO_LIMITS, clock, metrics),
        handling=handling,
    )
    sweep = Sweep(store, holds, lanes, clock, metrics, place, hinted)
    inbox = Inbox(store, worker, clock, metrics, channels, lanes.offer)
    inbox.open()
    return Bench(
        clock, store, channel, responder, inbox, holds, records, lanes, sweep, outbox, metrics, pauses, actions
    )
