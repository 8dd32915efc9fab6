"""Reply -> `messages` calls of the Graph API. Pure.

Words and their escapes are the channel's own. Up to three choices whose labels fit are reply buttons, up to ten are a
list; what does not fit a button stands in the text as well, numbered. So no label is cut out of a message.
Source: developers.facebook.com/docs/whatsapp/cloud-api/reference/messages and .../guides/send-messages.
"""

from collections.abc import Sequence

from channels.menus import fits, is_blank, numbered, one_line, short_labels
from channels.payload import clean_text
from channels.whatsapp.render import escape_text, split_text, utf16_units
from core.events import Address
from core.model import Json
from core.ports import Words
from core.replies import ApiCall, Choice, Reply

METHOD = "messages"
MAX_TEXT = 4096
"""Characters of a text's body; counted in UTF-16 units, the stricter way."""
MAX_INTERACTIVE = 1024
"""Characters of the body over buttons or a list."""
MAX_BUTTONS = 3
MAX_BUTTON_TITLE = 20
MAX_ROWS = 10
"""Of a list, over all its sections."""
MAX_ROW_TITLE = 24
BUCKET = "whatsapp:"
"""Before the recipient: the name that the pace for one person goes by."""


def render(reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
    """Give a reply its shape; choices are on the last message.

    Args:
        reply: what to say.
        words: its words; the block `text` is used.
        address: `to`: the person's number; or `recipient`: their business-scoped user id.
    """
    text = clean_text(words.block("text"))
    choices = reply.choices
    if choices and (is_blank(text) or not _fit(choices)):
        text = clean_text(f"{text}\n\n{numbered(choices, escape_text)}")
    if not 0 < len(choices) <= MAX_ROWS:
        return tuple(_call(_text(part), reply, address) for part in split_text(text, MAX_TEXT))
    *before, last = _parts(text)
    contents = (*map(_text, before), _interactive(last, choices))
    return tuple(_call(content, reply, address) for content in contents)


def _fit(choices: Sequence[Choice]) -> bool:
    """Tell whether every choice is told whole, and apart from the others, by its button or row."""
    limit = MAX_BUTTON_TITLE if len(choices) <= MAX_BUTTONS else MAX_ROW_TITLE
    labels = {one_line(choice.label) for choice in choices}
    return len(choices) <= MAX_ROWS and len(labels) == len(choices) and fits(choices, limit, utf16_units)


def _parts(text: str) -> tuple[str, ...]:
    """Cut a text so that its last part may stand over buttons, in as few messages as that takes."""
    whole = text.strip()
    last = split_text(whole, MAX_INTERACTIVE)[-1]
    return (*split_text(whole[: len(whole) - len(last)], MAX_TEXT), last)


def _text(body: str) -> dict[str, Json]:
    return {"type": "text", "text": {"body": body, "preview_url": False}}


def _interactive(body: str, choices: Sequence[Choice]) -> dict[str, Json]:
    is_short = len(choices) <= MAX_BUTTONS
    limit = MAX_BUTTON_TITLE if is_short else MAX_ROW_TITLE
    whole = [one_line(choice.label) for choice in choices]
    titles = whole if _fit(choices) else short_labels(choices, limit, utf16_units)
    action = _buttons(choices, titles) if is_short else _rows(choices, titles)
    kind = "button" if is_short else "list"
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": body}, "action": action}}


def _buttons(choices: Sequence[Choice], titles: Sequence[str]) -> dict[str, Json]:
    pairs = zip(choices, titles, strict=True)
    return {"buttons": [{"type": "reply", "reply": {"id": choice.token, "title": title}} for choice, title in pairs]}


def _rows(choices: Sequence[Choice], titles: Sequence[str]) -> dict[str, Json]:
    """Lay out a list of one section, which needs no title; the button that opens it says how many there are.

    A number is understood in every language.
    """
    rows: list[Json] = [{"id": choice.token, "title": title} for choice, title in zip(choices, titles, strict=True)]
    return {"button": f"\u2630 1\u2013{len(choices)}", "sections": [{"rows": rows}]}


def _call(content: dict[str, Json], reply: Reply, address: Address) -> ApiCall:
    """Name the recipient by number where there is one: Meta prefers it, and then goes on telling it."""
    place: dict[str, Json] = {name: address[name] for name in ("to", "recipient") if name in address}
    params: dict[str, Json] = {"messaging_product": "whatsapp", "recipient_type": "individual", **place, **content}
    who = address.get("to") or address["recipient"]
    return ApiCall(method=METHOD, params=params, bucket=BUCKET + who, kind=reply.kind)
