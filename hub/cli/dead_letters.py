"""`frontdesk dead-letters`: messages that no run could finish, and payloads that nobody could read."""

from typing import Annotated

import typer
from rich.table import Table

from core.errors import ConfigError
from core.inbox import InboxRow, InboxState
from core.store.mongo import MongoStore
from hub.cli.common import ConfigOption, DataOption, console, read_settings, with_store

app = typer.Typer(help="Messages that no run could finish.", no_args_is_help=True)

LISTED = 200
SHOWN_BYTES = 4000

LetterId = Annotated[str, typer.Argument(help="The id that `list` shows.")]


@app.command("list")
def list_letters(config: ConfigOption = None, data: DataOption = None) -> None:
    """List dead letters and quarantined payloads, newest first."""
    with_store(read_settings(config, data), _list)


async def _list(store: MongoStore) -> None:
    letters, quarantined = await store.dead_letters(LISTED), await store.quarantined(LISTED)
    if not letters and not quarantined:
        console.print("No dead letters, nothing quarantined.")
        return
    table = Table("id", "channel", "when", "state", "why", "runs")
    for letter in letters:
        when = f"{letter.died_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(letter.id, letter.channel, when, "dead", f"{letter.error}: {letter.detail}", str(letter.attempts))
    for row in quarantined:
        table.add_row(row.id, row.channel, f"{row.received_at:%Y-%m-%d %H:%M:%S}", "quarantined", row.reason or "", "0")
    console.print(table)


@app.command("show")
def show(letter_id: LetterId, config: ConfigOption = None, data: DataOption = None) -> None:
    """Show one, with the payload as the platform sent it (it holds what the customer wrote)."""
    with_store(read_settings(config, data), lambda store: _show(store, letter_id))


async def _show(store: MongoStore, letter_id: str) -> None:
    row, letter = await store.find_inbox(letter_id), await store.find_dead_letter(letter_id)
    if row is None:
        raise ConfigError(f"there is no payload {letter_id!r}; see `frontdesk dead-letters list`")
    console.print(
        f"{row.id}  {row.channel}:{row.account}  {row.state}  received {row.received_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    if letter is not None:
        console.print(f"{letter.error}: {letter.detail} ({letter.attempts} runs)")
    elif row.reason:
        console.print(row.reason)
    console.print(row.body[:SHOWN_BYTES].decode("utf-8", "replace"), markup=False)


@app.command("replay")
def replay(letter_id: LetterId, config: ConfigOption = None, data: DataOption = None) -> None:
    """Take it again. Its replies keep their names, so nothing that was sent is sent again."""
    with_store(read_settings(config, data), lambda store: _replay(store, letter_id))


async def _replay(store: MongoStore, letter_id: str) -> None:
    row = await _dead_row(store, letter_id)
    state = InboxState.READY if row.state is InboxState.DEAD else InboxState.RECEIVED
    await store.revive(letter_id, state)
    console.print(f"{letter_id} goes back to the inbox; a running hub takes it within seconds.")


@app.command("discard")
def discard(letter_id: LetterId, config: ConfigOption = None, data: DataOption = None) -> None:
    """Give it up for good; the raw payload stays until its time is over."""
    with_store(read_settings(config, data), lambda store: _discard(store, letter_id))


async def _discard(store: MongoStore, letter_id: str) -> None:
    await _dead_row(store, letter_id)
    await store.revive(letter_id, InboxState.IGNORED)
    console.print(f"{letter_id} is discarded.")


async def _dead_row(store: MongoStore, letter_id: str) -> InboxRow:
    row = await store.find_inbox(letter_id)
    if row is None or row.state not in {InboxState.DEAD, InboxState.QUARANTINED}:
        raise ConfigError(f"{letter_id!r} is neither dead nor quarantined; see `frontdesk dead-letters list`")
    return row
