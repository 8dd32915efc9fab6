"""`frontdesk notify`: say something to a customer who has not asked now."""

import asyncio
import secrets
from typing import Annotated, Any

import typer
import yaml

from channels.base import Acceptance
from channels.inbound import Inbound
from core.errors import ConfigError, StoreUnavailable
from core.ids import ConversationId, account_of
from core.replies import Reply
from core.store.mongo import MongoStore
from hub.approved import read_approved
from hub.cli.common import ConfigOption, DataOption, console, read_settings, with_store
from hub.clock import SystemClock
from hub.holds import Holds
from hub.mailbox import StoreMailbox
from hub.notify import notify as planned
from hub.planning import Planner
from hub.settings import Settings
from hub.telemetry import Metrics
from hub.templating import Templates
from hub.wiring import build_channels


def notify(
    conversation: Annotated[str, typer.Argument(help="channel:account:thread, as transcripts name it.")],
    reply: Annotated[str, typer.Argument(help="The name of a template.")],
    values: Annotated[list[str] | None, typer.Option("--set", help="name=value, the value as YAML.")] = None,
    key: Annotated[str | None, typer.Option(help="Names this notice; the same again says nothing.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Say something by a template; outside WhatsApp's 24 hours as an approved one, or when the customer writes."""
    settings = read_settings(config, data)
    said = Reply(template=reply, context=dict(map(_value, values or ())), kind="agent")
    with_store(settings, lambda store: _notify(settings, store, ConversationId(conversation), said, key))


def _value(written: str) -> tuple[str, Any]:
    name, mark, value = written.partition("=")
    if not mark:
        raise ConfigError(f"--set {written}: name=value is expected")
    return name, yaml.safe_load(value)


async def _notify(settings: Settings, store: MongoStore, name: ConversationId, reply: Reply, key: str | None) -> None:
    clock = SystemClock()
    channels = build_channels(settings, _nobody_is_heard, StoreMailbox(store, clock), clock)
    if name.count(":") < 2 or account_of(name) not in channels:
        raise ConfigError(f"{name}: no account that is switched on; see `frontdesk check`")
    templates, approved = Templates(settings.templates), read_approved(settings.content)
    planner = Planner(channels, settings.desk_of, templates, approved, clock)
    holds = Holds(store, f"cli-{secrets.token_hex(4)}", clock, Metrics())
    try:
        rows = await planned(holds, planner, name, reply, key or secrets.token_hex(8))
    finally:
        await holds.close()
        await asyncio.gather(*(channel.close() for channel in channels.values()))
    console.print(f"{len(rows)} messages are planned; a running hub sends them within seconds.")


async def _nobody_is_heard(_inbound: Inbound) -> Acceptance:
    raise StoreUnavailable("this command receives nothing")
