"""The slice of Messenger's webhooks that we read; whatever else is in them is left alone.

Source: developers.facebook.com/docs/messenger-platform/reference/webhook-events and the page of each event below it,
read 2026-11.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_EVENTS = 1000
"""Events of one POST that are read. Meta sends far fewer; bounds what one body can cause."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


Id = Annotated[str, Field(min_length=1, max_length=512)]
Milliseconds = Annotated[int, Field(ge=0, le=253402300799999)]
"""Since 1970; some events write it as a string."""


class Party(_Part):
    """A person by their page-scoped id, or the Page by its own."""

    id: Id | None = None
    user_ref: Id | None = None
    """Of somebody who came by a plugin on a web page and has no id yet."""


class QuickReply(_Part):
    """The quick reply that was tapped; its title is the message's text."""

    payload: Id


class Quoted(_Part):
    """The message that is replied to."""

    mid: Id


class Message(_Part):
    """What somebody wrote. As an echo (`is_echo`) it is what the Page sent, by this app or by another hand."""

    mid: Id
    text: str | None = None
    quick_reply: QuickReply | None = None
    reply_to: Quoted | None = None
    attachments: tuple[dict[str, Any], ...] = ()
    is_echo: bool = False
    metadata: str | None = None
    """What we gave along with the send; only in echoes."""


class Referral(_Part):
    """How somebody came: an m.me link, an advertisement, a QR code."""

    ref: str | None = None


class Postback(_Part):
    """A button of a template, the Get Started button, or an entry of the persistent menu."""

    payload: Id | None = None
    title: str | None = None
    mid: Id | None = None
    referral: Referral | None = None


class Delivery(_Part):
    """What arrived: by its ids where the app on the phone tells them, in any case all before `watermark`."""

    mids: tuple[Id, ...] = ()
    watermark: Milliseconds


class Read(_Part):
    """All that was sent before `watermark` was read; no message is named."""

    watermark: Milliseconds


class Reaction(_Part):
    """An emoji under a message."""

    mid: Id
    action: Literal["react", "unreact"]
    emoji: str | None = None
    reaction: str | None = None
    """Meta's word for it: `love`, `other`."""


class Edit(_Part):
    """The new text of a message."""

    mid: Id
    text: str
    num_edit: int = 1


class Happening(_Part):
    """One entry of `messaging`; the field named like the event is there."""

    sender: Party = Party()
    recipient: Party = Party()
    timestamp: Milliseconds
    message: Message | None = None
    postback: Postback | None = None
    delivery: Delivery | None = None
    read: Read | None = None
    reaction: Reaction | None = None
    message_edit: Edit | None = None
    referral: Referral | None = None


class Entry(_Part):
    """What happened at one Page. `standby` is left alone: there another app has the conversation."""

    id: Id
    messaging: tuple[dict[str, Any], ...] = ()
    """Each is read for itself: one that cannot be read does not take the others with it."""


class Webhook(_Part):
    """A whole POST: entries of several Pages, several events in each."""

    object: Literal["page"]
    entry: tuple[Entry, ...] = ()
