"""The slice of Slack's payloads that we read. Unknown fields are ignored, missing ones are the normaliser's to judge.

Sources under docs.slack.dev: apis/events-api (envelope, CHANNELS S1), reference/events/message (S9 to S13),
reference/interaction-payloads/block_actions-payload (S20, S25), interactivity/implementing-slash-commands (S26).
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from channels.payload import clean_text, load_object
from core.errors import MalformedPayload

ENVELOPE_HEADER = "x-frontdesk-envelope"
"""Set by us on what came through Socket Mode: its envelope type. Never taken from an HTTP request."""
EVENTS_API = "events_api"
INTERACTIVE = "interactive"
SLASH_COMMANDS = "slash_commands"
"""The three envelope types; docs.slack.dev/apis/events-api/using-socket-mode."""
MAX_FORM_FIELDS = 100
"""A slash command has about 15 fields."""
PERSON_IDS = ("U", "W")
"""First letters of a person's id. Given as a channel it means the direct messages with them."""
DIRECT_IDS = ("D", *PERSON_IDS)
"""First letters of what names a direct message; docs.slack.dev/reference/objects/conversation-object."""


FORM = "form:"
"""Begins the `callback_id` of our modals, and the `action_id` of a button that opens one; the form's name follows."""
ASK = "ask:"
"""Begins the `action_id` of a button that gives a command, which is its value."""


class Slice(BaseModel):
    """The part of a payload that we read."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class Authorization(Slice):
    """The installation that an event was sent to; only the first is listed (S2)."""

    user_id: str | None = None
    is_bot: bool | None = None


class BotProfile(Slice):
    """Whose bot wrote a message."""

    app_id: str | None = None


class File(Slice):
    """A file of a message (S15)."""

    id: str
    name: str | None = None
    title: str | None = None
    mimetype: str | None = None
    size: int | None = None
    subtype: str | None = None


class Message(Slice):
    """A message as `message_changed` and `message_deleted` enclose it."""

    ts: str | None = None
    thread_ts: str | None = None
    user: str | None = None
    text: str | None = None
    subtype: str | None = None
    bot_id: str | None = None
    app_id: str | None = None
    bot_profile: BotProfile | None = None
    edited: dict[str, Any] | None = None


Enclosed = Annotated[Message | None, BeforeValidator(lambda value: None if value == [] else value)]
"""A message inside an event. Slack writes an empty one as a list: the `previous_message` of some tombstones."""


class MessageEvent(Message):
    """`message` and `app_mention`."""

    type: str
    channel: str
    channel_type: str | None = None
    event_ts: str | None = None
    deleted_ts: str | None = None
    files: tuple[File, ...] | None = None
    message: Enclosed = None
    previous_message: Enclosed = None


class ReactionItem(Slice):
    """What a reaction is on: a message, or a file, which has neither channel nor ts."""

    type: str | None = None
    channel: str | None = None
    ts: str | None = None


class ReactionEvent(Slice):
    """`reaction_added` and `reaction_removed`."""

    user: str
    reaction: str
    item: ReactionItem
    event_ts: str


class MemberEvent(Slice):
    """`member_joined_channel` and `member_left_channel`."""

    user: str
    channel: str
    event_ts: str | None = None


class ChangedPerson(Slice):
    """A person of the workspace; `deleted` when their account was deactivated."""

    id: str
    deleted: bool = False


class PersonEvent(Slice):
    """`user_change`."""

    user: ChangedPerson
    event_ts: str | None = None


class LeftEvent(Slice):
    """`channel_left` and `group_left`: we were removed."""

    channel: str
    event_ts: str | None = None


class HomeEvent(Slice):
    """`app_home_opened` (S16)."""

    user: str
    channel: str
    tab: str | None = None
    event_ts: str | None = None


class EventCallback(Slice):
    """The envelope of the Events API (S1)."""

    team_id: str | None = None
    api_app_id: str | None = None
    authorizations: tuple[Authorization, ...] | None = None
    event: dict[str, Any]

    @property
    def bot_user(self) -> str | None:
        """Return the user id of our bot, where the envelope tells it."""
        first = self.authorizations[0] if self.authorizations else None
        return first.user_id if first is not None and first.is_bot is not False else None


class Person(Slice):
    """Who pressed."""

    id: str
    username: str | None = None
    name: str | None = None


class Label(Slice):
    """A plain text object."""

    text: str | None = None


class Option(Slice):
    """A picked entry of a select or radio group."""

    value: str | None = None
    text: Label | None = None


class BlockAction(Slice):
    """One used element of a message."""

    action_id: str | None = None
    value: str | None = None
    text: Label | None = None
    selected_option: Option | None = None
    action_ts: str | None = None


class Filled(Slice):
    """What stands in one element of a modal."""

    value: str | None = None
    selected_option: Option | None = None


class ViewState(Slice):
    """All that stands in a modal: `block_id` -> `action_id` -> element."""

    values: dict[str, dict[str, Filled]] = {}


class View(Slice):
    """A modal that was submitted (S23)."""

    callback_id: str | None = None
    state: ViewState = ViewState()


class Submission(Slice):
    """`view_submission`; docs.slack.dev/reference/interaction-payloads/view-interactions-payload."""

    user: "Person"
    view: View


class Shortcut(Slice):
    """`shortcut`: a global one; docs.slack.dev/reference/interaction-payloads/shortcuts-interaction-payload."""

    user: "Person"
    callback_id: str


class Container(Slice):
    """Where the used element sits; an ephemeral message has no `message` (S24), a modal no channel (S23)."""

    type: str | None = None

    channel_id: str | None = None
    message_ts: str | None = None
    thread_ts: str | None = None


class NamedChannel(Slice):
    """The channel of an interaction."""

    id: str


class BlockActions(Slice):
    """`block_actions`."""

    user: Person
    container: Container = Container()
    channel: NamedChannel | None = None
    message: Message | None = None
    actions: tuple[BlockAction, ...] = ()


class SlashCommand(Slice):
    """A slash command; over HTTP plain form fields, in Socket Mode the same as JSON."""

    command: str
    text: str | None = None
    user_id: str
    user_name: str | None = None


_Slice = TypeVar("_Slice", bound=Slice)


def read(model: type[_Slice], payload: Mapping[str, Any]) -> _Slice:
    """Read the slice out of a payload.

    Raises:
        MalformedPayload: a field that Slack promises is missing or of another type.
    """
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, entry["loc"])) for entry in error.errors()[:3])
        raise MalformedPayload(f"{model.__name__}: {places}") from error


def read_payload(body: bytes, headers: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the envelope type and the payload of what Slack handed us, whichever way it came.

    Over HTTP the body tells: an object is the Events API, a form with `payload` an interaction, another form a command.

    Raises:
        MalformedPayload: neither JSON nor such a form.
    """
    if (envelope := headers.get(ENVELOPE_HEADER)) is not None:
        return envelope, load_object(body)
    if body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return EVENTS_API, load_object(body)
    return _read_form(body)


def _read_form(body: bytes) -> tuple[str, dict[str, Any]]:
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)
    except ValueError as error:
        raise MalformedPayload(f"not readable as a form: {type(error).__name__}") from error
    if "payload" in fields:
        return INTERACTIVE, load_object(fields["payload"][-1].encode("utf-8", "replace"))
    if "command" in fields:
        return SLASH_COMMANDS, {clean_text(name): clean_text(values[-1]) for name, values in fields.items()}
    raise MalformedPayload("a form without payload or command")


def text_at(payload: Mapping[str, Any], *path: str) -> str | None:
    """Follow keys into a payload; None unless a non-empty text is found there.

    >>> text_at({"event": {"ts": "1.2"}}, "event", "ts"), text_at({"event": 5}, "event", "ts")
    ('1.2', None)
    """
    value: Any = payload
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) and value else None


def installation_of(payload: Mapping[str, Any]) -> str | None:
    """Return the id of the workspace, or of the organisation, whose installation a payload was sent to.

    `authorizations[0]` decides (S2). Interactions and commands have none and name theirs at the top; the events that
    end an installation may name nothing but the organisation (S17).

    >>> installation_of({"team_id": "T2", "authorizations": [{"team_id": "T1"}]})
    'T1'
    >>> installation_of({"team_id": "T1", "enterprise_id": "E1", "is_enterprise_install": "true"})
    'E1'
    """
    listed = payload.get("authorizations")
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else payload
    enterprise = text_at(first, "enterprise_id") or text_at(first, "enterprise", "id")
    if enterprise and first.get("is_enterprise_install") in (True, "true"):
        return enterprise
    return text_at(first, "team_id") or text_at(first, "team", "id") or text_at(first, "user", "team_id") or enterprise
