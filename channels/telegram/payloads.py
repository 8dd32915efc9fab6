"""The slice of a Bot API `Update` that we read. Source: core.telegram.org/bots/api#update, version 10.1.

Unknown fields are ignored and nothing is required that we do not use: new Bot API versions must not break us (T8).
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

ID_LIMIT = 2**53
"""Ids have up to 52 significant bits; groups are negative (T11)."""
LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z, the last second that a datetime can hold."""

Id = Annotated[int, Field(strict=True, gt=-ID_LIMIT, lt=ID_LIMIT)]
UpdateId = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Seconds = Annotated[int, Field(strict=True, ge=0, le=LAST_SECOND)]
Units = Annotated[int, Field(strict=True, ge=0)]
"""UTF-16 code units."""


class Payload(BaseModel):
    """A part of an update."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class User(Payload):
    """A person or a bot."""

    id: Id
    is_bot: bool = False
    first_name: str = ""
    last_name: str | None = None
    language_code: str | None = None


class Chat(Payload):
    """Where a message stands: `private`, `group`, `supergroup` or `channel`."""

    id: Id
    type: str


class Entity(Payload):
    """A special part of a text; offset and length count UTF-16 units (T12)."""

    type: str
    offset: Units
    length: Units
    user: User | None = None


class Quoted(Payload):
    """The message that is replied to; in a forum topic without a reply: the one that opened the topic."""

    message_id: Id
    sender: User | None = Field(default=None, alias="from")
    forum_topic_created: Any = None
    text: str | None = None
    caption: str | None = None


class TextQuote(Payload):
    """The part of a message that a person marked before replying to it."""

    text: str = ""


class Button(Payload):
    """One button under a message."""

    text: str = ""
    callback_data: str | None = None


class Keyboard(Payload):
    """The buttons under a message, row by row."""

    inline_keyboard: tuple[tuple[Button, ...], ...] = ()


class File(Payload):
    """Any file: photo size, document, voice, video, video note, audio, animation, sticker."""

    file_id: str
    file_size: int | None = None
    mime_type: str | None = None
    file_name: str | None = None
    duration: int | None = None
    emoji: str | None = None


class Location(Payload):
    """A point on the map; `live_period` in seconds is set where it moves."""

    latitude: float
    longitude: float
    live_period: int | None = None


class Venue(Payload):
    """A place with a name; its point also stands in the message's `location`."""

    title: str = ""
    address: str = ""


class Contact(Payload):
    """A card of the address book."""

    phone_number: str
    first_name: str = ""
    last_name: str | None = None
    user_id: Id | None = None


class Message(Payload):
    """A message, or the notice of something that happened in the chat. What else it has is kept by its name."""

    model_config = ConfigDict(extra="allow", frozen=True)

    message_id: Id
    date: Seconds
    chat: Chat
    sender: User | None = Field(default=None, alias="from")
    sender_chat: Chat | None = None
    message_thread_id: Id | None = None
    is_topic_message: bool = False
    edit_date: Seconds | None = None
    reply_to_message: Quoted | None = None
    quote: TextQuote | None = None
    reply_markup: Keyboard | None = None
    media_group_id: str | None = None
    text: str | None = None
    caption: str | None = None
    entities: tuple[Entity, ...] = ()
    caption_entities: tuple[Entity, ...] = ()
    photo: tuple[File, ...] = ()
    document: File | None = None
    animation: File | None = None
    voice: File | None = None
    audio: File | None = None
    video: File | None = None
    video_note: File | None = None
    sticker: File | None = None
    location: Location | None = None
    venue: Venue | None = None
    contact: Contact | None = None
    new_chat_members: tuple[User, ...] = ()
    left_chat_member: User | None = None
    migrate_to_chat_id: Id | None = None
    """In the group that becomes a supergroup (T10)."""
    migrate_from_chat_id: Id | None = None
    """In the supergroup that was a group."""

    @property
    def other_fields(self) -> frozenset[str]:
        """Return the names of what we do not read."""
        return frozenset(self.model_extra or ())

    @property
    def words(self) -> str:
        """Return what the person wrote, as text or under a file."""
        return self.text or self.caption or ""

    @property
    def marks(self) -> tuple[Entity, ...]:
        """Return the entities of `words`."""
        return self.entities if self.text else self.caption_entities


class ButtonMessage(Payload):
    """The message whose button was pressed; when Telegram forgot it, only chat and id remain and `date` is 0 (T15)."""

    message_id: Id
    chat: Chat
    message_thread_id: Id | None = None
    is_topic_message: bool = False
    reply_markup: Keyboard | None = None


class CallbackQuery(Payload):
    """A button was pressed; `data` can be forged by a client (T15)."""

    id: str
    sender: User = Field(alias="from")
    message: ButtonMessage | None = None
    data: str | None = None


class Member(Payload):
    """Somebody's standing in a chat."""

    user: User
    status: str
    is_member: bool = False
    """Only where `status` is `restricted`."""


class MemberUpdate(Payload):
    """Our own standing in a chat changed."""

    chat: Chat
    sender: User = Field(alias="from")
    date: Seconds
    old_chat_member: Member
    new_chat_member: Member


class Reaction(Payload):
    """One reaction: an emoji, a custom one, or a paid star."""

    type: str
    emoji: str | None = None
    custom_emoji_id: str | None = None


class ReactionUpdate(Payload):
    """A person's reactions on one message, before and after; anonymous ones have no `user`."""

    chat: Chat
    message_id: Id
    user: User | None = None
    date: Seconds
    old_reaction: tuple[Reaction, ...] = ()
    new_reaction: tuple[Reaction, ...] = ()


class Update(Payload):
    """One update: at most one of the kinds that we handle is set."""

    update_id: UpdateId
    message: Message | None = None
    edited_message: Message | None = None
    callback_query: CallbackQuery | None = None
    my_chat_member: MemberUpdate | None = None
    message_reaction: ReactionUpdate | None = None


HANDLED_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member", "message_reaction")
"""What we subscribe to, explicitly at every start (T5): the fields of `Update`."""


class Me(Payload):
    """The answer to getMe."""

    username: str = ""


class WebhookInfo(Payload):
    """The answer to getWebhookInfo."""

    url: str = ""
    allowed_updates: tuple[str, ...] = ()
    pending_update_count: int = 0
    last_error_date: Seconds | None = None
    last_error_message: str = "no reason given"
