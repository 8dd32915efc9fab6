"""One payload as bytes of a segment, and the bytes of a segment back to payloads. Pure but for reading the file.

    record = mark | size of content | crc of the two | crc of content | content
    content = size of the fields | the row's fields as JSON, its key first | the raw payload

The mark is eight random bytes of the segment's own, so that the next record is found behind a damaged one, and nobody
can forge a record inside of a payload. The fields are ASCII: JSON escapes whatever text a payload brought along.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Literal

from core.inbox import InboxRow

MARK_BYTES = 8
_HEAD = struct.Struct("<8sIII")
_CHECKED_HEAD = struct.Struct("<8sI")
_FIELDS = struct.Struct("<I")

Damage = Literal["torn", "damaged", "unreadable"]
"""Ends before its end; fails its check; passes it and is no row."""


class Unreadable(Exception):
    """The content of a record is no row."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in a segment between two offsets: a row, or what is left of one."""

    start: int
    end: int
    row: InboxRow | None = None
    damage: Damage | None = None


def frame(content: bytes, mark: bytes) -> bytes:
    """Make a record of its content."""
    checked = _CHECKED_HEAD.pack(mark, len(content))
    return _HEAD.pack(mark, len(content), zlib.crc32(checked), zlib.crc32(content)) + content


def record_size(content: bytes) -> int:
    """Return how many bytes the record of a content has."""
    return _HEAD.size + len(content)


def encode(row: InboxRow) -> bytes:
    """Write a row as the content of a record."""
    fields = row.model_dump(exclude={"body"}, exclude_none=True)
    text = json.dumps(fields, separators=(",", ":"), default=datetime.isoformat)
    return _FIELDS.pack(len(text)) + text.encode("ascii") + row.body


def decode(content: bytes) -> InboxRow:
    """Read a row; fields that this version does not know are left out.

    Raises:
        Unreadable: this is no row.
    """
    try:
        (size,) = _FIELDS.unpack_from(content)
        end = _FIELDS.size + size
        fields = json.loads(content[_FIELDS.size : end])
        known = {name: value for name, value in fields.items() if name in InboxRow.model_fields}
        return InboxRow.model_validate(known | {"body": content[end:]})
    except (struct.error, ValueError, AttributeError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from error


def content_of(record: bytes) -> bytes:
    """Return the content of a record whose checks may fail."""
    return record[_HEAD.size :]


def entries(file: BinaryIO, mark: bytes, start: int, end: int) -> Iterator[Entry]:
    """Read what stands between two offsets, one entry at a time; every byte belongs to exactly one."""
    while start < end:
        entry = _entry(file, mark, start, end)
        yield entry
        start = entry.end


def count(file: BinaryIO, mark: bytes, end: int) -> int:
    """Count the entries of a segment by their heads alone."""
    found, start = 0, 0
    while start < end:
        file.seek(start)
        size, _ = _read_head(file.read(_HEAD.size), mark)
        start = _gap(file, mark, start, end).end if size is None else start + _HEAD.size + size
        found += 1
    return found


def _entry(file: BinaryIO, mark: bytes, start: int, end: int) -> Entry:
    file.seek(start)
    size, crc = _read_head(file.read(min(_HEAD.size, end - start)), mark)
    if size is None:
        return _gap(file, mark, start, end)
    stop = start + _HEAD.size + size
    if stop > end:
        return Entry(start, end, damage="torn")
    content = file.read(size)
    if zlib.crc32(content) != crc:
        return Entry(start, stop, damage="damaged")
    try:
        return Entry(start, stop, row=decode(content))
    except Unreadable:
        return Entry(start, stop, damage="unreadable")


def _read_head(head: bytes, mark: bytes) -> tuple[int | None, int]:
    """Return size and check of the content; no size where this is no head."""
    if len(head) < _HEAD.size:
        return None, 0
    found, size, head_crc, crc = _HEAD.unpack(head)
    if found != mark or zlib.crc32(_CHECKED_HEAD.pack(found, size)) != head_crc:
        return None, 0
    return size, crc


def _gap(file: BinaryIO, mark: bytes, start: int, end: int) -> Entry:
    """Skip to the next mark: what lies before it belonged to a record whose head is damaged."""
    file.seek(start)
    following = file.read(end - start).find(mark, 1)
    if following < 0:
        return Entry(start, end, damage="torn")
    return Entry(start, start + following, damage="damaged")
