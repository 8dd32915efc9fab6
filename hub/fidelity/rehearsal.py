"""A talk with the real bot of a desk in memory: nothing is stored, and nothing is sent."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from core.clock import Clock
from core.conversation import Conversation, Turn
from core.events import MessageReceived, Sender
from core.ids import AccountName, ChannelName, EventId, conversation_id
from hub.cli.trial import Trial
from hub.content import Content, build_responders
from hub.settings import Desk, Settings
from hub.wiring import build_actions

VISITOR = Sender(id="preview", display_name="Ann")
MOST_SAID = 12
"""Messages of one talk; each is said again for every answer, since nothing is kept between two."""
MOST_CHARS = 4000


@dataclass(frozen=True)
class Answer:
    """What the bot says to the last message of a talk, and in which words."""

    turn: Turn
    locale: str
    tone: str


class Rehearsal:
    """The bots of all desks, built when the first question comes: a web process takes no turns of its own."""

    def __init__(self, settings: Settings, content: Content, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._settings = settings
        self._content = content
        self._session = session
        self._clock = clock
        self._building = asyncio.Lock()
        self._trial: Trial | None = None

    async def answer(self, desk: Desk, said: Sequence[str], locale: str) -> Answer:
        """Hold a talk from its beginning and return the last answer.

        Args:
            desk: who answers; it has an account.
            said: what the person writes, in order; at least one message.
            locale: the language of the person's app.
        """
        trial = await self._ready()
        events = [self._event(desk, number, text, locale) for number, text in enumerate(said, 1)]
        turn = await trial.take(trial.begin(events[0]), events[0])
        for event in events[1:]:
            turn = await trial.take(turn.conversation, event)
        return _in_its_words(turn, turn.conversation, desk)

    async def _ready(self) -> Trial:
        async with self._building:
            if self._trial is None:
                responders = await asyncio.to_thread(
                    build_responders, self._content, self._settings.desks, self._settings.data / "models"
                )
                self._trial = Trial(
                    self._settings, responders, build_actions(self._settings, self._session), self._clock
                )
        return self._trial

    def _event(self, desk: Desk, number: int, text: str, locale: str) -> MessageReceived:
        channel, _, account = desk.accounts[0].partition(":")
        now = self._clock.now()
        return MessageReceived(
            id=EventId(f"preview:{number}"),
            channel=ChannelName(channel),
            account=AccountName(account),
            conversation_id=conversation_id(channel, account, "preview"),
            sender=VISITOR,
            sent_at=now,
            received_at=now,
            locale=locale,
            address={"preview": "1"},
            adapter="preview/1",
            message_id=str(number),
            text=text,
        )


def _in_its_words(turn: Turn, conversation: Conversation, desk: Desk) -> Answer:
    session = conversation.session
    return Answer(turn, session.language or desk.languages[0], session.tone or desk.tone)
