"""`frontdesk serve`: run the hub."""

import asyncio
from contextlib import suppress
from typing import Annotated

import typer

from hub.cli.common import ConfigOption, DataOption, console
from hub.settings import Role, Settings, load_settings
from hub.telemetry import configure_logging


def serve(
    role: Annotated[Role, typer.Option(help="all, web (accept and show) or worker (take turns and send).")] = "all",
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Run the hub until it is told to stop."""
    settings = load_settings(config, host=host, port=port, data=data)
    configure_logging(settings.log_level)
    _install_fast_loop()
    asyncio.run(_serve(settings, role))


def _install_fast_loop() -> None:
    try:
        import uvloop
    except ImportError:
        return  # not on this system; about ten per cent slower
    uvloop.install()


async def _serve(settings: Settings, role: Role) -> None:
    from hub.server import run_server
    from hub.wiring import build_app

    app = await build_app(settings, role)
    with suppress(OSError):  # a full log disk ends no hub
        console.print(f"[bold]Frontdesk[/bold] ({role}) on [link]{settings.origin}[/link]")
    await run_server(app)
