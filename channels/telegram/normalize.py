"""Telegram updates -> events. Source: core.telegram.org/bots/api#update, version 10.1.

What we do not handle (votes in polls, boosts, channel posts, business and guest messages, inline queries, payments,
notices of a chat) gives `()`. A group that became a supergroup has a new id and so a new conversation, which goes on
with the old one's (T10).
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from channels.inbound import DeliveryKey
from channels.payload import load_object
from channels.telegram.attachments import attachments_of
from channels.telegram.payloads import (
    ButtonMessage,
    CallbackQuery,
    Entity,
    Member,
    MemberUpdate,
    Message,
    Reaction,
    ReactionUpdate,
    Update,
    User,
)
from core.errors import MalformedPayload
from core.events import (
    Address,
    Addressing,
    ChoiceMade,
    CommandGiven,
    ConversationMoved,
    Event,
    MembershipChanged,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
    ReactionChanged,
    Sender,
)
from core.ids import AccountName, ChannelName, EventId, conversation_id

CHANNEL = ChannelName("telegram")
ADAPTER = "telegram/1"

FAKE_USERS = frozenset({1087968824, 136817688, 777000})
"""GroupAnonymousBot, Channel_Bot and Telegram itself stand in where a chat speaks (T28); no person is behind them."""
COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]+))?")
"""T17."""
PRESENT = frozenset({"creator", "administrator", "member"})
"""Standings of somebody who is in the chat; `restricted` says so itself."""
ORDER_DIGITS = 20
"""Wide enough for any update_id, so that comparing texts compares numbers."""


@dataclass(frozen=True, slots=True)
class Bot:
    """Who we are: the settings' name for the account, and what Telegram calls us."""

    account: AccountName
    id: int
    username: str | None = None


def name_update(body: bytes, account: str) -> DeliveryKey:
    """Name an update by its id; unreadable bytes by their hash. Never raises.

    Nothing is compared with a highest id seen so far: after a quiet week ids start anywhere (T4, F064).

    >>> name_update(b'{"update_id": 7}', "support")
    DeliveryKey(primary='tg:support:7', order='00000000000000000007')
    >>> name_update(b"[]", "support").primary[:24]
    'telegram:support:sha256:'
    """
    try:
        payload = load_object(body)
    except MalformedPayload:
        payload = {}
    update_id = payload.get("update_id")
    if type(update_id) is not int or not 0 <= update_id < 2**63:
        return DeliveryKey(f"{CHANNEL}:{account}:sha256:{hashlib.sha256(body).hexdigest()}")
    return DeliveryKey(_event_id(account, update_id), str(update_id).zfill(ORDER_DIGITS))


def _event_id(account: str, update_id: int) -> str:
    return f"tg:{account}:{update_id}"


def normalize(body: bytes, bot: Bot, received_at: datetime) -> tuple[Event, ...]:
    """Translate one update; `()` for what we do not handle.

    Raises:
        MalformedPayload: not JSON, or a field that we rely on is missing or of the wrong kind.
    """
    try:
        update = Update.model_validate(load_object(body))
    except ValidationError as error:
        raise MalformedPayload(_defects(error)) from None
    return _Translation(update, bot, received_at).events()


def _defects(error: ValidationError) -> str:
    """Say where a payload is wrong, without what a customer wrote in it."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, defect['loc']))}: {defect['type']}" for defect in found)


class _Translation:
    """One update on its way to events."""

    def __init__(self, update: Update, bot: Bot, received_at: datetime) -> None:
        self._update = update
        self._bot = bot
        self._received_at = received_at

    def events(self) -> tuple[Event, ...]:
        update = self._update
        if update.message:
            return self._message(update.message)
        if update.edited_message:
            return self._edit(update.edited_message)
        if update.callback_query:
            return self._choice(update.callback_query)
        if update.my_chat_member:
            return self._standing(update.my_chat_member)
        if update.message_reaction:
            return self._reaction(update.message_reaction)
        return ()

    def _common(self, address: Address, sender: Sender, date: int | None, locale: str | None) -> dict[str, Any]:
        """Build the fields of every event; `date` in Unix seconds, None where Telegram tells none."""
        name = _event_id(self._bot.account, self._update.update_id)
        return {
            "id": EventId(name),
            "channel": CHANNEL,
            "account": self._bot.account,
            "conversation_id": conversation_id(CHANNEL, self._bot.account, _thread(address)),
            "sender": sender,
            "sent_at": self._received_at if date is None else datetime.fromtimestamp(date, UTC),
            "received_at": self._received_at,
            "locale": locale,
            "address": address,
            "adapter": ADAPTER,
            "raw_ref": name,
        }

    def _from_message(self, message: Message, date: int) -> dict[str, Any]:
        locale = message.sender.language_code if message.sender else None
        return self._common(_address(message), _author(message), date, locale)

    def _message(self, message: Message) -> tuple[Event, ...]:
        if message.new_chat_members or message.left_chat_member:
            return self._membership(message)
        if message.migrate_to_chat_id is not None or message.migrate_from_chat_id is not None:
            return (self._moved(message),)
        command = _command(message)
        automatic = self._automatic(message)
        if command and automatic is None:
            return self._command(message, command)
        attachments = attachments_of(message)
        if not message.words and not attachments:
            return ()
        return (
            MessageReceived(
                **self._from_message(message, message.date),
                message_id=str(message.message_id),
                text=message.words,
                attachments=attachments,
                album=message.media_group_id,
                in_reply_to=_in_reply_to(message),
                is_quote=_in_reply_to(message) is not None,
                quoted=_quoted(message),
                addressed=self._addressed(message),
                automatic=automatic,
            ),
        )

    def _automatic(self, message: Message) -> Literal["self", "bot"] | None:
        """Tell which machine wrote. What a chat says in its own name is nobody's question either (T28)."""
        sender = message.sender
        if sender is None or message.sender_chat or sender.id in FAKE_USERS:
            return "bot"
        if sender.id == self._bot.id:
            return "self"
        return "bot" if sender.is_bot else None

    def _command(self, message: Message, command: re.Match[str]) -> tuple[Event, ...]:
        name, addressee = command.groups()
        if addressee and not self._meant_for_us(message, addressee):
            return ()
        return (
            CommandGiven(
                **self._from_message(message, message.date),
                name=name.lower(),
                arguments=message.words[command.end() :].strip(),
            ),
        )

    def _meant_for_us(self, message: Message, addressee: str) -> bool:
        if self._bot.username is None:
            return message.chat.type == "private"  # nobody else could be meant there
        return addressee.casefold() == self._bot.username.casefold()

    def _addressed(self, message: Message) -> Addressing:
        if message.chat.type == "private":
            return "direct"
        quoted = message.reply_to_message if _in_reply_to(message) else None
        to_us = quoted is not None and quoted.sender is not None and quoted.sender.id == self._bot.id
        named = any(self._names_us(message.words, mark) for mark in message.marks)
        return "direct" if to_us or named else "ambient"

    def _names_us(self, words: str, mark: Entity) -> bool:
        if mark.type == "text_mention":
            return mark.user is not None and mark.user.id == self._bot.id
        if mark.type != "mention" or self._bot.username is None:
            return False
        return _marked(words, mark).casefold() == f"@{self._bot.username}".casefold()

    def _edit(self, message: Message) -> tuple[Event, ...]:
        """Take only changes of words: a live location that moves and changed buttons arrive here too (T20)."""
        if not message.words or message.edit_date is None or message.reply_markup:
            return ()
        return (
            MessageEdited(
                **self._from_message(message, message.edit_date),
                message_id=str(message.message_id),
                text=message.words,
                addressed=self._addressed(message),
                automatic=self._automatic(message),
            ),
        )

    def _membership(self, message: Message) -> tuple[Event, ...]:
        """Tell who came and went; our own coming and going is told once, by `my_chat_member`."""
        left = (message.left_chat_member,) if message.left_chat_member else ()
        changes: list[tuple[User, Literal["joined", "left"]]] = [
            *((user, "joined") for user in message.new_chat_members),
            *((user, "left") for user in left),
        ]
        common = self._from_message(message, message.date)
        return tuple(
            MembershipChanged(**(common | {"id": _part(common["id"], index)}), member_id=str(user.id), change=change)
            for index, (user, change) in enumerate(changes)
            if user.id != self._bot.id
        )

    def _moved(self, message: Message) -> ConversationMoved:
        """Tell that a group became a supergroup, which has another id (T10); both are told, each in its chat."""
        to, origin = message.migrate_to_chat_id, message.migrate_from_chat_id
        common = self._common({"chat_id": str(message.chat.id)}, _author(message), message.date, None)
        address = {"chat_id": str(to if to is not None else message.chat.id)}
        return ConversationMoved(
            **(common | {"address": address}),
            goes_to=conversation_id(CHANNEL, self._bot.account, str(to)) if to is not None else None,
            came_from=conversation_id(CHANNEL, self._bot.account, str(origin)) if origin is not None else None,
        )

    def _choice(self, query: CallbackQuery) -> tuple[Event, ...]:
        if not query.data:
            return ()
        place = _address(query.message) if query.message else {"chat_id": str(query.sender.id)}
        address = place | {"callback_id": query.id}
        return (
            ChoiceMade(
                **self._common(address, _person(query.sender), None, query.sender.language_code),
                token=query.data,
                label=_label(query),
                message_id=str(query.message.message_id) if query.message else None,
            ),
        )

    def _standing(self, update: MemberUpdate) -> tuple[Event, ...]:
        """Tell what became of us: blocked or back in a private chat (T9), in or out of a group."""
        common = self._common(
            {"chat_id": str(update.chat.id)}, _person(update.sender), update.date, update.sender.language_code
        )
        old, new = update.old_chat_member, update.new_chat_member
        if update.chat.type == "private":
            if (old.status == "kicked") == (new.status == "kicked"):
                return ()
            return (ReachabilityChanged(**common, change="blocked" if new.status == "kicked" else "unblocked"),)
        if _is_in(old) == _is_in(new):
            return ()
        change: Literal["joined", "left"] = "joined" if _is_in(new) else "left"
        return (MembershipChanged(**common, member_id=str(new.user.id), change=change, is_us=True),)

    def _reaction(self, update: ReactionUpdate) -> tuple[Event, ...]:
        if update.user is None:
            return ()
        old, new = (tuple(map(_reaction_name, side)) for side in (update.old_reaction, update.new_reaction))
        added, removed = tuple(r for r in new if r not in old), tuple(r for r in old if r not in new)
        if not added and not removed:
            return ()
        address = {"chat_id": str(update.chat.id)}
        common = self._common(address, _person(update.user), update.date, update.user.language_code)
        return (
            ReactionChanged(
                **common,
                message_id=str(update.message_id),
                added=added,
                removed=removed,
                within=None if update.chat.type == "private" else f"{common['conversation_id']}:",
            ),
        )


def _part(name: str, index: int) -> EventId:
    """Name one of several events of an update; the first keeps the update's own name."""
    return EventId(f"{name}:{index}" if index else name)


def _address(message: Message | ButtonMessage) -> Address:
    """Say where an answer goes. In a group it points at the message that it answers."""
    address = {"chat_id": str(message.chat.id)}
    if message.is_topic_message and message.message_thread_id is not None:
        address["message_thread_id"] = str(message.message_thread_id)
    if message.chat.type != "private" and message.message_id:
        address["reply_to"] = str(message.message_id)
    return address


def _thread(address: Address) -> str:
    """Name a conversation inside the account: a chat, or one topic of a forum.

    >>> _thread({"chat_id": "-100", "message_thread_id": "7"})
    '-100:7'
    """
    topic = address.get("message_thread_id")
    return f"{address['chat_id']}:{topic}" if topic else address["chat_id"]


def _person(user: User) -> Sender:
    name = " ".join(part for part in (user.first_name, user.last_name) if part)
    return Sender(id=str(user.id), display_name=name or None)


def _author(message: Message) -> Sender:
    """Name the author; a chat that speaks in its own name is not a person and must not look like one (T28)."""
    if message.sender_chat or message.sender is None:
        return Sender(id=f"chat:{(message.sender_chat or message.chat).id}")
    return _person(message.sender)


def _command(message: Message) -> re.Match[str] | None:
    """Find a command: only the very start of a text is one, and only where Telegram marked it (T17)."""
    if not any(mark.type == "bot_command" and mark.offset == 0 for mark in message.entities):
        return None
    return COMMAND.match(message.text or "")


def _marked(words: str, mark: Entity) -> str:
    """Cut an entity out of its text; offsets count UTF-16 units (T12)."""
    units = words.encode("utf-16-le")
    return units[2 * mark.offset : 2 * (mark.offset + mark.length)].decode("utf-16-le", "replace")


def _in_reply_to(message: Message) -> str | None:
    """Return what is replied to; every message of a topic seems to reply to the notice that opened it."""
    quoted = message.reply_to_message
    if quoted is None or quoted.forum_topic_created is not None:
        return None
    return str(quoted.message_id)


def _quoted(message: Message) -> str | None:
    """Return what is replied to: the part that was marked, else all of it."""
    if message.reply_to_message is None or _in_reply_to(message) is None:
        return None
    whole = message.reply_to_message.text or message.reply_to_message.caption
    return message.quote.text if message.quote is not None and message.quote.text else whole


def _label(query: CallbackQuery) -> str | None:
    if query.message is None or query.message.reply_markup is None:
        return None
    buttons = (button for row in query.message.reply_markup.inline_keyboard for button in row)
    return next((button.text for button in buttons if button.callback_data == query.data), None)


def _is_in(member: Member) -> bool:
    return member.status in PRESENT or (member.status == "restricted" and member.is_member)


def _reaction_name(reaction: Reaction) -> str:
    return reaction.emoji or (f"custom:{reaction.custom_emoji_id}" if reaction.custom_emoji_id else reaction.type)
