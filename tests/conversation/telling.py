"""Tells a story to a bot: events in, turns out, with a made-up orders system behind the one action."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from core.bot import Bot
from core.conversation import ActionResult, ActionWanted, Conversation, Turn
from core.events import Attachment, ChoiceMade, CommandGiven, ConversationOpened, Event, MessageReceived, Sender
from core.ids import AccountName, ChannelName, ConversationId, DeskName, EventId
from hub.content import Content, build_responders, load_content
from hub.settings import Desk as DeskSettings
from tests.shared_files import PROJECT

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORDERS = {
    ("A-1001", "ann@example.com"): {
        "order_number": "A-1001",
        "status": "shipped",
        "carrier": "DHL",
        "expected_on": "2026-11-24",
    }
}
DESK = DeskSettings(name=DeskName("support"), accounts=(), languages=("en", "de"))


@cache
def starter_content() -> Content:
    return load_content(PROJECT / "config" / "content")


@cache
def model_folder() -> Path:
    """Share one trained model between the tests of a run; it is named by its content."""
    return PROJECT / ".pytest_cache" / "models"


@cache
def bot_without(*disabled: str) -> Bot:
    content = starter_content()
    bots = build_responders(content, [DESK], model_folder(), lambda _desk, intent: intent.name not in disabled)
    return bots[DESK.name]


def find_order(arguments: Mapping[str, Any], available: bool) -> ActionResult:
    if not available:
        return ActionResult(outcome="unavailable")
    found = ORDERS.get((arguments["order_number"], arguments["email"]))
    return ActionResult(outcome="ok", data=dict(found)) if found else ActionResult(outcome="not_found")


@dataclass
class Talk:
    """One conversation with the bot, as the hub would hold it: in memory, one turn after the other."""

    bot: Bot = field(default_factory=bot_without)
    channel: str = "web"
    orders_available: bool = True
    now: datetime = NOW
    count: int = 0
    last: Turn | None = None
    conversation: Conversation = field(init=False)

    def __post_init__(self) -> None:
        self.conversation = Conversation(
            id=ConversationId(f"{self.channel}:main:1"),
            desk=self.bot.desk.name,
            channel=ChannelName(self.channel),
            account=AccountName("main"),
        )

    def base(self, **more: Any) -> dict[str, Any]:
        """Fields of the next event."""
        self.count += 1
        return {
            "id": EventId(f"{self.channel}:main:{self.count}"),
            "channel": self.channel,
            "account": "main",
            "conversation_id": self.conversation.id,
            "sender": Sender(id="u1", display_name="Ann"),
            "sent_at": self.now,
            "received_at": self.now,
            "adapter": f"{self.channel}/1",
            "address": {"to": "u1"},
            **more,
        }

    def say(self, text: str, **more: Any) -> Turn:
        return self.take(MessageReceived(**self.base(message_id=f"m{self.count}", text=text, **more)))

    def send_voice(self) -> Turn:
        return self.say("", attachments=(Attachment(reference="v1", kind="voice"),))

    def press(self, label: str) -> Turn:
        offered = {offer.choice.label: offer.choice.token for offer in self.conversation.session.offered}
        return self.take(ChoiceMade(**self.base(token=offered[label], label=label)))

    def command(self, name: str) -> Turn:
        return self.take(CommandGiven(**self.base(name=name)))

    def open(self, locale: str | None = None) -> Turn:
        return self.take(ConversationOpened(**self.base(locale=locale)))

    def wait(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    def take(self, event: Event) -> Turn:
        results: dict[str, ActionResult] = {}
        while isinstance(answer := self.bot.respond(self.conversation, event, self.now, results), ActionWanted):
            assert answer.key not in results, "the bot asks twice for the same"
            results[answer.key] = find_order(answer.arguments, self.orders_available)
        self.last = answer
        if answer.ignored is None:
            version = self.conversation.version + 1
            self.conversation = answer.conversation.model_copy(update={"version": version})
        return answer
