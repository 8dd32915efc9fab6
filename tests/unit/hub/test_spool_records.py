import io
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.inbox import InboxRow, InboxState
from hub.spool.records import Unreadable, count, decode, encode, entries, frame

MARK = b"\x01mark\xff\x00\x07"
AT = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
ANY_TEXT = st.text(st.characters(), max_size=40)
"""Lone surrogates too: JSON of a platform may hold them."""

ROWS = st.builds(
    InboxRow,
    id=ANY_TEXT,
    channel=st.just("slack"),
    account=st.just("acme"),
    body=st.binary(max_size=200),
    headers=st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3),
    received_at=st.datetimes(timezones=st.just(UTC)),
    node=ANY_TEXT,
    n=st.integers(0, 2**70),
    order=st.none() | ANY_TEXT,
    conversation_id=st.none() | ANY_TEXT,
    state=st.sampled_from([InboxState.RECEIVED, InboxState.QUARANTINED]),
    reason=st.none() | ANY_TEXT,
)


def row(name: str, body: bytes = b"hello") -> InboxRow:
    return InboxRow(id=name, channel="slack", account="acme", body=body, received_at=AT, node="n1", n=1)


def segment(*names: str) -> bytes:
    return b"".join(frame(encode(row(name)), MARK) for name in names)


def read(data: bytes) -> list[str]:
    """Return ids of what can be read, and the damage of what cannot; every byte must belong to something."""
    found = list(entries(io.BytesIO(data), MARK, 0, len(data)))
    assert [entry.start for entry in found] == [0, *(entry.end for entry in found)][:-1] if found else not data
    assert not found or found[-1].end == len(data)
    return [entry.row.id if entry.row is not None else f"({entry.damage})" for entry in found]


@settings(max_examples=300)
@given(ROWS)
def test_every_row_comes_back_as_it_was(one: InboxRow) -> None:
    """F077: text that BSON and UTF-8 refuse, raw bytes of any kind."""
    assert decode(encode(one)) == one


def test_records_stand_one_after_the_other() -> None:
    data = segment("a", "b", "c")
    assert read(data) == ["a", "b", "c"]
    assert count(io.BytesIO(data), MARK, len(data)) == 3


@pytest.mark.parametrize("at", range(len(segment("b"))))
def test_a_flipped_bit_costs_one_record_and_no_other(at: int) -> None:
    """F040: wherever in the record it is, in its head as in its content."""
    first, middle = segment("a"), bytearray(segment("b"))
    middle[at] ^= 0x10
    assert read(first + bytes(middle) + segment("c")) == ["a", "(damaged)", "c"]


@pytest.mark.parametrize("left", range(1, len(segment("c"))))
def test_a_tail_that_is_cut_off_costs_one_record(left: int) -> None:
    """F005, F040."""
    assert read(segment("a", "b") + segment("c")[:left]) == ["a", "b", "(torn)"]


@given(st.binary(max_size=300))
def test_whatever_stands_in_a_segment_is_accounted_for(noise: bytes) -> None:
    assert read(segment("a") + noise)[0] == "a"


def test_a_payload_cannot_pass_for_a_record_of_its_own() -> None:
    """A sender who knows the format does not know the mark of the segment."""
    inner = frame(encode(row("forged")), b"guessed!")
    outer = bytearray(frame(encode(row("real", b"x" * 50 + inner)), MARK))
    outer[9] ^= 1  # the size: what follows has to be searched for the next record
    assert read(bytes(outer) + segment("next")) == ["(damaged)", "next"]


def test_a_field_of_a_newer_version_is_left_out() -> None:
    content = encode(row("a")).replace(b'"node"', b'"edon"')
    with pytest.raises(Unreadable):
        decode(content)  # without a field that it needs
    newer = encode(row("a")).replace(b'{"id"', b'{"zz":1,"id"')
    size = int.from_bytes(newer[:4], "little") + 7
    assert decode(size.to_bytes(4, "little") + newer[4:]) == row("a")


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff\xff", b"\x02\x00\x00\x00[]", b"\x02\x00\x00\x00{}rest"])
def test_what_is_no_row_is_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(content)


def test_an_ordinary_payload_needs_little_beside_itself() -> None:
    """F017: 180,000 payloads of an hour fit into 512 MiB, which leaves each of them 2,982 bytes."""
    body = b"x" * 1200
    full = row("slack:acme:T0123456789:Ev0123456789", body).model_copy(
        update={
            "second": "slack:acme:T0123456789:C0123456789:1763812800.123456",
            "headers": {"content-type": "application/json", "x-slack-retry-num": "1"},
            "node": "frontdesk-web-1-6f5d8c7b9-abcde-12345-0123abcd",
            "n": 180_000,
            "order": "1763812800.123456",
            "conversation_id": "slack:acme:T0123456789:C0123456789:1763812800.123456",
        }
    )
    assert len(frame(encode(full), MARK)) * 180_000 < 512 * 1024 * 1024
