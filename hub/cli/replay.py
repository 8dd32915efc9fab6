"""`frontdesk replay`: what a payload of a platform becomes, step by step, without sending anything."""

import asyncio
import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from channels.base import Acceptance, Channel, Resources
from channels.inbound import Inbound
from core.clock import Clock
from core.conversation import Conversation, Turn
from core.errors import ConfigError, MalformedPayload, StoreUnavailable
from core.events import EVENT_ADAPTER
from core.ids import AccountName
from core.store.memory import MemoryStore
from hub.adapters import build_channel, channel_names, providers_of, template_folders
from hub.cli.common import ConfigOption, console, read_settings
from hub.cli.trial import Trial, running_trial
from hub.clock import SystemClock
from hub.mailbox import StoreMailbox
from hub.settings import AccountPlan, Settings
from hub.templating import Templates

STAND_IN_SETTINGS: dict[tuple[str, str], dict[str, Any]] = {
    ("slack", ""): {"bot_token": "xoxb-replay", "signing_secret": "replay"},
    ("telegram", ""): {"token": "1:replay"},
    ("whatsapp", "twilio"): {"account_sid": "AC" + "0" * 32, "auth_token": "replay", "number": "whatsapp:+15550000000"},
    ("whatsapp", "cloud"): {"provider": "cloud", "phone_number_id": "100000000000000", "access_token": "replay"}
    | {"app_secret": "replay", "verify_token": "replay"},
    ("email", ""): {"address": "help@example.com", "smtp_host": "127.0.0.1", "imap_host": "127.0.0.1"}
    | {"imap_user": "help", "imap_password": "replay", "imap_tls": "none", "smtp_tls": "none"},
    ("web", ""): {"secret": "replay" * 8},
}
"""Settings for an account that is not set up, by channel and provider: a payload is read and answered without any
credential."""
CLOUD_NUMBER = re.compile(rb'"phone_number_id"\s*:\s*"([0-9]{5,32})"')
"""Our number in a payload of the Cloud API: what is about another one would belong to another account."""


def replay(
    file: Annotated[Path, typer.Argument(help="A payload as the platform sends it: JSON, form or mail.")],
    channel: Annotated[str, typer.Option(help="Its name: `slack`, `telegram`, ... or that of an adapter.")],
    provider: Annotated[
        str | None, typer.Option(help="Of WhatsApp: `twilio` or `cloud`; what the account has unless given.")
    ] = None,
    header: Annotated[list[str] | None, typer.Option(help="`name: value`, as often as needed.")] = None,
    config: ConfigOption = None,
) -> None:
    """Show the events, the turn and the api calls that a payload leads to; the signature is not asked for."""
    if channel not in channel_names():
        raise typer.BadParameter(f"{channel!r} is no channel; use one of {', '.join(channel_names())}")
    if provider is not None and provider not in providers_of(channel):
        raise typer.BadParameter(f"{provider!r} is none of {channel}'s providers: {', '.join(providers_of(channel))}")
    if not file.is_file():
        raise typer.BadParameter(f"{file} is no file")
    settings, body = read_settings(config), file.read_bytes()
    account = account_for_replay(settings, channel, SystemClock(), provider, body)
    asyncio.run(_replay(settings, account, body, _headers(header or [])))


def _headers(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def account_for_replay(
    settings: Settings, channel: str, clock: Clock, provider: str | None = None, body: bytes = b""
) -> Channel:
    """Build the first account of a channel, with stand-in settings where it is not set up.

    Args:
        settings: the configuration.
        channel: its name.
        clock: for the channel.
        provider: who carries the messages; None: as configured.
        body: the payload, which says whom it is about where that must be known.

    Raises:
        ConfigError: no desk has such an account, or it is off and nothing can stand in.
    """
    plan = next((plan for plan in settings.accounts if plan.channel == channel), None)
    if plan is None:
        raise ConfigError(f"no desk has a {channel} account; add one to config/frontdesk.yaml")
    resources = Resources(clock, _refuse, settings.origin, StoreMailbox(MemoryStore(clock), clock))
    chosen = plan.settings if provider in (None, plan.provider) else None
    if chosen is None:
        chosen = _stand_in(plan, provider or plan.provider, body)
    return build_channel(channel, AccountName(plan.name), chosen, resources)


def _stand_in(plan: AccountPlan, provider: str, body: bytes) -> BaseModel:
    if (given := STAND_IN_SETTINGS.get((plan.channel, provider))) is None:
        raise ConfigError(f"{plan.key} is off; set {', '.join(plan.missing)}, if only to anything that looks right")
    if "phone_number_id" in given and (ours := CLOUD_NUMBER.search(body)) is not None:
        given = given | {"phone_number_id": ours[1].decode()}
    model, _ = providers_of(plan.channel)[provider]
    return model.model_validate(given)


async def _refuse(_inbound: Inbound) -> Acceptance:
    raise StoreUnavailable("a replay takes no messages")


async def _replay(settings: Settings, channel: Channel, body: bytes, headers: dict[str, str]) -> None:
    clock = SystemClock()
    inbound = Inbound(channel.name, channel.account, body, clock.now(), headers)
    key = channel.identify(inbound)
    _print("delivery", {"primary": key.primary, "order": key.order})
    try:
        events = channel.normalize(inbound)
    except MalformedPayload as error:
        _print("quarantined", {"reason": str(error)})
        await channel.close()
        return
    templates = Templates(settings.templates, template_folders())
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
