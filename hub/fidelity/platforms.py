"""The platforms that a reply can be looked at on, each with its own limits and its channel's real `render`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from channels.email import render as email
from channels.inbound import Capabilities
from channels.slack import render as slack
from channels.telegram import render as telegram
from channels.web import render as web
from channels.whatsapp import render as whatsapp
from channels.whatsapp.cloud import render as cloud
from core.events import Address
from core.ports import Escape, Words
from core.replies import ApiCall, Reply
from hub.templating import Templates

Shape = Callable[[Reply, Words, Address, Capabilities], tuple[ApiCall, ...]]


@dataclass(frozen=True)
class Platform:
    """One platform; WhatsApp counts twice, for its two providers take different things."""

    name: str
    title: str
    channel: str
    """Whose templates speak."""
    limits: Capabilities
    escapes: Mapping[str, Escape]
    shape: Shape
    address: Address
    """Where an invented person is, in the channel's own terms."""

    def render(
        self, templates: Templates, reply: Reply, locale: str | None, tone: str | None
    ) -> tuple[tuple[ApiCall, ...], Words]:
        """Give a reply its shape here, and return its words too.

        Raises:
            ConfigError: the template cannot be rendered with what the reply gives.
        """
        words = templates.words(self.channel, reply, self.escapes, locale, tone)
        return self.shape(reply, words, self.address, self.limits), words


TWILIO_NUMBER = "whatsapp:+15550000000"
PERSON = "15550000001"
"""Ann's number; 555-01xx and the like belong to nobody."""

PLATFORMS = (
    Platform(
        "slack",
        "Slack",
        "slack",
        slack.CAPABILITIES,
        slack.ESCAPES,
        slack.render,
        {"channel": "D0ANN", "user": "U0ANN"},
    ),
    Platform(
        "telegram",
        "Telegram",
        "telegram",
        telegram.CAPABILITIES,
        telegram.ESCAPES,
        telegram.render,
        {"chat_id": "5001"},
    ),
    Platform(
        "whatsapp",
        "WhatsApp by Twilio",
        "whatsapp",
        whatsapp.CAPABILITIES,
        whatsapp.ESCAPES,
        partial(whatsapp.render, number=TWILIO_NUMBER, messaging_service_sid=None),
        {"to": f"whatsapp:+{PERSON}"},
    ),
    Platform(
        "whatsapp-cloud",
        "WhatsApp by Meta",
        "whatsapp",
        cloud.CAPABILITIES,
        whatsapp.ESCAPES,
        cloud.render,
        {"to": PERSON},
    ),
    Platform(
        "email",
        "Email",
        "email",
        email.CAPABILITIES,
        email.ESCAPES,
        email.render,
        {
            "to": "ann@example.com",
            "from": "help@example.com",
            "subject": "My order",
            "in_reply_to": "<1@example.com>",
            "references": "<1@example.com>",
            "root16": "0" * 16,
        },
    ),
    Platform("web", "Web chat", "web", web.CAPABILITIES, web.ESCAPES, web.render, {"session": "0" * 32}),
)
BY_NAME: Mapping[str, Platform] = {platform.name: platform for platform in PLATFORMS}
