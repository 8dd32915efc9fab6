"""The slice of Meta's webhooks that we read; whatever else is in them is left alone.

Every text that may be missing for a person who hides their number is optional (CHANNELS 3.3).
Source: developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_THINGS = 1000
"""Messages and statuses of one POST that are read. Meta sends far fewer; bounds what one body can cause."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


Id = Annotated[str, Field(min_length=1, max_length=512)]
Party = Annotated[str, Field(min_length=1, max_length=256)]
"""`wa_id` (digits), or a business-scoped user id such as `US.13491208655302741918`."""


class Profile(_Part):
    """How a person shows themselves."""

    name: str | None = None
    username: str | None = None


class Contact(_Part):
    """Who wrote."""

    profile: Profile = Profile()
    wa_id: str | None = None
    user_id: str | None = None


class Context(_Part):
    """The message that is quoted; a forwarded one has none."""

    id: str | None = None


class Fault(_Part):
    """Something that Meta could not do."""

    code: int


class Content(_Part):
    """What a message says; the field named like its type is there."""

    type: str
    text: dict[str, Any] = {}
    image: dict[str, Any] = {}
    video: dict[str, Any] = {}
    audio: dict[str, Any] = {}
    document: dict[str, Any] = {}
    sticker: dict[str, Any] = {}
    location: dict[str, Any] = {}
    contacts: tuple[dict[str, Any], ...] = ()
    order: dict[str, Any] = {}
    system: dict[str, Any] = {}
    unsupported: dict[str, Any] = {}
    context: Context = Context()


class Button(_Part):
    """A template's quick reply."""

    payload: Id
    text: str | None = None


class Picked(_Part):
    """A reply button, or a row of a list."""

    id: Id
    title: str | None = None


class Interactive(_Part):
    """What somebody did with an interactive message."""

    type: str
    button_reply: Picked | None = None
    list_reply: Picked | None = None
    nfm_reply: dict[str, Any] = {}


class Reaction(_Part):
    """An emoji under a message; none when it was taken back."""

    message_id: Id
    emoji: str | None = None


class Revoke(_Part):
    """A message that was taken back."""

    original_message_id: Id


class Edit(_Part):
    """A message's new content."""

    original_message_id: Id
    message: Content


class Message(Content):
    """What a person sent, or what our people sent with the app on their phone (an echo)."""

    id: Id
    timestamp: Annotated[int, Field(ge=0, le=253402300799)]
    """Seconds; a string in the payload."""
    from_: Party | None = Field(default=None, alias="from")
    from_user_id: Party | None = None
    to: Party | None = None
    to_user_id: Party | None = None
    group_id: str | None = None
    button: Button | None = None
    interactive: Interactive | None = None
    reaction: Reaction | None = None
    edit: Edit | None = None
    revoke: Revoke | None = None
    errors: tuple[Fault, ...] = ()


class Status(_Part):
    """What became of something we sent."""

    id: Id
    status: str
    timestamp: Annotated[int, Field(ge=0, le=253402300799)]
    recipient_id: Party | None = None
    recipient_user_id: Party | None = None
    biz_opaque_callback_data: str | None = None
    """What we gave along with the send."""
    errors: tuple[Fault, ...] = ()


class Metadata(_Part):
    """Which number of ours this is about."""

    phone_number_id: str
    display_phone_number: str | None = None


class Value(_Part):
    """What happened at one number."""

    metadata: Metadata | None = None
    contacts: tuple[Contact, ...] = ()
    messages: tuple[dict[str, Any], ...] = ()
    """Each is read for itself: one that cannot be read does not take the others with it."""
    message_echoes: tuple[dict[str, Any], ...] = ()
    statuses: tuple[Status, ...] = ()


class Change(_Part):
    """One change; `value` is read where the field is one of ours."""

    field: str
    value: dict[str, Any] = {}


class Entry(_Part):
    """The changes of one WhatsApp Business Account."""

    changes: tuple[Change, ...] = ()


class Webhook(_Part):
    """A whole POST: several entries, changes, messages and statuses."""

    object: Literal["whatsapp_business_account"]
    entry: tuple[Entry, ...] = ()
