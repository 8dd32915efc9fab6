"""One person on each platform, for a developer to speak as; what they do is brought as the platform brings it."""

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from hub.emulate import cloud, mail, slack, slack_changes, slack_views, telegram, telegram_changes, twilio
from hub.emulate.ledger import Sent
from hub.emulate.platforms import Platforms
from hub.emulate.telegram import MAX_TEXT_UTF16_UNITS
from hub.emulate.webhook import Delivery
from hub.emulate.world import World

Talking = Literal["slack", "telegram", "whatsapp", "email"]
TALKING: tuple[Talking, ...] = get_args(Talking)
Deed = Literal["edit", "delete", "react", "block", "unblock"]
MAX_WORDS = MAX_TEXT_UTF16_UNITS


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a person wrote, pressed or did."""

    text: str
    id: str
    """The platform's; empty for what is no message."""
    at: float
    """Monotonic seconds."""
    delivery: Delivery


class Person(Protocol):
    """Somebody on one platform."""

    name: str
    place: str
    """Their conversation, as the ledger names it."""
    last_id: str
    """The platform's id of what they wrote last."""

    def say(self, text: str) -> Delivery:
        """Write a message."""
        ...


class SlackPerson:
    """Writes direct messages to the bot."""

    def __init__(self, world: World, standin: slack.SlackStandin, url: str, number: int) -> None:
        self.name = f"U0P{number}"
        self.place = slack.direct_channel(self.name)
        self.last_id = ""
        self._written: dict[str, bytes] = {}
        self._world, self._standin, self._url = world, standin, url

    def say(self, text: str) -> Delivery:
        """Write a message."""
        self.last_id = ts = self._standin.next_ts()
        body = slack.message_event(_event_id(), self.place, self.name, ts, text)
        self._written[ts] = body
        self._standin.write(body)
        return self._bring("events", body, slack.JSON)

    def edit(self, message_id: str, text: str) -> Delivery:
        """Change a message."""
        body = slack_changes.edited(self._written[message_id], _event_id(), text, self._standin.next_ts())
        self._standin.rewrite(message_id, text)
        return self._bring("events", body, slack.JSON)

    def delete(self, message_id: str) -> Delivery:
        """Take a message back."""
        body = slack_changes.deleted(self._written[message_id], _event_id(), self._standin.next_ts())
        self._standin.rewrite(message_id, None)
        return self._bring("events", body, slack.JSON)

    def react(self, message_id: str, name: str) -> Delivery:
        """Put a reaction under any message of the conversation."""
        said = next(iter(self._written.values()))
        body = slack_changes.reacted(said, _event_id(), message_id, name, self._standin.next_ts())
        return self._bring("events", body, slack.JSON)

    def press(self, sent: Sent, value: str) -> Delivery:
        """Press a button."""
        message = self._standin.message(sent.provider_id)
        body = slack.press(message, self.name, value, self._standin.next_ts())
        return self._bring("interactivity", body, slack.FORM)

    def command(self, name: str, text: str = "") -> Delivery:
        """Give a slash command."""
        trigger = self._standin.views.trigger(self.name)
        return self._bring("commands", slack_views.command(slack.TEAM, self.name, name, text, trigger), slack.FORM)

    def open_home(self) -> Delivery:
        """Look at the app's home tab."""
        event_id = f"Ev{uuid.uuid4().hex[:12].upper()}"
        view = self._standin.views.homes.get(self.name)
        return self._bring("events", slack.home_opened(event_id, self.name, view, self._standin.next_ts()), slack.JSON)

    def press_at_home(self, label: str) -> Delivery:
        """Press a button of the home tab."""
        view, trigger = self._standin.views.homes[self.name], self._standin.views.trigger(self.name)
        button = next(one for one in slack_views.buttons_on(view) if one["text"]["text"] == label)
        body = slack_views.home_press(slack.TEAM, self.name, view, button, trigger)
        return self._bring("interactivity", body, slack.FORM)

    def submit(self, **values: str) -> Delivery:
        """Send the modal that is open, with these fields filled in."""
        view, trigger = self._standin.views.modals[self.name], self._standin.views.trigger(self.name)
        body = slack_views.submission(slack.TEAM, self.name, view, values, trigger)
        return self._bring("interactivity", body, slack.FORM)

    def _bring(self, path: str, body: bytes, media_type: str) -> Delivery:
        delivery = Delivery()
        self._world.spawn(self._standin.bring(f"{self._url}/{path}", body, media_type, delivery))
        return delivery


class TelegramPerson:
    """Writes to the bot in a private chat."""

    def __init__(
        self, world: World, standin: telegram.TelegramStandin, number: int, ids: "itertools.count[int]"
    ) -> None:
        self.name = f"person_{number}"
        self.place = str(number)
        self._world, self._standin, self._chat = world, standin, number
        self._ids = ids
        self.last_id = ""
        self._written: dict[str, dict[str, Any]] = {}

    def say(self, text: str) -> Delivery:
        """Write a message."""
        update_id = next(self._ids)
        update = telegram.text_update(update_id, self._chat, update_id, text, self._now_s)
        self.last_id = str(update_id)
        self._written[self.last_id] = update
        return self._standin.updates.add(update, self._chat)

    @property
    def _now_s(self) -> int:
        return int(self._world.clock.now().timestamp())

    def edit(self, message_id: str, text: str) -> Delivery:
        """Change a message."""
        update = telegram_changes.edited(self._written[message_id], next(self._ids), text, self._now_s)
        return self._standin.updates.add(update, self._chat)

    def react(self, message_id: str, name: str) -> Delivery:
        """Put a reaction under any message of the conversation."""
        said = next(iter(self._written.values()))
        update = telegram_changes.reacted(said, next(self._ids), int(message_id), name, self._now_s)
        return self._standin.updates.add(update, self._chat)

    def block(self) -> Delivery:
        """Block the bot: it is told, and its messages are refused."""
        self._standin.blocked_by.add(self.place)
        return self._stand(is_blocked=True)

    def unblock(self) -> Delivery:
        """Let the bot back."""
        self._standin.blocked_by.discard(self.place)
        return self._stand(is_blocked=False)

    def _stand(self, *, is_blocked: bool) -> Delivery:
        said = next(iter(self._written.values()))
        update = telegram_changes.standing(said, telegram.BOT, next(self._ids), self._now_s, is_blocked=is_blocked)
        return self._standin.updates.add(update, self._chat)

    def send_photos(self, *photos: bytes, caption: str = "") -> list[Delivery]:
        """Send photos, several of them as an album: an update each, the caption on the first (T19)."""
        album = uuid.uuid4().hex[:12] if len(photos) > 1 else None
        now_s = int(self._world.clock.now().timestamp())
        brought: list[Delivery] = []
        for number, photo in enumerate(photos):
            update_id, file_id = next(self._ids), self._standin.files.add(photo, "image/jpeg")
            text = telegram.text_update(update_id, self._chat, update_id, "" if number else caption, now_s)
            brought.append(self._standin.updates.add(telegram.photo_update(text, file_id, album), self._chat))
        return brought

    def press(self, sent: Sent, value: str) -> Delivery:
        """Press a button."""
        message = self._standin.message(sent.provider_id)
        update = telegram.press_update(next(self._ids), self._chat, message, value)
        return self._standin.updates.add(update, self._chat)


class TwilioPerson:
    """Writes to the number at Twilio; there are buttons where a content is registered that has them."""

    def __init__(self, world: World, standin: twilio.TwilioStandin, url: str, number: int) -> None:
        self.place = f"whatsapp:+49151{number % 10**8:08}"
        self.name = self.place.removeprefix("whatsapp:")
        self.last_id = ""
        self._world, self._standin, self._url = world, standin, url

    def say(self, text: str) -> Delivery:
        """Write a message."""
        self.last_id = f"SM{uuid.uuid4().hex}"
        return self._bring(twilio.text_form(self.last_id, self.place, text))

    def press(self, sent: Sent, value: str) -> Delivery:
        """Press a button, or pick from a list."""
        button = next(button for button in sent.buttons if button.value == value)
        return self._bring(twilio.press_form(f"SM{uuid.uuid4().hex}", self.place, button, len(sent.buttons)))

    def _bring(self, form: dict[str, str]) -> Delivery:
        self._standin.write(form)
        delivery = Delivery()
        self._world.spawn(self._standin.bring(self._url, form, delivery))
        return delivery

    def block(self) -> Delivery:
        """Block the number: nobody is told, and its messages are refused."""
        self._standin.blocked_by.add(self.place)
        return _untold()

    def unblock(self) -> Delivery:
        """Let the number back."""
        self._standin.blocked_by.discard(self.place)
        return _untold()


class CloudPerson:
    """Writes to the number at Meta's Cloud API, presses buttons and picks from lists."""

    def __init__(self, world: World, standin: cloud.CloudStandin, url: str, number: int) -> None:
        self.place = f"49151{number % 10**8:08}"
        self.name = f"+{self.place}"
        self.last_id = ""
        self._world, self._standin, self._url = world, standin, url
        standin.callback_url = url  # what becomes of sends is told there too

    def say(self, text: str) -> Delivery:
        """Write a message."""
        value = self._standin.written(self.place, text)
        self.last_id = str(value["messages"][0]["id"])
        return self._bring(value)

    def press(self, sent: Sent, value: str) -> Delivery:
        """Press a button, or pick from a list."""
        return self._bring(self._standin.pressed(self.place, sent.provider_id, value))

    def _bring(self, value: dict[str, Any]) -> Delivery:
        delivery = Delivery()
        self._world.spawn(self._standin.bring(self._url, [value], delivery))
        return delivery


PRESSING = SlackPerson | TelegramPerson | TwilioPerson | CloudPerson
"""Whoever is shown buttons."""


class MailPerson:
    """Writes mails; all but the first answer the last mail of the hub."""

    def __init__(self, world: World, sender: mail.MailSender, number: int) -> None:
        self.name = self.place = f"person{number}@customer.example"
        self._world, self._sender = world, sender
        self._written: list[str] = []
        self.last_id = ""

    def say(self, text: str) -> Delivery:
        """Write a mail."""
        message_id = f"<{uuid.uuid4().hex}@customer.example>"
        raw = mail.mail_from(self.place, message_id, text, self._world.clock.now(), self._thread())
        self._written.append(message_id)
        self.last_id = message_id
        delivery = Delivery()
        self._world.spawn(self._sender.bring(self.place, raw, delivery))
        return delivery

    def _thread(self) -> tuple[str, ...]:
        answers = [sent.provider_id for sent in self._world.ledger if sent.place == self.place]
        return (*self._written[:1], *answers[-1:])


def _event_id() -> str:
    return f"Ev{uuid.uuid4().hex[:12].upper()}"


def _untold() -> Delivery:
    """Return the delivery of something that the platform keeps to itself."""
    delivery = Delivery()
    delivery.note("the platform tells nobody", is_taken=True)
    return delivery


@dataclass
class Talk:
    """A person, and what they said."""

    person: Person
    said: list[Said] = field(default_factory=list)


class People:
    """Who speaks now, on each platform.

    Args:
        hub_url: where the hub is reached, without a trailing slash.
    """

    def __init__(self, platforms: Platforms, hub_url: str) -> None:
        self._platforms = platforms
        self._hub = hub_url
        # Nobody of an earlier run comes back: the hub would take their first words for known ones.
        fresh = int(platforms.world.clock.now().timestamp())
        self._numbers = itertools.count(fresh)
        self._updates = itertools.count(fresh)
        self._talks = {platform: Talk(self._meet(platform)) for platform in TALKING}

    def _meet(self, platform: Talking) -> Person:
        own, number, accounts = self._platforms, next(self._numbers), self._platforms.accounts
        match platform:
            case "slack":
                return SlackPerson(own.world, own.slack, f"{self._hub}/slack/{accounts.slack}", number)
            case "telegram":
                return TelegramPerson(own.world, own.telegram, number, self._updates)
            case "whatsapp":
                url = f"{self._hub}/whatsapp/{accounts.whatsapp}"
                if own.whatsapp_by == "cloud":
                    return CloudPerson(own.world, own.cloud, url, number)
                return TwilioPerson(own.world, own.twilio, url, number)
            case _:
                return MailPerson(own.world, own.mail_sender, number)

    def replace(self, platform: Talking) -> None:
        """Let somebody else begin a conversation."""
        self._talks[platform] = Talk(self._meet(platform))

    def say(self, platform: Talking, text: str) -> Delivery:
        """Let the person write."""
        talk = self._talks[platform]
        delivery = talk.person.say(text)
        return self._note(talk, text, delivery, talk.person.last_id)

    def do(self, platform: Talking, deed: Deed, message_id: str = "", text: str = "") -> Delivery:
        """Let the person do something to a message, or to the conversation.

        Args:
            platform: where.
            deed: what.
            message_id: which message; none for a block.
            text: the new words, or the reaction.

        Raises:
            LookupError: this platform tells no such thing, or there is no such message.
        """
        talk = self._talks[platform]
        act = getattr(talk.person, deed, None)
        if act is None or not talk.said:
            raise LookupError(f"nobody can {deed} there yet")
        told = {"edit": (message_id, text), "delete": (message_id,), "react": (message_id, text)}.get(deed, ())
        if deed == "react" and message_id not in self._known(platform):
            raise LookupError("no such message")
        return self._note(talk, f"({deed} {text})".replace(" )", ")"), act(*told))

    def _known(self, platform: Talking) -> set[str]:
        return {said.id for said in self._talks[platform].said} | {sent.provider_id for sent in self._answers(platform)}

    def press(self, platform: Talking, provider_id: str, value: str) -> Delivery:
        """Let the person press a button.

        Raises:
            LookupError: there is no such message in their conversation, or no such button below it.
        """
        talk = self._talks[platform]
        found = (
            (sent, button)
            for sent in self._answers(platform)
            for button in sent.buttons
            if (sent.provider_id, button.value) == (provider_id, value)
        )
        sent, button = next(found, (None, None))
        if sent is None or button is None or not isinstance(talk.person, PRESSING):
            raise LookupError("no such button")
        return self._note(talk, button.label, talk.person.press(sent, value))

    def _note(self, talk: Talk, text: str, delivery: Delivery, message_id: str = "") -> Delivery:
        talk.said.append(Said(text, message_id, self._platforms.world.clock.monotonic(), delivery))
        return delivery

    def _answers(self, platform: Talking) -> Sequence[Sent]:
        place = self._talks[platform].person.place
        return [sent for sent in self._platforms.ledger if sent.channel == platform and sent.place == place]

    def shown(self, platform: Talking) -> dict[str, Any]:
        """Return a conversation as a browser shows it, oldest first."""
        talk = self._talks[platform]
        told = [(said.at, _said(said)) for said in talk.said] + [
            (sent.at, _sent(sent)) for sent in self._answers(platform)
        ]
        return {"person": talk.person.name, "messages": [message for _, message in sorted(told, key=lambda x: x[0])]}


def _said(said: Said) -> dict[str, Any]:
    delivery = said.delivery
    state = {"progress": delivery.progress, "tries": delivery.tries, "last": delivery.last}
    return {"from": "person", "id": said.id, "text": said.text, **state}


def _sent(sent: Sent) -> dict[str, Any]:
    buttons = [{"label": button.label, "value": button.value} for button in sent.buttons]
    return {"from": "bot", "id": sent.provider_id, "text": sent.text, "buttons": buttons}
