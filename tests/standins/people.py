"""Two hundred messages from forty people on five channels, brought to the hub as each platform does.

Every message has an id like `S-0302`: channel, conversation 03, message 02. It stands in the text as an order number,
and the answer repeats it. On channels that carry the hub's own name of a send (`out_id`) some messages ask the same
twice in a row, so that two answers have the same words and only that name tells them apart.
"""

import asyncio
import itertools
import random
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from channels.email.identity import name_mail
from core.ids import out_id
from hub.emulate import mail, slack, telegram, twilio
from hub.emulate.ledger import Sent
from hub.emulate.platforms import Platforms
from hub.emulate.telegram_updates import post_update
from tests.standins.checker import Answered, Asked
from tests.standins.web_visitor import WebVisitor

LETTERS: Mapping[str, str] = {"slack": "S", "telegram": "T", "whatsapp": "W", "email": "E", "web": "B"}
DESKS: Mapping[str, str] = {"slack": "it"}
OTHER_DESK = "support"
ID = re.compile(r"\b[STWEB]-\d{4,6}\b")
REPEATED = (2, 3)
"""Messages of a conversation that ask the same, where the channel carries `out_id`."""
CARRIES_OUT_ID = frozenset({"slack", "whatsapp"})
QUESTION = "How long does shipping take?"
AGAIN_AFTER_S = 0.1
"""Pause before a platform delivers again; theirs are minutes."""
REQUEST_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Said:
    """One message: what it is for the checker, and how it is delivered once."""

    asked: Asked
    event_id: str
    attempt: Callable[[int], Awaitable[bool]]


@dataclass
class Person:
    """One conversation; the next message is made when the one before is accepted."""

    channel: str
    place: str
    say: Callable[[str, int, str], Said]
    """id, number in the conversation and text -> the message."""


@dataclass
class Traffic:
    """What was tried, what was accepted, and which answer belongs to what.

    Args:
        platforms: the stand-ins.
        url: of the hub.
        seed: of the pauses between two messages of a person.
    """

    platforms: Platforms
    url: str
    seed: int
    other_urls: tuple[str, ...] = ()
    """Of further web processes; platforms deliver to all in turn."""
    longest_pause_s: float = 0.2
    attempted: list[Asked] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    deliveries: int = 0
    _events: dict[str, str] = field(default_factory=dict)
    _out_ids: dict[str, str] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _reading: list[asyncio.Task[None]] = field(default_factory=list)
    _updates: int = 9000

    def __post_init__(self) -> None:
        self._urls = itertools.cycle((self.url, *self.other_urls))

    async def __aenter__(self) -> "Traffic":
        timeout = aiohttp.ClientTimeout(total=REQUEST_WITHIN_S)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        await self._session.close()

    async def meet(self, channel: str, number: int) -> Person:
        """Return a person who will write on this channel."""
        match channel:
            case "slack":
                return self._on_slack(number)
            case "telegram":
                return self._on_telegram(number)
            case "whatsapp":
                return self._on_whatsapp(number)
            case "email":
                return self._by_mail(number)
            case _:
                return await self._in_browser(number)

    async def talk(self, person: Person, number: int, count: int) -> None:
        """Let a person say `count` messages, each once the one before was accepted, with pauses between them."""
        pauses = random.Random(f"{self.seed}:{person.channel}:{number}")
        for seq in range(count):
            await asyncio.sleep(pauses.uniform(0.0, self.longest_pause_s))
            await self.say(person, number, seq)

    async def say(self, person: Person, number: int, seq: int, text: str | None = None) -> str:
        """Deliver one message until the hub accepts it; returns its id."""
        message_id = f"{LETTERS[person.channel]}-{number:02}{seq:02}"
        said = person.say(message_id, seq, text or _words(person.channel, message_id, seq))
        self.attempted.append(said.asked)
        self._events[said.event_id] = message_id
        desk = DESKS.get(person.channel, OTHER_DESK)
        self._out_ids[out_id(desk, said.event_id, 0, 0)] = message_id
        await self._deliver(said)
        return message_id

    async def _deliver(self, said: Said) -> None:
        for attempt in range(10_000):
            self.deliveries += 1
            try:
                if await said.attempt(attempt):
                    break
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(AGAIN_AFTER_S)
        async with self._news:
            self.accepted.append(said.asked.id)
            self._news.notify_all()

    async def until_accepted(self, count: int) -> None:
        """Wait until the hub has accepted so many messages."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.accepted) >= count)

    def next_url(self) -> str:
        """Return where the next delivery goes."""
        return next(self._urls)

    # which answer belongs to what

    def answered(self, sent: Sent) -> Answered:
        """Say which message a send answers: by the id in its words, else by the hub's name of the send."""
        found = ID.search(sent.text)
        by_name = self._out_ids.get(sent.out_id or "")
        asked = found.group() if found else by_name
        if sent.channel in CARRIES_OUT_ID and asked != by_name:
            asked = None  # the words of one answer under the name of another
        return Answered(sent.channel, sent.place, asked, sent.provider_id)

    def answers(self) -> Sequence[Answered]:
        """Return the ledger as the checker reads it."""
        return [self.answered(sent) for sent in self.platforms.ledger]

    def unanswered(self) -> set[str]:
        """Return what is accepted and has no answer yet."""
        return set(self.accepted) - {line.asked for line in self.answers()}

    @property
    def events(self) -> Collection[str]:
        """Return the hub's names of all messages."""
        return self._events.keys()

    def of_event(self, event_id: str) -> str:
        """Return the message that became this event of the hub."""
        return self._events[event_id]

    # the five ways to write

    def _on_slack(self, number: int) -> Person:
        channel, user = f"D0STAND{number:02}", f"U0STAND{number:02}"
        thread = self.platforms.slack.next_ts() if number % 4 == 3 else None
        place = f"{channel}:{thread}" if thread else channel

        def say(message_id: str, seq: int, text: str) -> Said:
            event_id, ts = f"Ev{message_id}", self.platforms.slack.next_ts()
            body = slack.message_event(event_id, channel, user, ts, text, thread)

            async def attempt(number: int) -> bool:
                url = f"{self.next_url()}/slack/acme/events"
                return (await self.platforms.slack.try_once(url, body, number)).is_taken

            return Said(Asked(message_id, "slack", place, seq), f"slack:acme:{channel}:{ts}", attempt)

        return Person("slack", place, say)

    def _on_telegram(self, number: int) -> Person:
        chat = 5000 + number

        def say(message_id: str, seq: int, text: str) -> Said:
            self._updates += 1
            update = telegram.text_update(self._updates, chat, 10 + 2 * seq, text, int(time.time()))

            async def attempt(_number: int) -> bool:
                url, secret = f"{self.next_url()}/telegram/support", telegram.WEBHOOK_SECRET
                return (await post_update(self.platforms.world, url, secret, update)).is_taken

            return Said(Asked(message_id, "telegram", str(chat), seq), f"tg:support:{self._updates}", attempt)

        return Person("telegram", str(chat), say)

    def _on_whatsapp(self, number: int) -> Person:
        person = f"whatsapp:+49151000000{number:02}"

        def say(message_id: str, seq: int, text: str) -> Said:
            sid = f"SM{uuid.uuid5(uuid.NAMESPACE_OID, f'{self.seed}:{message_id}').hex}"
            form = twilio.text_form(sid, person, text)

            async def attempt(_number: int) -> bool:
                url = f"{self.next_url()}/whatsapp/main"
                return (await self.platforms.twilio.try_once(url, form, token=sid)).is_taken

            return Said(Asked(message_id, "whatsapp", person, seq), f"tw:main:{sid}", attempt)

        return Person("whatsapp", person, say)

    def _by_mail(self, number: int) -> Person:
        person = f"person{number:02}@customer.example"
        root = f"<E-{number:02}00.{self.seed}@customer.example>"

        def say(message_id: str, seq: int, text: str) -> Said:
            own = f"<{message_id}.{self.seed}@customer.example>"
            raw = mail.mail_from(person, own, text, datetime.now(UTC), (root,) if seq else ())

            async def attempt(_number: int) -> bool:
                code, _ = await self.platforms.mail_sender.try_once(person, raw)
                return code == 250

            return Said(Asked(message_id, "email", person, seq), name_mail("help", raw), attempt)

        return Person("email", person, say)

    async def _in_browser(self, number: int) -> Person:
        address = f"198.18.{number // 250}.{number % 250}"
        visitor = WebVisitor(self._session, self.url, self.platforms.ledger, address=address)
        await visitor.open()
        self._reading.append(asyncio.create_task(visitor.read_on()))

        def say(message_id: str, seq: int, text: str) -> Said:
            client_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.seed}:{message_id}"))
            return Said(
                Asked(message_id, "web", visitor.place, seq),
                f"{visitor.place}:{client_id}",
                lambda _: visitor.say(client_id, text),
            )

        return Person("web", visitor.place, say)


def _words(channel: str, message_id: str, seq: int) -> str:
    if channel in CARRIES_OUT_ID and seq in REPEATED:
        return QUESTION
    return f"Where is my order {message_id}? My email is ann@example.com"
