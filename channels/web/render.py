"""A reply becomes a message that the page shows and an app can read: plain text, and choices as buttons."""

import re
from collections.abc import Mapping, Sequence

from channels.cuts import split_plain
from channels.files import linked
from channels.inbound import Capabilities
from channels.menus import fits, is_blank, numbered, one_line, short_labels
from core.events import Address
from core.model import Json
from core.ports import Escape, Words
from core.replies import ApiCall, Choice, Reply

DELIVER = "deliver"
MAX_TEXT = 8_000
"""Code points of one message; our own choice: four screens of a phone."""
MAX_BUTTONS = 20
"""Our own choice: more become a numbered list, which reads better than a wall of buttons."""
MAX_LABEL = 200
"""Our own choice: more is no button; the whole label stands in a numbered list then."""

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and those that turn the direction of writing around: with them a text can
show something else than it says (Unicode TR 36, section 2.1)."""


def plain(text: str) -> str:
    r"""Drop what has no place in a plain text. The page sets text content, never markup, so no more is needed.

    >>> plain("<b>\u202eabc\r\n\x07")
    '<b>abc\n'
    """
    return UNSEEN.sub("", text)


ESCAPES: Mapping[str, Escape] = {"text": plain}
CAPABILITIES = Capabilities(
    max_text=MAX_TEXT,
    max_buttons=MAX_BUTTONS,
    max_button_label=MAX_LABEL,
    unknown_sends="idempotent",
)


def render(reply: Reply, words: Words, address: Address, limits: Capabilities = CAPABILITIES) -> tuple[ApiCall, ...]:
    """Give a reply its shape; a text over `MAX_TEXT` becomes several messages, with the choices under the last."""
    said = "\n\n".join(part for part in (words.block("text").strip(), linked(reply.attachments, plain)) if part)
    buttons, text = _with_choices(reply.choices, said, limits)
    parts = split_text(text, limits.max_text)
    return tuple(
        ApiCall(
            method=DELIVER,
            params={"text": part, "choices": buttons if last else []},
            bucket=address["session"],
            kind=reply.kind,
        )
        for part, last in ((part, number == len(parts)) for number, part in enumerate(parts, 1))
    )


def _with_choices(choices: Sequence[Choice], text: str, limits: Capabilities) -> tuple[list[Json], str]:
    """Return the buttons and the text; what buttons cannot show becomes a numbered list in the text."""
    if not choices:
        return [], text
    longest, is_too_many = limits.max_button_label, len(choices) > limits.max_buttons
    is_listed = is_too_many or is_blank(text) or not fits(choices, longest)
    if is_listed:
        text = f"{text}\n\n{numbered(choices, plain)}".strip()
    if is_too_many:
        return [], text
    labels = short_labels(choices, longest) if is_listed else [one_line(choice.label) for choice in choices]
    labels = [plain(label) for label in labels]
    return [{"token": choice.token, "label": label} for choice, label in zip(choices, labels, strict=True)], text


def split_text(text: str, limit: int) -> tuple[str, ...]:
    """Cut a text into parts of at most `limit` code points: at a paragraph, line, sentence or word if there is one.

    >>> split_text("One day. Two days. Three", 20)
    ('One day. Two days.', 'Three')
    """
    return split_plain(text, limit) or ("",)


def message_body(call: ApiCall) -> dict[str, Json]:
    """Return what the visitor's client gets of an api call."""
    return {"from": "agent" if call.kind == "agent" else "bot", **call.params}
