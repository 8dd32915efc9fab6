"""What a desk offers before anybody writes: its forms, and what it can do. Channels with places for that show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.forms import Form
from core.model import Json
from core.ports import Ability, Escape, Words
from core.replies import Reply
from hub.content import Content
from hub.settings import Desk
from hub.templating import Templates


@dataclass(frozen=True)
class DeskOffers:
    """Satisfies `core.ports.Offers` for the accounts of one desk."""

    content: Content
    desk: Desk
    templates: Templates
    channel: str

    @property
    def forms(self) -> Sequence[Form]:
        """Return the forms."""
        return self.content.forms

    @property
    def abilities(self) -> Sequence[Ability]:
        """Return what the desk can do, in the order of its menu, where a command stands for it."""
        language = self.desk.languages[0]
        listed = [(intent.menu, intent) for intent in self.content.intents if intent.menu is not None]
        return [
            Ability(intent.commands[0], intent.label_in(language))
            for _, intent in sorted(listed, key=lambda entry: entry[0])
            if intent.commands
        ]

    def words(self, template: str, context: Mapping[str, Json], escapes: Mapping[str, Escape]) -> Words:
        """Bind a template in the desk's own language.

        Raises:
            ConfigError: there is none.
        """
        reply = Reply(template=template, context=dict(context))
        return self.templates.words(self.channel, reply, escapes, self.desk.languages[0], self.desk.tone)
