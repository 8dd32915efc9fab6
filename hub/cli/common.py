"""What several commands need."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from core.errors import ConfigError
from core.store.mongo import MongoStore
from hub.clock import SystemClock
from hub.database import HOST, listens
from hub.settings import Settings, load_settings

console = Console(highlight=False)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="The YAML file; default config/frontdesk.yaml.")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Folder for the embedded database and kept secrets.")]

Result = TypeVar("Result")


def read_settings(config: Path | None, data: Path | None = None) -> Settings:
    """Read the configuration for a command."""
    return load_settings(config, data=data)


def with_store(settings: Settings, work: Callable[[MongoStore], Awaitable[Result]]) -> Result:
    """Run something on the store of the running hub, or of the MongoDB that is configured."""
    uri = settings.database.uri
    if uri is None:
        port = settings.database.embedded_port
        if not listens(port):
            raise ConfigError(
                f"the embedded database does not run (port {port}): start the hub with `make run`,"
                " or set FRONTDESK_MONGO_URI"
            )
        uri = f"mongodb://{HOST}:{port}/?retryWrites=false"

    async def run() -> Result:
        store = MongoStore(uri, settings.database.name, SystemClock())
        try:
            return await work(store)
        finally:
            store.close()

    return asyncio.run(run())
