"""One reply side by side: what each platform shows, what it makes different, and the call that it gets."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import ConfigError
from core.replies import Reply
from hub.fidelity.check import ERRORS, MEANINGS, Kind, look_at
from hub.fidelity.platforms import PLATFORMS, Platform
from hub.fidelity.shown import Message, shown
from hub.templating import Templates


@dataclass(frozen=True)
class Note:
    """Something a platform shows in another way, or not at all."""

    kind: Kind
    detail: str

    @property
    def meaning(self) -> str:
        """Say what the kind means."""
        return MEANINGS[self.kind]

    @property
    def is_error(self) -> bool:
        """Tell whether a person would miss something."""
        return self.kind in ERRORS


@dataclass(frozen=True)
class Preview:
    """One or more replies of one turn on one platform."""

    platform: Platform
    messages: tuple[Message, ...]
    notes: tuple[Note, ...]

    @property
    def unit(self) -> str:
        """Name the units that the platform counts in."""
        return self.platform.limits.text_unit.replace("_", " ").replace("utf16", "UTF-16")


def preview(
    templates: Templates,
    replies: Sequence[Reply],
    locale: str | None,
    tone: str | None,
    platforms: Sequence[Platform] = PLATFORMS,
) -> tuple[Preview, ...]:
    """Show replies on platforms; one that cannot be rendered there is a note."""
    return tuple(_preview(platform, templates, replies, locale, tone) for platform in platforms)


def _preview(
    platform: Platform, templates: Templates, replies: Sequence[Reply], locale: str | None, tone: str | None
) -> Preview:
    notes = [Note(*found) for reply in replies for found in look_at(platform, templates, reply, locale, tone)]
    messages = [message for reply in replies for message in _messages(platform, templates, reply, locale, tone)]
    return Preview(platform, tuple(messages), tuple(notes))


def _messages(
    platform: Platform, templates: Templates, reply: Reply, locale: str | None, tone: str | None
) -> tuple[Message, ...]:
    try:
        calls, _ = platform.render(templates, reply, locale, tone)
    except ConfigError:  # `look_at` has noted it
        return ()
    return shown(platform, calls)


def call_as_text(message: Message) -> str:
    """Write an api call for people."""
    return f"{message.call.method} {json.dumps(message.call.params, indent=2, ensure_ascii=False)}"
