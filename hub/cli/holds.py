"""`frontdesk holds`: replies that may or may not have arrived, and wait for a person to decide."""

import secrets
from typing import Annotated

import typer
from rich.table import Table

from core.errors import ConfigError
from core.ids import EventId, OutId
from core.outbox import OutboxRow
from core.storage import TranscriptRow
from core.store.mongo import MongoStore
from hub.cli.common import ConfigOption, DataOption, console, read_settings, with_store
from hub.clock import SystemClock
from hub.holds import Hold, Holds
from hub.notify import taken
from hub.telemetry import Metrics

app = typer.Typer(help="Replies whose arrival is unknown.", no_args_is_help=True)

LISTED = 200

OutIdArgument = Annotated[str, typer.Argument(help="The id that `list` shows.")]


@app.command("list")
def list_holds(config: ConfigOption = None, data: DataOption = None) -> None:
    """List held replies, oldest first, with what they say."""
    with_store(read_settings(config, data), _list)


async def _list(store: MongoStore) -> None:
    lines = await store.held_lines(LISTED)
    if not lines:
        console.print("Nothing is held.")
        return
    table = Table("id", "conversation", "when", "why", "text")
    for line in lines:
        table.add_row(line.id, line.conversation_id, f"{line.at:%Y-%m-%d %H:%M:%S}", line.reason or "", line.text[:200])
    console.print(table)


@app.command("resend")
def resend(out_id: OutIdArgument, config: ConfigOption = None, data: DataOption = None) -> None:
    """Send it again; look at the platform first, because it may be there already."""
    with_store(read_settings(config, data), lambda store: _resend(store, out_id))


async def _resend(store: MongoStore, out_id: str) -> None:
    line = await _held_line(store, out_id)
    holds = Holds(store, f"cli-{secrets.token_hex(4)}", SystemClock(), Metrics())
    hold = await taken(holds, line.conversation_id)
    hold.out = (*hold.out, _row(line, hold))
    await holds.save(hold)
    await holds.close()
    console.print(f"{out_id} is queued again; a running hub sends it within seconds.")


def _row(line: TranscriptRow, hold: Hold) -> OutboxRow:
    assert line.call is not None  # noqa: S101  a held line keeps its call
    assert hold.conversation is not None  # noqa: S101  taken() looks
    return OutboxRow(
        id=OutId(line.id),
        event_id=EventId(line.event_id),
        inbox_id=line.event_id,
        call=line.call,
        epoch=hold.conversation.epoch,
        seq=line.seq,
        created_at=SystemClock().now(),
        approved=line.approved,
    )


@app.command("discard")
def discard(out_id: OutIdArgument, config: ConfigOption = None, data: DataOption = None) -> None:
    """Take it off the list without sending: it arrived, or nobody needs it any more."""
    with_store(read_settings(config, data), lambda store: _discard(store, out_id))


async def _discard(store: MongoStore, out_id: str) -> None:
    line = await _held_line(store, out_id)
    await store.record([line.model_copy(update={"state": "cancelled", "reason": "discarded", "call": None})])
    console.print(f"{out_id} is off the list.")


async def _held_line(store: MongoStore, out_id: str) -> TranscriptRow:
    for line in await store.held_lines(LISTED):
        if line.id == out_id:
            return line
    raise ConfigError(f"{out_id!r} is not held; see `frontdesk holds list`")
