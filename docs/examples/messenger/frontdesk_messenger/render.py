"""Reply -> calls of the Send API. Pure.

Files come first, each as a message of its own. Up to three choices under a short text are buttons, which stay; up to
thirteen are quick replies, which go once one is tapped. What does not fit them stands in the text as well, numbered. So
nothing is ever cut out of a message.
Source: developers.facebook.com/docs/messenger-platform/reference/send-api, .../send-messages/quick-replies and
.../send-messages/template/button, read 2026-11.
"""

from collections.abc import Mapping, Sequence

from channels.inbound import Pace, TypingAbility
from channels.menus import fits, is_blank, numbered, one_line, short_labels
from channels.payload import clean_text
from core.events import Address, Attachment
from core.model import Json
from core.ports import Escape, Words
from core.replies import ApiCall, Choice, Reply

from frontdesk_messenger.parts import split_text, utf16_units

METHOD = "messages"
MAX_TEXT = 2000
"""Characters of a text; counted in UTF-16 units, the stricter way."""
MAX_BUTTONS = 3
"""Of a button template."""
MAX_TEMPLATE_TEXT = 640
"""Characters above the buttons of a template."""
MAX_QUICK_REPLIES = 13
MAX_TITLE = 20
"""Characters of a button, and of a quick reply."""
ADDRESSES = ("https://", "http://")
"""How a file's reference begins that Meta can fetch; what another platform calls it says nothing here."""
FILES: Mapping[str, str] = {"image": "image", "audio": "audio", "voice": "audio", "video": "video", "sticker": "image"}
"""Kind of an attachment to what the Send API calls it; all others are a `file`."""
PAGE_PACE = Pace(per_s=300.0, burst=50)
"""300 calls a second for a Page (overview/rate-limiting). How short a burst may be is not said; 50 is our choice."""
PERSON_PACE = Pace(per_s=1.0, burst=5)
"""An app "may be rate limited if too many messages are sent to a single thread"; how many is our guess."""
TYPING = TypingAbility(renew_every_s=15.0)
"""The dots go after 20 seconds or with the next message; .../send-messages/sender-actions."""


def plain(text: str) -> str:
    """Return a text as it is: Messenger reads no markup in what the Send API sends."""
    return clean_text(text)


ESCAPES: Mapping[str, Escape] = {"text": plain}


def render(reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
    """Give a reply its shape: files, then the words in as many messages as they need, choices on the last.

    Args:
        reply: what to say.
        words: its words; the block `text` is used.
        address: the recipient as the Send API takes it: `id`, or `user_ref`.
    """
    text, choices = clean_text(words.block("text")).strip(), reply.choices
    if choices and (is_blank(text) or not _fit(choices)):
        text = f"{text}\n\n{numbered(choices, plain)}".strip()
    files = [_file(file) for file in reply.attachments if file.reference.startswith(ADDRESSES)]
    if not text and files:
        return tuple(_call(message, reply, address) for message in files)
    *before, last = split_text(text, MAX_TEXT) or ("",)
    messages = [*files, *map(_text, before), _with_choices(last, choices)]
    return tuple(_call(message, reply, address) for message in messages)


def _fit(choices: Sequence[Choice]) -> bool:
    """Tell whether every choice is told whole, and apart from the others, by its button."""
    labels = {one_line(choice.label) for choice in choices}
    return len(choices) <= MAX_QUICK_REPLIES and len(labels) == len(choices) and fits(choices, MAX_TITLE, utf16_units)


def _file(file: Attachment) -> dict[str, Json]:
    """Return a message that has Meta fetch a file from its address."""
    return {"attachment": {"type": FILES.get(file.kind, "file"), "payload": {"url": file.reference}}}


def _text(text: str) -> dict[str, Json]:
    return {"text": text}


def _with_choices(text: str, choices: Sequence[Choice]) -> dict[str, Json]:
    """Return a message with its buttons; more than thirteen choices are a list in the text alone."""
    if not 0 < len(choices) <= MAX_QUICK_REPLIES:
        return _text(text)
    whole = [one_line(choice.label) for choice in choices]
    titles = whole if _fit(choices) else short_labels(choices, MAX_TITLE, utf16_units)
    pairs = list(zip(choices, titles, strict=True))
    if len(choices) <= MAX_BUTTONS and utf16_units(text) <= MAX_TEMPLATE_TEXT:
        buttons: list[Json] = [{"type": "postback", "title": title, "payload": choice.token} for choice, title in pairs]
        payload: Json = {"template_type": "button", "text": text, "buttons": buttons}
        return {"attachment": {"type": "template", "payload": payload}}
    replies: list[Json] = [{"content_type": "text", "title": title, "payload": choice.token} for choice, title in pairs]
    return {"text": text, "quick_replies": replies}


def recipient_of(address: Address) -> dict[str, Json]:
    """Return who is meant, as the Send API takes it."""
    return {name: address[name] for name in ("id", "user_ref") if name in address}


def _call(message: Mapping[str, Json], reply: Reply, address: Address) -> ApiCall:
    recipient = recipient_of(address)
    params: dict[str, Json] = {"recipient": recipient, "messaging_type": "RESPONSE", "message": dict(message)}
    return ApiCall(method=METHOD, params=params, bucket=str(next(iter(recipient.values()))), kind=reply.kind)
