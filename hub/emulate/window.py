"""WhatsApp's rules about who may be written to, as both providers keep them: the 24 hours, and approved templates.

Source: W20; developers.facebook.com/docs/whatsapp/pricing and .../guides/send-message-templates.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.clock import Clock

LASTS = timedelta(hours=24)
MAX_BUTTONS, MAX_BUTTON_TITLE = 3, 20
MAX_ITEM_TITLE = 24
MAX_ID = 200
MAX_BODY = 1024
"""W22."""
VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass
class WindowBook:
    """When each person last wrote, and which templates are approved."""

    clock: Clock
    _heard: dict[str, datetime] = field(default_factory=dict)
    _approved: dict[str, str] = field(default_factory=dict)
    _contents: dict[str, int] = field(default_factory=dict)

    def heard(self, person: str, at: datetime | None = None) -> None:
        """Note that a person wrote, now or at another time."""
        at = at or self.clock.now()
        self._heard[person] = max(at, self._heard.get(person, at))

    def meet(self, person: str) -> None:
        """Note that somebody wrote of whom nothing is known; when known people wrote was noted when they did."""
        if person not in self._heard:
            self.heard(person)

    def is_open(self, person: str) -> bool:
        """Tell whether everything may be written to a person; to one who never wrote only a template."""
        heard = self._heard.get(person)
        return heard is not None and self.clock.now() - heard < LASTS

    def pass_hours(self, hours: float) -> None:
        """Let so much time have passed since everybody wrote, for this platform alone."""
        self._heard = {person: at - timedelta(hours=hours) for person, at in self._heard.items()}

    def approve(self, name: str, body: str) -> None:
        """Approve a template.

        Args:
            name: ContentSid, or name and language: `order_update/en_US`.
            body: its words with variables: `Order {{1}} is {{2}}.`
        """
        self._approved[name] = body

    def register(self, name: str, choices: int) -> None:
        """Keep a content with so many choices, of which all is variable; not approved, for open windows alone (W22)."""
        self._contents[name] = choices

    def picks(self, name: str, values: Mapping[str, str]) -> tuple[str, list[tuple[str, str]]] | None:
        """Return text, labels and ids of a registered content; None where these variables are not the content's.

        >>> from hub.clock import SystemClock
        >>> book = WindowBook(SystemClock())
        >>> book.register("HX1", 1)
        >>> book.picks("HX1", {"1": "Sure?", "2": "Yes", "3": "t1"}), book.picks("HX1", {"1": "Sure?"})
        (('Sure?', [('Yes', 't1')]), None)
        """
        count = self._contents[name]
        if {str(place) for place in range(1, 2 * count + 2)} != set(values):
            return None
        pairs = [(values[str(place)], values[str(place + 1)]) for place in range(2, 2 * count + 2, 2)]
        title = MAX_BUTTON_TITLE if count <= MAX_BUTTONS else MAX_ITEM_TITLE
        fits = all(len(label) <= title and len(name) <= MAX_ID for label, name in pairs)
        apart = len({label for label, _ in pairs}) == count == len({name for _, name in pairs})
        are_values = all(map(_is_value, values.values())) and len(values["1"]) <= MAX_BODY
        return (values["1"], pairs) if fits and apart and are_values else None

    def is_content(self, name: str) -> bool:
        """Tell whether a content of this name is registered."""
        return name in self._contents

    def knows(self, name: str) -> bool:
        """Tell whether a template of this name is approved."""
        return name in self._approved

    def words(self, name: str, values: Mapping[str, str]) -> str | None:
        """Return what an approved template says with these variables; None where they are not the template's.

        >>> from hub.clock import SystemClock
        >>> book = WindowBook(SystemClock())
        >>> book.approve("HX1", "Order {{1}} is here.")
        >>> book.words("HX1", {"1": "A-1"}), book.words("HX1", {}), book.words("HX1", {"1": ""})
        ('Order A-1 is here.', None, None)
        """
        body = self._approved[name]
        fits = set(VARIABLE.findall(body)) == set(values) and all(_is_value(value) for value in values.values())
        return VARIABLE.sub(lambda found: values[found[1]], body) if fits else None


def _is_value(value: object) -> bool:
    """Tell whether a variable may be used: some text, in one line, without wide gaps (Meta 132012)."""
    return isinstance(value, str) and bool(value.strip()) and not re.search(r"[\n\t]| {5}", value)
