"""One Slack account: joins receiving, reading, rendering and sending."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from aiohttp import web

from channels.base import Channel, Finding, Gap, Look, Resources
from channels.inbound import Capabilities, DeliveryKey, Inbound
from channels.invisible import harmless
from channels.media import Download
from channels.slack import doctor, forms, keys, media, normalize, render
from channels.slack.account import AccountSettings
from channels.slack.client import SlackClient
from channels.slack.history import History, ManyHistories, how_often
from channels.slack.install import InstallPages
from channels.slack.payloads import installation_of, read_payload
from channels.slack.surfaces import Surfaces
from channels.slack.webhook import Webhook
from channels.slack.workspaces import Workspaces
from core.errors import AccountRefused, ConfigError
from core.events import Address, Attachment, Event
from core.ids import AccountName, ChannelName, ConversationId, OutId, account_key
from core.ports import Escape, Words
from core.replies import ApiCall, Receipt, Reply

T = TypeVar("T")


class SlackChannel:
    """One Slack app: in one workspace by its token, or in all that have installed it."""

    name = ChannelName("slack")
    escapes: Mapping[str, Escape] = render.ESCAPES
    capabilities: Capabilities = render.CAPABILITIES

    def __init__(self, account: AccountName, settings: AccountSettings, resources: Resources) -> None:
        self.account = account
        self.capabilities = self.capabilities.model_copy(update={"catch_up": how_often(settings.catch_up_every_s)})
        if settings.assistant:
            self.capabilities = self.capabilities.model_copy(update={"typing": forms.STATUS})
        self._settings = settings
        self._resources = resources
        token = settings.bot_token
        self._client = SlackClient(token.get_secret_value() if token is not None else None, settings.api_url)
        self._workspaces = self._open_workspaces()
        self._surfaces = Surfaces(resources.offers(self.name, account), self._in_workspace)
        self._history = (
            History(account, self._client, resources.clock)
            if self._workspaces is None
            else ManyHistories(account, self._workspaces, resources.clock)
        )

    def _open_workspaces(self) -> Workspaces | None:
        app, kept = self._settings.client(), self._resources.installations
        if app is None:
            return None
        if kept is None:
            raise ConfigError(f"slack:{self.account} has client_id and nowhere to keep installations")
        return Workspaces(self.account, kept, self._resources.clock, self._client, app)

    def identify(self, inbound: Inbound) -> DeliveryKey:
        """Name a payload by Slack's own ids. Never raises."""
        return keys.identify(inbound, is_shared=self._workspaces is not None)

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        """Translate a payload; `()` for what we do not handle.

        Raises:
            MalformedPayload: the payload lacks what Slack promises.
        """
        return harmless(normalize.normalize(inbound, is_shared=self._workspaces is not None))

    def render(self, reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
        """Give a reply its shape as `chat.postMessage` calls."""
        return render.render(reply, words, address, self.capabilities)

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        """Make one api call once.

        Raises:
            DeliveryError: by `failures`.
        """
        return await self._in_workspace(_place_of(call), lambda client: client.send(call, out_id))

    async def show_typing(self, event: Event, *, is_on: bool) -> None:
        """Set or clear the status of an assistant's thread; elsewhere Slack has no sign that a bot may show.

        Raises:
            DeliveryError: by `failures`.
        """
        await self._surfaces.show_status(event.address, is_on=is_on)

    async def find_sent(self, call: ApiCall, out_id: OutId, since: datetime, others: frozenset[str]) -> Receipt | None:
        """Look for a call in doubt in the conversation's history; None means certainly not posted.

        Raises:
            DeliveryError: the history cannot be read now.
        """
        return await self._in_workspace(_place_of(call), lambda client: client.find_sent(call, out_id, since))

    async def find_media(self, attachment: Attachment, inbound: Inbound) -> Download | bytes:
        """Ask for a file's address, with the token of the workspace that the message came from.

        Raises:
            MediaRefused: Slack will not hand it over.
            DeliveryError: by `failures`.
        """
        _, payload = read_payload(inbound.body, inbound.headers)
        place = installation_of(payload) or ""
        return await self._in_workspace(place, lambda client: media.find_file(client, attachment.reference))

    async def _in_workspace(self, place: str, act: Callable[[SlackClient], Awaitable[T]]) -> T:
        """Act with the token of a workspace or organisation, where the account has many; else with the one there is."""
        if self._workspaces is None:
            return await act(self._client)
        try:
            return await act(await self._workspaces.client_of(place))
        except AccountRefused as refusal:
            raise await self._workspaces.judge(place, refusal) from refusal

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of http mode; in socket mode, or without a secret, there are none."""
        secrets = self._settings.signing_secrets()
        if self._settings.mode != "http" or not secrets:
            return []
        clock, accept = self._resources.clock, self._resources.accept
        app, workspaces = self._settings.client(), self._workspaces
        if app is None or workspaces is None:
            return Webhook(self.account, secrets, clock, accept, surfaces=self._surfaces).routes()
        api_url, origin = self._settings.api_url, self._resources.public_url
        pages = InstallPages(self.account, app, api_url, origin, clock, workspaces)
        webhook = Webhook(self.account, secrets, clock, accept, workspaces.hear, self._surfaces)
        return webhook.routes() + pages.routes()

    async def listen(self) -> None:
        """Receive over a socket until cancelled; returns at once in http mode."""
        if self._settings.mode != "socket" or self._settings.app_token is None:
            return
        from channels.slack.socket_mode import Journal, listen  # http mode does without Bolt

        journal = Journal(self.account, self._resources.clock, self._resources.accept, self._surfaces)
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
        if self._workspaces is not None:
            key = account_key(self.name, self.account)
            return await doctor.check_workspaces(key, self._workspaces, self._resources.public_url)
        url = f"{self._resources.public_url}/slack/{self.account}/events"
        return await doctor.check(account_key(self.name, self.account), self._settings, self._client, url)

    async def close(self) -> None:
        """Let go of connections."""
        await self._surfaces.close()
        await self._client.close()


def _place_of(call: ApiCall) -> str:
    """Return the workspace of a call: its bucket begins with it where the account has many."""
    return call.bucket.partition(":")[0]


def build(account: AccountName, settings: AccountSettings, resources: Resources) -> Channel:
    """Make the channel of one account; nothing is opened before it is used."""
    return SlackChannel(account, settings, resources)
