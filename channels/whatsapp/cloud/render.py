"""Reply -> `messages` calls of the Graph API. Pure.

Words and their escapes are the channel's own. Up to three choices whose labels fit are reply buttons, up to ten are a
list; what does not fit a button stands in the text as well, numbered. So no label is cut out of a message.
Source: developers.facebook.com/docs/whatsapp/cloud-api/reference/messages and .../guides/send-messages.
"""

from collections.abc import Mapping, Sequence

from channels.inbound import Capabilities, TypingAbility
from channels.menus import fits, is_blank, numbered, one_line, short_labels
from channels.payload import clean_text
from channels.whatsapp.render import (
    PAIR_PACE,
    SENDER_PACE,
    escape_text,
    split_text,
    template_values,
    words_and_links,
)
from core.events import Address
from core.model import Json
from core.ports import Words
from core.replies import ApiCall, Choice, Reply
from core.window import ContentTemplate

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
MAX_ID = 200
"""Characters of what a row carries; of what a button carries 256."""
TYPING = TypingAbility(renew_every_s=20.0)
"""A sign shows for 25 seconds; developers.facebook.com/docs/whatsapp/cloud-api/typing-indicators [K]."""
BUCKET = "whatsapp:"
"""Before the recipient: the name that the pace for one person goes by."""

CAPABILITIES = Capabilities(
    max_text=MAX_TEXT,
    text_unit="utf16_units",
    max_text_over_choices=MAX_INTERACTIVE,
    max_buttons=MAX_BUTTONS,
    max_button_label=MAX_BUTTON_TITLE,
    max_options=MAX_ROWS,
    max_option_label=MAX_ROW_TITLE,
    max_token_bytes=MAX_ID,
    unknown_sends="unprovable",
    pace=SENDER_PACE,
    bucket_paces={BUCKET: PAIR_PACE},
)


def render(reply: Reply, words: Words, address: Address, limits: Capabilities = CAPABILITIES) -> tuple[ApiCall, ...]:
    """Give a reply its shape; choices are on the last message.

    Args:
        reply: what to say.
        words: its words; the block `text` is used.
        address: `to`: the person's number; or `recipient`: their business-scoped user id.
        limits: what the account takes.
    """
    text = clean_text(words_and_links(reply, words))
    choices = reply.choices
    if choices and (is_blank(text) or not _fit(choices, limits)):
        text = clean_text(f"{text}\n\n{numbered(choices, escape_text)}")
    if not 0 < len(choices) <= limits.max_options:
        return tuple(_call(_text(part), reply, address) for part in split_text(text, limits.max_text))
    *before, last = _parts(text, limits)
    contents = (*map(_text, before), _interactive(last, choices, limits))
    return tuple(_call(content, reply, address) for content in contents)


def _fit(choices: Sequence[Choice], limits: Capabilities) -> bool:
    """Tell whether every choice is told whole, and apart from the others, by its button or row."""
    labels = {one_line(choice.label) for choice in choices}
    return len(choices) <= limits.max_options and len(labels) == len(choices) and _fit_one_by_one(choices, limits)


def _fit_one_by_one(choices: Sequence[Choice], limits: Capabilities) -> bool:
    return fits(choices, _longest_label(choices, limits), limits.measure)


def _longest_label(choices: Sequence[Choice], limits: Capabilities) -> int:
    return limits.max_button_label if len(choices) <= limits.max_buttons else limits.max_option_label


def _parts(text: str, limits: Capabilities) -> tuple[str, ...]:
    """Cut a text so that its last part may stand over buttons, in as few messages as that takes."""
    whole = text.strip()
    last = split_text(whole, limits.max_text_over_choices or limits.max_text)[-1]
    return (*split_text(whole[: len(whole) - len(last)], limits.max_text), last)


def _text(body: str) -> dict[str, Json]:
    return {"type": "text", "text": {"body": body, "preview_url": False}}


def _interactive(body: str, choices: Sequence[Choice], limits: Capabilities) -> dict[str, Json]:
    is_short = len(choices) <= limits.max_buttons
    whole = [one_line(choice.label) for choice in choices]
    titles = whole if _fit(choices, limits) else short_labels(choices, _longest_label(choices, limits), limits.measure)
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


def render_template(
    template: ContentTemplate, values: Mapping[str, str], reply: Reply, address: Address
) -> ApiCall | None:
    """Name an approved template and its language; None where it has none here, and for what is too long.

    Variables that are numbered go by their place, others by their name.
    Source: developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates.
    """
    told = template_values(values)
    if template.cloud is None or told is None:
        return None
    content: dict[str, Json] = {"name": template.cloud.name, "language": {"code": template.cloud.language}}
    if told:
        content["components"] = [{"type": "body", "parameters": _parameters(told)}]
    return _call({"type": "template", "template": content}, reply, address)


def _parameters(values: Mapping[str, str]) -> list[Json]:
    if all(name.isdecimal() for name in values):
        return [{"type": "text", "text": values[name]} for name in sorted(values, key=int)]
    return [{"type": "text", "parameter_name": name, "text": value} for name, value in values.items()]


def _call(content: dict[str, Json], reply: Reply, address: Address) -> ApiCall:
    """Name the recipient by number where there is one: Meta prefers it, and then goes on telling it."""
    place: dict[str, Json] = {name: address[name] for name in ("to", "recipient") if name in address}
    params: dict[str, Json] = {"messaging_product": "whatsapp", "recipient_type": "individual", **place, **content}
    who = address.get("to") or address["recipient"]
    return ApiCall(method=METHOD, params=params, bucket=BUCKET + who, kind=reply.kind)
