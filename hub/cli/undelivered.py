"""`frontdesk undelivered`: messages that nobody got, and those that wait until their person writes."""

from typing import Annotated

import typer
from rich.table import Table

from core.storage import TranscriptRow, Trouble
from core.store.mongo import MongoStore
from hub.cli.common import ConfigOption, DataOption, console, read_settings, with_store

MOST = 1000


def undelivered(
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many of each, newest first.")] = 50,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """List what waits for its person, and what failed: refused, given up, or never delivered."""
    with_store(read_settings(config, data), lambda store: _list(store, limit))


async def _list(store: MongoStore, limit: int) -> None:
    kinds: tuple[tuple[Trouble, str], ...] = (("waiting", "Waits until they write"), ("undelivered", "Not delivered"))
    for trouble, title in kinds:
        lines = await store.troubled_lines(trouble, limit)
        console.print(_table(title, lines) if lines else f"{title}: nothing.")


def _table(title: str, lines: list[TranscriptRow]) -> Table:
    table = Table("id", "conversation", "when", "why", "text", title=title)
    for line in lines:
        table.add_row(line.id, line.conversation_id, f"{line.at:%Y-%m-%d %H:%M:%S}", line.reason or "", line.text[:200])
    return table
