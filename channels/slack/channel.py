"""One Slack account: joins receiving, reading, rendering and sending."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from aiohttp import web

from channels.base import Channel, Finding, Gap, Look, Resources
from channels.inbound import Capabilities, DeliveryKey, Inbound
from channels.invisible import harmless
from channels.slack import doctor, keys, normalize, render
from channels.slack.account import AccountSettings
from channels.slack.client import SlackClient
from channels.slack.history import History, how_often
from channels.slack.webhook import Webhook
from core.events import Address, Event
from core.ids import AccountName, ChannelName, ConversationId, OutId, account_key
from core.ports import Escape, Words
from core.replies import ApiCall, Receipt, Reply


class SlackChannel:
    """One Slack app in one workspace."""

    name = ChannelName("slack")
    escapes: Mapping[str, Escape] = render.ESCAPES
    capabilities = Capabilities(
        max_text=render.MAX_ALL_BLOCKS,  # `text` may be longer, but people are shown the blocks
        max_buttons=render.MAX_BUTTONS,
        max_button_label=render.MAX_LABEL,
        threads=True,
        edits=True,
        unknown_sends="provable",
        bucket_paces={"": render.CHANNEL_PACE},
    )

    def __init__(self, account: AccountName, settings: AccountSettings, resources: Resources) -> None:
        self.account = account
        self.capabilities = self.capabilities.model_copy(update={"catch_up": how_often(settings.catch_up_every_s)})
        self._settings = settings
        self._resources = resources
        self._client = SlackClient(settings.bot_token.get_secret_value(), settings.api_url)
        self._history = History(account, self._client, resources.clock)

    def identify(self, inbound: Inbound) -> DeliveryKey:
        """Name a payload by Slack's own ids. Never raises."""
        return keys.identify(inbound)

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        """Translate a payload; `()` for what we do not handle.

        Raises:
            MalformedPayload: the payload lacks what Slack promises.
        """
        return harmless(normalize.normalize(inbound))

    def render(self, reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
        """Give a reply its shape as `chat.postMessage` calls."""
        return render.render(reply, words, address)

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        """Make one api call once.

        Raises:
            DeliveryError: by `failures`.
        """
        return await self._client.send(call, out_id)

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime, others: frozenset[str]) -> Receipt | None:
        """Look for a call in doubt in the conversation's history; None means certainly not posted.

        Raises:
            DeliveryError: the history cannot be read now.
        """
        return await self._client.find_sent(call, out_id, since)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of http mode; in socket mode, or without a secret, there are none."""
        secrets = self._settings.signing_secrets()
        if self._settings.mode != "http" or not secrets:
            return []
        return Webhook(self.account, secrets, self._resources.clock, self._resources.accept).routes()

    async def listen(self) -> None:
        """Receive over a socket until cancelled; returns at once in http mode."""
        if self._settings.mode != "socket" or self._settings.app_token is None:
            return
        from channels.slack.socket_mode import Journal, listen  # http mode does without Bolt

        journal = Journal(self.account, self._resources.clock, self._resources.accept)
        connected = partial(self._resources.missed, self.name, self.account)
        await listen(self._settings.app_token.get_secret_value(), self._client.web, journal, connected)

    def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """Read the history of these conversations, and of the channels they are in.

        Raises:
            DeliveryError: Slack does not answer, or wants a pause.
        """
        return self._history.catch_up(gaps)

    async def check(self) -> list[Finding]:
        """Ask Slack whether this account is set up right; never raises."""
        url = f"{self._resources.public_url}/slack/{self.account}/events"
        return await doctor.check(account_key(self.name, self.account), self._settings, self._client, url)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def build(account: AccountName, settings: AccountSettings, resources: Resources) -> Channel:
    """Make the channel of one account; nothing is opened before it is used."""
    return SlackChannel(account, settings, resources)
