"""The bot without a hub: one conversation in memory, for `frontdesk chat` and `frontdesk replay`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from core.clock import Clock
from core.conversation import ActionResult, ActionWanted, Conversation, Turn
from core.events import Event
from core.ids import DeskName, account_key
from core.ports import Action, Responder
from hub.connectors.sample_orders import SAMPLE_PATH, sample_orders_app
from hub.content import build_responders, load_content
from hub.deciding import decided
from hub.encoders import load_encoder
from hub.settings import Settings
from hub.wiring import build_actions


@dataclass
class Trial:
    """Takes turns for any conversation and keeps them in memory."""

    settings: Settings
    responders: Mapping[DeskName, Responder]
    actions: Mapping[str, Action]
    clock: Clock

    def begin(self, event: Event) -> Conversation:
        """Return the conversation of a first event."""
        desk = self.settings.desk_of[account_key(event.channel, event.account)]
        return Conversation(
            id=event.conversation_id,
            desk=desk.name,
            channel=event.channel,
            account=event.account,
            address=event.address,
        )

    async def take(self, conversation: Conversation, event: Event) -> Turn:
        """Take one turn, running the actions it asks for.

        Raises:
            RuntimeError: they are too many.
        """
        responder = self.responders[conversation.desk]

        async def ask(results: Mapping[str, ActionResult]) -> Turn | ActionWanted:
            return responder.respond(conversation, event, self.clock.now(), results)

        turn = await decided(ask, lambda wanted: self.actions[wanted.action](wanted.arguments))
        version = conversation.version + int(turn.ignored is None)
        return turn.model_copy(update={"conversation": turn.conversation.model_copy(update={"version": version})})


@asynccontextmanager
async def running_trial(settings: Settings, clock: Clock) -> AsyncIterator[Trial]:
    """Build a trial; the sample orders answer on a port of their own unless an orders system is named."""
    runner = web.AppRunner(_sample(clock))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = runner.addresses[0][1]
    local = settings.model_copy(
        update={"server": settings.server.model_copy(update={"host": "127.0.0.1", "port": port})}
    )
    content = load_content(settings.content)
    encoder = load_encoder(settings.understanding)
    async with aiohttp.ClientSession() as session:
        try:
            yield Trial(
                settings,
                build_responders(content, settings.desks, settings.data / "models", encoder=encoder),
                build_actions(local, session),
                clock,
            )
        finally:
            await runner.cleanup()


def _sample(clock: Clock) -> web.Application:
    application = web.Application()
    application.add_subapp(SAMPLE_PATH, sample_orders_app(clock=clock))
    return application
