"""What happened, in our words: the one event model behind every channel.

An `Event` is made by a channel's `normalize` and never changes. Its `id` comes from the platform's own ids and is the
same under redelivery, so it is also the idempotency key. The union is versioned; `frontdesk schema` prints its schema.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from core.ids import AccountName, ChannelName, ConversationId, EventId, OutId
from core.model import AwareDatetime, Json, Model

Address = dict[str, str]
"""Where a reply goes, in the channel's own terms (Slack: channel and thread_ts). Opaque outside that channel."""

Automatic = Literal[
    "self", "bot", "auto_reply", "auto_generated", "bounce", "list", "feedback_report", "read_receipt", "challenge"
]
"""Which machine wrote a message. Machines are recorded and never answered."""

Addressing = Literal["direct", "thread", "ambient"]
"""`direct`: meant for us (direct message, mention, mail, command). `thread`: only where we already take part.
`ambient`: people talking to each other."""


VerifiedBy = Literal["platform", "signed_token", "domain", "none", "refuted"]
"""`domain`: the domain of a mail's From vouches for it (DMARC). `none`: the id is only claimed, as From is by itself.
`refuted`: that was checked and does not hold."""


class Sender(Model):
    """Who wrote: the platform's id, and how far that id is proven."""

    id: str
    display_name: str | None = None
    verified_by: VerifiedBy = "platform"


AttachmentKind = Literal["file", "image", "audio", "voice", "video", "sticker", "location", "contact", "other"]
"""What somebody sent beside words; `other` is what we cannot show, by the platform's name for it."""


class Attachment(Model):
    """A file somebody sent: a reference and what the platform claims about it. Never fetched here, never trusted."""

    reference: str
    """The platform's id or URL, without any credential."""
    media_type: str | None = None
    name: str | None = None
    size_bytes: int | None = None
    kind: AttachmentKind = "file"
    details: dict[str, Json] = {}
    """What the kind needs: latitude and longitude of a location, the name of a contact."""


class FailedDelivery(Model):
    """What a report says of a mail that did not arrive (RFC 3464)."""

    recipients: tuple[str, ...]
    """Addresses that it may have been for, in lower case; the one that we wrote to comes first where it is named."""
    is_permanent: bool
    """5.x.x; else delivery was given up after 4.x.x."""
    out_ids: tuple[OutId, ...]
    """Our names of mails that the report quotes."""


class EventBase(Model):
    """The fields of every event."""

    schema_version: Literal[1] = 1
    id: EventId
    """Stable under redelivery; built from the platform's ids."""
    channel: ChannelName
    account: AccountName
    """Our identity there, by its name in the settings: workspace, bot, number, mailbox, widget."""
    conversation_id: ConversationId
    """`{channel}:{account}:{thread}`."""
    sender: Sender
    sent_at: AwareDatetime
    """The sender's clock, as the platform reports it."""
    received_at: AwareDatetime
    """Our clock."""
    locale: str | None = None
    """BCP 47, as the platform reports it; a hint, not a language detection."""
    address: Address = {}
    adapter: str
    """Adapter and version that made the event: `slack/1`."""
    raw_ref: str | None = None
    """The inbox row that holds the raw bytes."""


class Companion(Model):
    """Another message of an album, whose files were gathered into the first one."""

    id: EventId
    raw_ref: str | None = None
    attachments: int
    """How many of the gathered files are its own."""


class MessageReceived(EventBase):
    """Somebody wrote, with or without files."""

    kind: Literal["message"] = "message"
    message_id: str
    text: str = ""
    """What the person wrote now; a mail's quoted history is cut."""
    full_text: str | None = None
    """The whole text where `text` is a cut of it."""
    subject: str | None = None
    attachments: tuple[Attachment, ...] = ()
    album: str | None = None
    """Messages with the same one were sent as one (T19). Empty where the platform gives it no name: then what comes
    close together belongs together."""
    companions: tuple[Companion, ...] = ()
    """The other messages of the album, in order; their files stand at the end of `attachments`."""
    in_reply_to: str | None = None
    """The platform id of the message that is quoted or replied to."""
    is_quote: bool = False
    """`in_reply_to` was picked out by the person, and is not only where the message stands."""
    quoted: str | None = None
    """What the picked message says; None until the hub has looked, where the platform gives its id alone."""
    addressed: Addressing = "direct"
    automatic: Automatic | None = None
    failed_delivery: FailedDelivery | None = None
    """Of a bounce that says whom it is about and quotes a mail of ours."""
    answered_by_platform: bool = False
    """A word that the platform itself answers, such as HELP by SMS."""
    versions: tuple[str, ...] = ()
    """What it said before it was edited, where that was known before it had its turn; oldest first."""
    is_deleted: bool = False
    """It was taken back before it had its turn."""
    is_late: bool = False
    """One that was written later had its turn before."""


class ChoiceMade(EventBase):
    """Somebody pressed a button or picked from a list."""

    kind: Literal["choice"] = "choice"
    token: str
    """What we put into the button."""
    label: str | None = None
    message_id: str | None = None
    """The message that carried the button."""


class CommandGiven(EventBase):
    """Somebody used a platform command: `/start`, a Slack slash command."""

    kind: Literal["command"] = "command"
    name: str
    """Without the slash, lower case."""
    arguments: str = ""


class FormSubmitted(EventBase):
    """Somebody filled in a form that we showed, and it could be taken."""

    kind: Literal["form"] = "form"
    form: str
    """The name of the form, which is its intent's."""
    fields: dict[str, str]
    """What was filled in, by slot."""


class MessageEdited(EventBase):
    """A message has a new text."""

    kind: Literal["edited"] = "edited"
    message_id: str
    text: str
    addressed: Addressing = "direct"
    """Of the message as it reads now."""
    was_addressed: Addressing | None = None
    """Of the message as it read before, where the platform tells it."""
    automatic: Automatic | None = None
    was: str | None = None
    """What the transcript has of the message; None until the hub has looked."""


class MessageDeleted(EventBase):
    """A message was taken back."""

    kind: Literal["deleted"] = "deleted"
    message_id: str
    addressed: Addressing = "direct"
    """Of the message as it was."""
    was: str | None = None
    """What the transcript has of the message; None until the hub has looked."""
    is_unanswered: bool = False
    """No part of the answer has left yet."""


class ReactionChanged(EventBase):
    """Somebody set or removed reactions on a message."""

    kind: Literal["reaction"] = "reaction"
    message_id: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    is_whole: bool = False
    """`added` is all that this person has there now: the platform allows one, and does not say which went."""
    within: str | None = None
    """How the names of further conversations begin that the message may be in: platforms do not tell its thread."""


class ConversationOpened(EventBase):
    """Somebody opened the conversation without writing yet (widget opened, app home, Start pressed by a link)."""

    kind: Literal["opened"] = "opened"
    payload: str | None = None
    """What the link or widget carried along."""


class MembershipChanged(EventBase):
    """Somebody, perhaps we, joined or left."""

    kind: Literal["membership"] = "membership"
    member_id: str
    change: Literal["joined", "left"]
    is_us: bool = False


class ConversationMoved(EventBase):
    """The platform has given a conversation another name; told in the old one, in the new one, or in both."""

    kind: Literal["moved"] = "moved"
    came_from: ConversationId | None = None
    """This is the new one; its `address` is good."""
    goes_to: ConversationId | None = None
    """This is the old one; `address` is where it goes on."""


class ReachabilityChanged(EventBase):
    """The person blocked us, opted out, left their platform, or came back."""

    kind: Literal["reachability"] = "reachability"
    change: Literal["blocked", "unblocked", "opted_out", "opted_in", "gone"]
    text: str = ""
    """The word that said so, where it was a word."""
    answered_by_platform: bool = False
    """The platform keeps the list and tells the person so."""


class DeliveryStatusChanged(EventBase):
    """The platform tells what became of something we sent."""

    kind: Literal["delivery_status"] = "delivery_status"
    status: Literal["sent", "delivered", "read", "failed"]
    provider_id: str
    """The platform's id of our message."""
    out_id: OutId | None = None
    """Our own id where the platform carries it back."""
    error_code: str | None = None
    unreachable: bool = False
    """It failed because this person cannot be reached any more."""
    window_closed: bool = False
    """It failed because the person's service window was shut."""


Event = Annotated[
    MessageReceived
    | ChoiceMade
    | CommandGiven
    | FormSubmitted
    | MessageEdited
    | MessageDeleted
    | ReactionChanged
    | ConversationOpened
    | MembershipChanged
    | ConversationMoved
    | ReachabilityChanged
    | DeliveryStatusChanged,
    Field(discriminator="kind"),
]


def names_of(event: Event) -> tuple[EventId, ...]:
    """Return the ids of all that was said by an event: its own, and those of its companions."""
    companions = event.companions if isinstance(event, MessageReceived) else ()
    return (event.id, *(companion.id for companion in companions))


EVENT_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)
"""Validates and serialises any event; the source of the published JSON Schema."""
