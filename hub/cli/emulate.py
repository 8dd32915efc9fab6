"""`frontdesk emulate`: the platforms on this machine, for development without accounts."""

import asyncio
import shlex
import signal
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import typer
from rich.table import Table

from core.errors import ConfigError
from hub.cli.common import ConfigOption, DataOption, console, read_settings
from hub.settings import Settings, variable

if TYPE_CHECKING:
    from hub.emulate.platforms import Accounts, Platforms
    from hub.emulate.world import World

WhatsAppBy = Literal["twilio", "cloud"]
SlackBy = Literal["token", "installs"]
CARRIERS: Mapping[WhatsAppBy, str] = {"twilio": "Twilio", "cloud": "Meta's Cloud API"}

ENV_FILE = "emulate.env"
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def emulate(
    port: Annotated[
        int, typer.Option(help="Port of the page; the platforms take the eight behind it. 0: free ones.")
    ] = 8090,
    hub: Annotated[str, typer.Option(help="Where the hub listens, or will.")] = "http://127.0.0.1:8080",
    ledger: Annotated[
        Path | None, typer.Option(help="Also append what happens to this file, a JSON line each.")
    ] = None,
    scale: Annotated[float, typer.Option(min=0.01, help="How many times faster platforms try again.")] = 1.0,
    host: Annotated[str, typer.Option(help="Address of the page; the platforms stay on 127.0.0.1.")] = "127.0.0.1",
    whatsapp: Annotated[
        WhatsAppBy | None, typer.Option(help="Who carries WhatsApp; unless given, whom the account names.")
    ] = None,
    slack: Annotated[
        SlackBy, typer.Option(help="One workspace's token, or an app that workspaces install by OAuth.")
    ] = "token",
    print_env: Annotated[bool, typer.Option("--print-env", help="Only print the hub's environment.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Play Slack, Telegram, WhatsApp, mail, orders, a help desk and a model, and show them on one page."""
    settings = read_settings(config, data)
    if print_env:
        if port == 0:
            raise ConfigError("free ports are known only while `frontdesk emulate` runs: give --port")
        asyncio.run(_print_environment(port, hub, Played(settings, whatsapp, slack)))
    else:
        asyncio.run(_emulate(port, host, hub.rstrip("/"), ledger, scale, Played(settings, whatsapp, slack)))


@dataclass(frozen=True)
class Played:
    """What is to be played: the accounts of the configuration, each in one of its ways."""

    settings: Settings
    whatsapp: WhatsAppBy | None
    slack: SlackBy

    def platforms(self, world: "World", port: int) -> "Platforms":
        """Return the stand-ins, on the ports behind this one."""
        from hub.emulate.platforms import Platforms, Ports

        return Platforms(world, Ports.after(port), _accounts(self.settings), self._whatsapp_by, self.slack)

    @property
    def _whatsapp_by(self) -> WhatsAppBy:
        configured = next((plan.provider for plan in self.settings.accounts if plan.channel == "whatsapp"), "twilio")
        return self.whatsapp or ("cloud" if configured == "cloud" else "twilio")


async def _print_environment(port: int, hub: str, played: Played) -> None:
    from hub.emulate.world import World

    world = World()
    try:
        typer.echo(_exports(played.platforms(world, port), hub), nl=False)
    finally:
        await world.stop()


async def _emulate(port: int, host: str, hub: str, ledger: Path | None, scale: float, played: Played) -> None:
    from aiohttp import web

    from hub.emulate.ledger import Ledger
    from hub.emulate.page import Page
    from hub.emulate.people import People
    from hub.emulate.world import World

    world = World(ledger=Ledger(ledger), scale=scale)
    try:
        async with played.platforms(world, port) as platforms:
            page = Page(platforms, People(platforms, hub), is_local=host in LOCAL)
            runner = web.AppRunner(page.application(), access_log=None, shutdown_timeout=0.5)
            await runner.setup()
            try:
                await web.TCPSite(runner, host, port).start()
                _tell(platforms, f"http://{host}:{runner.addresses[0][1]}/", hub, played.settings.data)
                await _until_told_to_stop()
            finally:
                await runner.cleanup()
    except OSError as error:
        raise ConfigError(f"a port of {port} to {port + 8} cannot be used ({error.strerror}): give --port") from error


def _accounts(settings: Settings) -> "Accounts":
    """Take the first account of each channel in the configuration that is played."""
    from hub.emulate.platforms import Accounts

    played = {field.name for field in fields(Accounts)}
    return Accounts(**{plan.channel: plan.name for plan in reversed(settings.accounts) if plan.channel in played})


def _exports(platforms: "Platforms", hub: str) -> str:
    """Write the hub's environment for a shell."""
    values = {"FRONTDESK_PUBLIC_URL": hub} | platforms.environment()
    if (parts := urlsplit(hub)).hostname in LOCAL and parts.port:
        values = {"FRONTDESK_PORT": str(parts.port)} | values
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _tell(platforms: "Platforms", url: str, hub: str, data: Path) -> None:
    path = data / ENV_FILE
    path.write_text(_exports(platforms, hub), encoding="utf-8")
    table = Table("platform", "listens on", title=f"WhatsApp is carried by {CARRIERS[platforms.whatsapp_by]}")
    for name, port in platforms.http.items():
        table.add_row(name, port.url)
    table.add_row("email", f"smtp://127.0.0.1:{platforms.mail.port}, brings mail to port {platforms.mail_in_port}")
    console.print(table)
    if platforms.slack_by == "installs":
        client_id = platforms.environment()[variable("slack", platforms.accounts.slack, "client_id")]
        console.print(f"Slack's app has the client id {client_id}.", soft_wrap=True)
        link = f"{hub}/slack/{platforms.accounts.slack}/install"
        console.print(f"Install it once the hub runs: open [link]{link}[/link]", soft_wrap=True)
    console.print(f"Start the hub in another terminal:  [bold]. {path} && frontdesk serve[/bold]", soft_wrap=True)
    console.print(f"Then open [link]{url}[/link]", soft_wrap=True)


async def _until_told_to_stop() -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
