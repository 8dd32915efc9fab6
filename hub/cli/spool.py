"""`frontdesk spool`: payloads that wait on this machine's disk, and damaged records that wait for a person."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer
from rich.table import Table

from core.errors import ConfigError
from core.inbox import InboxRow
from core.store.mongo import MongoStore
from hub.cli.common import ConfigOption, DataOption, console, read_settings, with_store
from hub.settings import Settings
from hub.spool.disk import Disk
from hub.spool.folders import BAD, SEGMENT_SUFFIX, folders_in, is_held
from hub.spool.records import Unreadable, content_of, decode
from hub.spool.spool import PROBE_BYTES

app = typer.Typer(help="Payloads on this machine's disk that MongoDB has not.", no_args_is_help=True)

SHOWN_BYTES = 4000

Name = Annotated[str, typer.Argument(help="The name that `list` shows.")]


@app.command("status")
def status(config: ConfigOption = None, data: DataOption = None) -> None:
    """Show what waits in the folder of each process, whether the disk takes more, and how many records are damaged."""
    root = read_settings(config, data).spool_folder
    console.print(_says_disk(root))
    waiting = [(path, *_size(path)) for path in folders_in(root)]
    if not any(segments for _, segments, _ in waiting):
        console.print("Nothing waits.")
    else:
        table = Table("process", "lives", "segments", "bytes")
        for path, segments, size in waiting:
            table.add_row(path.name, "yes" if is_held(path) else "no", str(segments), f"{size:,}")
        console.print(table)
    if bad := Disk().names(root / BAD):
        console.print(f"{len(bad)} damaged records: `frontdesk spool list`")


def _says_disk(root: Path) -> str:
    """Write something where the spool lies, and remove it again."""
    try:
        Disk().make_folder(root)
        with TemporaryFile(dir=root) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return f"{root} cannot be written: {error.strerror}"
    return f"{root} can be written."


def _size(folder: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in folder.glob(f"*{SEGMENT_SUFFIX}")]
    return len(sizes), sum(sizes)


@app.command("list")
def list_damaged(config: ConfigOption = None, data: DataOption = None) -> None:
    """List damaged records with what can still be read of each."""
    damaged = _damaged(read_settings(config, data))
    if not damaged:
        console.print("No damaged records.")
        return
    table = Table("name", "damage", "bytes", "key", "received")
    for record in damaged:
        row = record.row
        when = f"{row.received_at:%Y-%m-%d %H:%M:%S}" if row else ""
        table.add_row(record.path.name, record.damage, str(len(record.data)), row.id if row else "", when)
    console.print(table)


@app.command("show")
def show(name: Name, config: ConfigOption = None, data: DataOption = None) -> None:
    """Show one; it holds what a customer wrote."""
    record = _find(read_settings(config, data), name)
    if record.row is None:
        console.print("Its fields cannot be read. Its bytes:")
        console.print(record.data[:SHOWN_BYTES].decode("utf-8", "replace"), markup=False)
        return
    row = record.row
    console.print(f"{row.id}  {row.channel}:{row.account}  received {row.received_at:%Y-%m-%d %H:%M:%S} UTC")
    console.print(row.body[:SHOWN_BYTES].decode("utf-8", "replace"), markup=False)


@app.command("return")
def give_back(name: Name, config: ConfigOption = None, data: DataOption = None) -> None:
    """Put one into the inbox as it is, damaged perhaps in its text; a running hub takes it within seconds."""
    settings = read_settings(config, data)
    record = _find(settings, name)
    if record.row is None:
        raise ConfigError(f"{name!r} names no message any more; `frontdesk spool show` has its bytes")
    row = record.row
    is_new = with_store(settings, lambda store: _insert(store, row))
    record.path.unlink()
    console.print(f"{row.id} is in the inbox." if is_new else f"{row.id} was in the inbox already.")


async def _insert(store: MongoStore, row: InboxRow) -> bool:
    (is_new,) = await store.insert_inbox([row])
    return is_new


@app.command("discard")
def discard(name: Name, config: ConfigOption = None, data: DataOption = None) -> None:
    """Remove one for good."""
    _find(read_settings(config, data), name).path.unlink()
    console.print(f"{name} is removed.")


@dataclass(frozen=True)
class _Record:
    path: Path
    data: bytes
    row: InboxRow | None

    @property
    def damage(self) -> str:
        return self.path.suffix.removeprefix(".")


def _damaged(settings: Settings) -> list[_Record]:
    folder = settings.spool_folder / BAD
    return [_read(folder / name) for name in Disk().names(folder)]


def _find(settings: Settings, name: str) -> _Record:
    for record in _damaged(settings):
        if record.path.name == name:
            return record
    raise ConfigError(f"there is no damaged record {name!r}; see `frontdesk spool list`")


def _read(path: Path) -> _Record:
    """Read what its checks call damaged: often one byte of the text is wrong and everything else is right."""
    data = path.read_bytes()
    try:
        return _Record(path, data, decode(content_of(data)))
    except Unreadable:
        return _Record(path, data, None)
