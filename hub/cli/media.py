"""`frontdesk media`: files that people sent. They stay at their platform until somebody asks for one."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from channels.base import Acceptance
from channels.inbound import Inbound
from core.errors import ConfigError, MediaRefused, StoreUnavailable
from core.ids import ConversationId
from core.media import FileRef, MediaFile, MediaNote, media_name
from core.store.mongo import MongoStore
from hub.cli.common import ConfigOption, DataOption, console, read_settings, with_store
from hub.clock import SystemClock
from hub.mailbox import StoreMailbox
from hub.media.links import Links, file_name
from hub.media.shelf import Shelf
from hub.settings import Settings
from hub.telemetry import Metrics
from hub.wiring import build_channels, build_shelf

app = typer.Typer(help="Files that people sent.", no_args_is_help=True)

LISTED = 500
"""Transcript lines that are looked through."""
Result = TypeVar("Result")

Row = Annotated[str, typer.Argument(help="The message, as `list` shows it.")]
Number = Annotated[int, typer.Argument(help="Which of its attachments, from 0.")]


@app.command("list")
def list_files(
    conversation: Annotated[str, typer.Argument(help="channel:account:thread")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """List what is attached in a conversation, and what became of each file that somebody asked for."""
    name = ConversationId(conversation)
    files, notes = with_store(read_settings(config, data), lambda store: _listed(store, name))
    if not files:
        console.print("Nothing is attached in this conversation.")
        return
    table = Table("message", "number", "kind", "claimed", "name", "state")
    for file in files:
        note = notes.get(media_name(file.row, file.number))
        state = "not asked for" if note is None else f"{note.state} {note.reason}".strip()
        table.add_row(file.row, str(file.number), file.kind, file.media_type or "", file.name or "", state)
    console.print(table)


async def _listed(store: MongoStore, name: ConversationId) -> tuple[list[FileRef], dict[str, MediaNote]]:
    lines = await store.transcript(name, 0, LISTED)
    files = [file for line in lines for file in line.files]
    notes = await store.media_notes([media_name(file.row, file.number) for file in files])
    return files, {note.id: note for note in notes}


@app.command("fetch")
def fetch(
    row: Row,
    number: Number = 0,
    folder: Annotated[Path, typer.Option("--to", help="Where to save it.")] = Path(),
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Fetch a file and save it under a name of ours. It is what a customer sent: open it with care."""
    file = _fetched(read_settings(config, data), row, number)
    path = folder / file_name(file)
    path.write_bytes(file.data)
    console.print(f"{path}  {file.media_type}, {len(file.data):,} bytes", soft_wrap=True)


@app.command("link")
def link(row: Row, number: Number = 0, config: ConfigOption = None, data: DataOption = None) -> None:
    """Fetch a file and print a link for one agent, good for ten minutes."""
    settings = read_settings(config, data)

    async def made(shelf: Shelf) -> str:
        file = await shelf.fetch(row, number)
        return Links(settings.link_key, shelf, shelf.clock).link(settings.origin, file.sha256)

    console.print(_on_shelf(settings, made), soft_wrap=True)


def _fetched(settings: Settings, row: str, number: int) -> MediaFile:
    return _on_shelf(settings, lambda shelf: shelf.fetch(row, number))


def _on_shelf(settings: Settings, work: Callable[[Shelf], Awaitable[Result]]) -> Result:
    """Do something with the files of the hub.

    Raises:
        ConfigError: the file cannot be had; the message says why.
    """

    async def run(store: MongoStore) -> Result:
        clock = SystemClock()
        channels = build_channels(settings, _refuse, StoreMailbox(store, clock), clock)
        shelf = build_shelf(settings, store, channels, clock, Metrics())
        try:
            return await work(shelf)
        except MediaRefused as refusal:
            raise ConfigError(f"{refusal.state}: {refusal}") from refusal
        finally:
            await asyncio.gather(shelf.downloader.close(), *(channel.close() for channel in channels.values()))

    return with_store(settings, run)


async def _refuse(_inbound: Inbound) -> Acceptance:
    raise StoreUnavailable("this command takes no messages")
