"""One conversation held over all five channels: the same decisions, five shapes of the replies (rows 193, 194).

Each channel reads payloads as its platform sends them and renders the replies itself; the shapes are kept as snapshots.
A choice is picked in each channel's own way: a button, a row, or a typed number.
"""

import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

import pytest
from syrupy.assertion import SnapshotAssertion

from channels.base import Channel
from channels.inbound import Inbound
from core.bot import Bot
from core.conversation import ActionResult, ActionWanted, Conversation, Turn
from core.events import Event
from core.ids import DeskName, account_key
from core.replies import ApiCall
from hub.adapters import BUILT_IN
from hub.cli.replay import account_for_replay
from hub.clock import SystemClock
from hub.content import build_responders
from hub.settings import Settings, load_settings
from hub.templating import Templates
from tests.conversation.telling import find_order, model_folder, starter_content
from tests.fakes import START

SAID: Sequence[str | int] = (
    "help",
    1,
    "never mind",
    "Where is my order A-1001?",
    "ann@example.com",
    "When are you open?",
    "I want to talk to a person",
)
"""What the person says; a number picks that choice of the reply before."""
SENT_AT = int(START.timestamp())


class Platform(Protocol):
    """Writes what a platform would send. `number` counts the payloads of one conversation."""

    def text(self, number: int, text: str) -> bytes: ...

    def pick(self, number: int, place: int, calls: Sequence[ApiCall]) -> bytes: ...


class Slack:
    def _envelope(self, number: int, event: Mapping[str, Any]) -> bytes:
        bot = {"team_id": "T0ACME", "user_id": "U0DESK", "is_bot": True}
        return _json(
            {"type": "event_callback", "team_id": "T0ACME", "api_app_id": "A0DESK", "event_id": f"Ev{number}"}
            | {"authorizations": [bot], "event": event}
        )

    def text(self, number: int, text: str) -> bytes:
        ts = f"{SENT_AT + number}.000100"
        who = {"user": "U0ANN", "channel": "D0ANN", "channel_type": "im"}
        return self._envelope(number, {"type": "message", "text": text, "ts": ts, "event_ts": ts} | who)

    def pick(self, number: int, place: int, calls: Sequence[ApiCall]) -> bytes:
        blocks: Any = calls[-1].params["blocks"]
        (first, *others) = [element for block in blocks for element in block.get("elements", ())]
        button = [first, *others][place - 1] if first["type"] == "button" else _chosen(first, place)
        payload = {
            "type": "block_actions",
            "team": {"id": "T0ACME"},
            "user": {"id": "U0ANN", "username": "ann"},
            "channel": {"id": "D0ANN"},
            "container": {"type": "message", "channel_id": "D0ANN", "message_ts": f"{SENT_AT + number - 1}.000200"},
            "trigger_id": f"1.2.{number}",
            "actions": [button | {"block_id": "b1", "action_ts": f"{SENT_AT + number}.000100"}],
        }
        return urlencode({"payload": json.dumps(payload)}).encode()


def _chosen(select: Mapping[str, Any], place: int) -> dict[str, Any]:
    """Say which option was taken, as Slack does: without the options."""
    kept = {name: value for name, value in select.items() if name not in ("options", "placeholder")}
    return kept | {"selected_option": select["options"][place - 1]}


class Telegram:
    ann: Mapping[str, Any] = {"id": 7, "is_bot": False, "first_name": "Ann", "language_code": "en"}
    chat: Mapping[str, Any] = {"id": 7, "type": "private", "first_name": "Ann"}

    def text(self, number: int, text: str) -> bytes:
        message = {"message_id": number, "from": self.ann, "chat": self.chat, "date": SENT_AT + number, "text": text}
        return _json({"update_id": number, "message": message})

    def pick(self, number: int, place: int, calls: Sequence[ApiCall]) -> bytes:
        markup: Any = calls[-1].params["reply_markup"]
        button = [button for row in markup["inline_keyboard"] for button in row][place - 1]
        message = {"message_id": number - 1, "chat": self.chat, "date": SENT_AT + number, "reply_markup": markup}
        press = {"id": f"press-{number}", "from": self.ann, "chat_instance": "1", "data": button["callback_data"]}
        return _json({"update_id": number, "callback_query": press | {"message": message}})


class WhatsApp:
    def text(self, number: int, text: str) -> bytes:
        sid = f"SM{number:032d}"
        form = {"MessageSid": sid, "SmsStatus": "received", "From": "whatsapp:+15557654321", "ProfileName": "Ann"}
        return urlencode(form | {"To": "whatsapp:+15550000000", "Body": text, "NumMedia": "0"}).encode()

    def pick(self, number: int, place: int, calls: Sequence[ApiCall]) -> bytes:
        return self.text(number, str(place))


class Email:
    def text(self, number: int, text: str) -> bytes:
        first, name = "<mail-1@customer.example>", f"<mail-{number}@customer.example>"
        headers = {
            "From": "Ann <ann@customer.example>",
            "To": "help@example.com",
            "Subject": "help" if number == 1 else "Re: help",  # the first mail's subject is read as words, too
            "Date": START.strftime("%a, %d %b %Y %H:%M:%S +0000"),
            "Message-ID": name,
        }
        if number > 1:
            headers |= {"In-Reply-To": first, "References": first}
        lines = [f"{key}: {value}" for key, value in headers.items()]
        return "\r\n".join([*lines, "Content-Type: text/plain; charset=utf-8", "", text, ""]).encode()

    def pick(self, number: int, place: int, calls: Sequence[ApiCall]) -> bytes:
        return self.text(number, str(place))


class Web:
    def _posted(self, number: int, said: Mapping[str, str]) -> bytes:
        return _json({"session": "0" * 32, "id": f"00000000-0000-4000-8000-{number:012d}", **said})

    def text(self, number: int, text: str) -> bytes:
        return self._posted(number, {"text": text})

    def pick(self, number: int, place: int, calls: Sequence[ApiCall]) -> bytes:
        choices: Any = calls[-1].params["choices"]
        chosen = choices[place - 1]
        return self._posted(number, {"choice": chosen["token"], "label": chosen["label"]})


PLATFORMS: Mapping[str, Platform] = {
    "slack": Slack(),
    "telegram": Telegram(),
    "whatsapp": WhatsApp(),
    "email": Email(),
    "web": Web(),
}


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()


@dataclass
class Chat:
    """The conversation on one channel, from payload to api calls, as the hub would take it."""

    channel: Channel
    settings: Settings
    bots: Mapping[DeskName, Bot]
    templates: Templates
    conversation: Conversation | None = None
    turns: list[Turn] = field(default_factory=list)
    shapes: list[tuple[ApiCall, ...]] = field(default_factory=list)

    def hold(self, said: Sequence[str | int]) -> "Chat":
        platform = PLATFORMS[self.channel.name]
        for number, what in enumerate(said, start=1):
            if isinstance(what, str):
                self.take(platform.text(number, what))
            else:
                self.take(platform.pick(number, what, self.shapes[-1]))
        return self

    def take(self, body: bytes) -> None:
        (event,) = self.channel.normalize(Inbound(self.channel.name, self.channel.account, body, START))
        desk = self.settings.desk_of[account_key(event.channel, event.account)]
        before = self.conversation or Conversation(
            id=event.conversation_id, desk=desk.name, channel=event.channel, account=event.account
        )
        assert before.id == event.conversation_id, "the platform's payloads do not belong to one conversation"
        turn = self._respond(before, event)
        assert turn.ignored is None
        self.conversation = turn.conversation.model_copy(update={"version": before.version + 1})
        self.turns.append(turn)
        self.shapes.append(
            tuple(
                call
                for reply in turn.replies
                for call in self.channel.render(
                    reply,
                    self.templates.words(self.channel.name, reply, self.channel.escapes, desk.languages[0], desk.tone),
                    turn.conversation.address,
                )
            )
        )

    def _respond(self, conversation: Conversation, event: Event) -> Turn:
        results: dict[str, ActionResult] = {}
        while isinstance(
            answer := self.bots[conversation.desk].respond(conversation, event, START, results), ActionWanted
        ):
            results[answer.key] = find_order(answer.arguments, available=True)
        return answer

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """What was decided, without what must differ: the event's name and the time it took."""
        return [
            turn.trace.model_dump(exclude={"event_id", "latency_ms", "verified_by"})
            | {
                "replies": [reply.model_dump(include={"template", "kind"}) for reply in turn.replies],
                "choices": [choice.label for reply in turn.replies for choice in reply.choices],
                "slots": turn.conversation.session.slots,
                "waits_at": turn.conversation.session.position,
                "owner": turn.conversation.owner,
            }
            for turn in self.turns
        ]


@pytest.fixture
async def chats(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, Chat]]:
    """Hold the conversation on every channel; the tokens of choices are the same in every run."""
    settings = load_settings(environ={"FRONTDESK_DATA": str(tmp_path_factory.mktemp("data"))})
    channels = {name: account_for_replay(settings, name, SystemClock()) for name in BUILT_IN}
    with monkeypatch.context() as patch:
        patch.setattr(secrets, "token_bytes", bytes)
        bots = build_responders(starter_content(), settings.desks, model_folder())
    templates = Templates(settings.templates)
    yield {name: Chat(channel, settings, bots, templates).hold(SAID) for name, channel in channels.items()}
    for channel in channels.values():
        await channel.close()


async def test_the_same_words_lead_to_the_same_decisions_on_all_five_channels(chats: dict[str, Chat]) -> None:
    expected = chats["web"].decisions
    assert [decision["templates"] for decision in expected] == [
        ("help",),
        ("ask_order_number",),
        ("cancelled",),
        ("ask_email",),
        ("order_status",),
        ("article",),
        ("handoff_requested",),
    ]
    for name, chat in chats.items():
        assert chat.decisions == expected, name


async def test_each_channel_gives_the_replies_its_own_shape(
    chats: dict[str, Chat], snapshot: SnapshotAssertion
) -> None:
    for name, chat in chats.items():
        shapes = [
            {"said": said, "calls": [call.model_dump(mode="json") for call in calls]}
            for said, calls in zip(SAID, chat.shapes, strict=True)
        ]
        assert shapes == snapshot(name=name)
