"""A reply becomes a message that the page shows and an app can read: plain text, and choices as buttons."""

import re
from collections.abc import Mapping, Sequence

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
BREAKS = ("\n\n", "\n", ". ", "! ", "? ", " ")
"""Where a long text is cut, best first."""

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


def render(reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
    """Give a reply its shape; a text over `MAX_TEXT` becomes several messages, with the choices under the last."""
    buttons, text = _with_choices(reply.choices, words.block("text").strip())
    parts = split_text(text, MAX_TEXT)
    return tuple(
        ApiCall(
            method=DELIVER,
            params={"text": part, "choices": buttons if last else []},
            bucket=address["session"],
            kind=reply.kind,
        )
        for part, last in ((part, number == len(parts)) for number, part in enumerate(parts, 1))
    )


def _with_choices(choices: Sequence[Choice], text: str) -> tuple[list[Json], str]:
    """Return the buttons and the text; what buttons cannot show becomes a numbered list in the text."""
    if not choices:
        return [], text
    is_listed = len(choices) > MAX_BUTTONS or is_blank(text) or not fits(choices, MAX_LABEL)
    if is_listed:
        text = f"{text}\n\n{numbered(choices, plain)}".strip()
    if len(choices) > MAX_BUTTONS:
        return [], text
    labels = short_labels(choices, MAX_LABEL) if is_listed else [one_line(choice.label) for choice in choices]
    labels = [plain(label) for label in labels]
    return [{"token": choice.token, "label": label} for choice, label in zip(choices, labels, strict=True)], text


def split_text(text: str, limit: int) -> list[str]:
    """Cut a text into parts of at most `limit` code points: at a paragraph, line, sentence or word if there is one.

    >>> split_text("One day. Two days. Three", 20)
    ['One day. Two days.', 'Three']
    """
    parts = []
    while len(text) > limit:
        cut = _cut(text, limit)
        parts.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [part for part in (*parts, text) if part] or [""]


def _cut(text: str, limit: int) -> int:
    """Return where the first part ends: the best kind of break in its second half."""
    for mark in BREAKS:
        if (at := text.rfind(mark, limit // 2, limit)) >= 0:
            return at + len(mark)
    return limit


def message_body(call: ApiCall) -> dict[str, Json]:
    """Return what the visitor's client gets of an api call."""
    return {"from": "agent" if call.kind == "agent" else "bot", **call.params}
