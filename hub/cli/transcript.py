"""`frontdesk transcript`: a conversation as an agent reads it."""

from typing import Annotated

import typer

from core.errors import ConfigError
from core.handoff.transcript import told
from core.ids import ConversationId
from core.store.mongo import MongoStore
from hub.cli.common import ConfigOption, DataOption, console, read_settings, with_store

LINES = 1000

NameArgument = Annotated[str, typer.Argument(help="`channel:account:thread`, as `holds list` shows it.")]


def transcript(name: NameArgument, config: ConfigOption = None, data: DataOption = None) -> None:
    """Show a conversation: messages, edits, deletions, reactions, and whether the person can be reached."""
    with_store(read_settings(config, data), lambda store: _show(store, ConversationId(name)))


async def _show(store: MongoStore, name: ConversationId) -> None:
    found = await store.load(name)
    if found is None or found.conversation is None:
        raise ConfigError(f"there is no conversation {name!r}")
    for line in told(found.conversation, await store.transcript(name, 0, LINES)):
        console.print(line, markup=False, highlight=False)
