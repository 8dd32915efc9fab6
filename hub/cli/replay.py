"""`frontdesk replay`: what a payload of a platform becomes, step by step, without sending anything."""

import asyncio
import json
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from channels.base import Acceptance, Channel, Resources
from channels.inbound import Inbound
from core.conversation import Conversation, Turn
from core.errors import ConfigError, MalformedPayload, StoreUnavailable
from core.events import EVENT_ADAPTER
from core.ids import AccountName, ChannelName
from core.store.memory import MemoryStore
from hub.cli.common import ConfigOption, console, read_settings
from hub.cli.trial import Trial, running_trial
from hub.clock import SystemClock
from hub.mailbox import StoreMailbox
from hub.settings import CHANNELS, Settings
from hub.templating import Templates

STAND_IN_SETTINGS: dict[str, dict[str, Any]] = {
    "slack": {"bot_token": "xoxb-replay", "signing_secret": "replay"},
    "telegram": {"token": "1:replay"},
    "whatsapp": {"account_sid": "AC" + "0" * 32, "auth_token": "replay", "number": "whatsapp:+15550000000"},
    "email": {"address": "help@example.com", "smtp_host": "127.0.0.1", "imap_host": "127.0.0.1"}
    | {"imap_user": "help", "imap_password": "replay", "imap_tls": "none", "smtp_tls": "none"},
    "web": {"secret": "replay" * 8},
}
"""Settings for an account that is not set up: a payload is read and answered without any credential."""


def replay(
    file: Annotated[Path, typer.Argument(help="A payload as the platform sends it: JSON, form or mail.")],
    channel: Annotated[str, typer.Option(help=f"One of {', '.join(CHANNELS)}.")],
    header: Annotated[list[str] | None, typer.Option(help="`name: value`, as often as needed.")] = None,
    config: ConfigOption = None,
) -> None:
    """Show the events, the turn and the api calls that a payload leads to; the signature is not asked for."""
    if channel not in CHANNELS:
        raise typer.BadParameter(f"{channel!r} is no channel; use one of {', '.join(CHANNELS)}")
    if not file.is_file():
        raise typer.BadParameter(f"{file} is no file")
    asyncio.run(_replay(read_settings(config), channel, file.read_bytes(), _headers(header or [])))


def _headers(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def account_for_replay(settings: Settings, channel: str, clock: SystemClock) -> Channel:
    """Build the first account of a channel, with stand-in settings where it is not set up."""
    plan = next((plan for plan in settings.accounts if plan.channel == channel), None)
    if plan is None:
        raise ConfigError(f"no desk has a {channel} account; add one to config/frontdesk.yaml")
    model = import_module(f"channels.{channel}.account").AccountSettings
    chosen = plan.settings or model.model_validate(STAND_IN_SETTINGS[channel])
    resources = Resources(clock, _refuse, settings.origin, StoreMailbox(MemoryStore(clock), clock))
    built: Channel = import_module(f"channels.{channel}.channel").build(AccountName(plan.name), chosen, resources)
    return built


async def _refuse(_inbound: Inbound) -> Acceptance:
    raise StoreUnavailable("a replay takes no messages")


async def _replay(settings: Settings, name: str, body: bytes, headers: dict[str, str]) -> None:
    clock = SystemClock()
    channel = account_for_replay(settings, name, clock)
    inbound = Inbound(ChannelName(name), channel.account, body, clock.now(), headers)
    key = channel.identify(inbound)
    _print("delivery", {"primary": key.primary, "order": key.order})
    try:
        events = channel.normalize(inbound)
    except MalformedPayload as error:
        _print("quarantined", {"reason": str(error)})
        await channel.close()
        return
    templates = Templates(settings.templates)
    async with running_trial(settings, clock) as trial:
        conversation: Conversation | None = None
        for event in events:
            _print("event", EVENT_ADAPTER.dump_python(event, mode="json", exclude_defaults=True))
            turn = await _take(trial, conversation, event)
            if turn is not None:
                conversation = turn.conversation
                _show(turn, channel, templates, settings)
    if not events:
        _print("ignored", {"reason": "nothing in it that we handle"})
    await channel.close()


async def _take(trial: Trial, conversation: Conversation | None, event: Any) -> Turn | None:
    if event.kind == "delivery_status":
        return None
    return await trial.take(conversation or trial.begin(event), event)


def _show(turn: Turn, channel: Channel, templates: Templates, settings: Settings) -> None:
    _print("turn", turn.model_dump(mode="json", exclude_defaults=True, exclude={"conversation": {"recent", "address"}}))
    desk = settings.desk_of[f"{channel.name}:{channel.account}"]
    for reply in turn.replies:
        words = templates.words(channel.name, reply, channel.escapes, desk.languages[0], desk.tone)
        for call in channel.render(reply, words, turn.conversation.address):
            _print("api call", call.model_dump(mode="json", exclude_defaults=True))


def _print(title: str, value: Any) -> None:
    console.print(f"[bold]{title}[/bold]")
    console.print(json.dumps(value, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)
