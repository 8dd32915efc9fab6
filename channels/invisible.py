"""Characters in people's words that no reader sees, or that change what others see. Pure (F087).

Taken out once, when an event is made: bot, transcript and templates never meet them. The raw bytes keep everything.
"""

import re
from collections.abc import Iterable
from typing import Any

from core.events import Attachment, Event

UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # controls
    "\u00ad\u180e\u200b\u2060-\u2064\ufeff"  # no width
    "\u202a-\u202e\u2066-\u206f"  # what turns the direction of other people's words; the marks U+200E and U+200F stay
    "\ufe00-\ufe0d\U000e0100-\U000e01ef"  # variation selectors, but for the two that make emoji
    "\ufff9-\ufffb\U000e0000-\U000e007f]"  # annotations; tags, in which whole sentences hide
)
JOINERS = "\u200c\u200d\ufe0e\ufe0f"
"""Persian and Hindi words, and families of emoji, are made with these."""
MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
MAX_JOINERS = 2
MAX_MARKS = 30
"""Combining marks on one letter; Unicode Standard Annex 15, section 13, stream-safe text."""
TOO_MANY = re.compile(f"([{JOINERS}]{{{MAX_JOINERS}}})[{JOINERS}]+|([{MARKS}]{{{MAX_MARKS}}})[{MARKS}]+")
TEXTS = ("text", "full_text", "quoted", "subject", "label", "arguments")
"""Fields of events that hold what somebody wrote."""


def visible(text: str) -> str:
    r"""Return a text without what cannot be seen in it.

    >>> visible("pay\u202egpj.exe \U000e0041 \u0645\u06cc\u200c\u062e") == "paygpj.exe  \u0645\u06cc\u200c\u062e"
    True
    """
    if text.isascii() and text.isprintable():
        return text
    return TOO_MANY.sub(r"\1\2", UNWANTED.sub("", text))


def harmless(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return the events with visible text only: what was said, names of people, names of files."""
    return tuple(_harmless(event) for event in events)


def _harmless(event: Event) -> Event:
    changes: dict[str, Any] = {}
    for name in TEXTS:
        if isinstance(text := getattr(event, name, None), str) and (clean := visible(text)) != text:
            changes[name] = clean
    if event.sender.display_name and (clean := visible(event.sender.display_name)) != event.sender.display_name:
        changes["sender"] = event.sender.model_copy(update={"display_name": clean.strip() or None})
    files: tuple[Attachment, ...] = getattr(event, "attachments", ())
    if any(file.name and visible(file.name) != file.name for file in files):
        changes["attachments"] = tuple(
            file.model_copy(update={"name": visible(file.name or "").strip() or None}) for file in files
        )
    return event.model_copy(update=changes) if changes else event
