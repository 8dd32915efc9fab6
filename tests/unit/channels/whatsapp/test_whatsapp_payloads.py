from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.whatsapp.payloads import MAX_FIELDS, form_fields, form_pairs
from core.errors import MalformedPayload

FORMS = st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=12)


@given(FORMS)
def test_a_form_is_read_as_the_standard_library_reads_it(pairs: list[tuple[str, str]]):
    body = urlencode(pairs, errors="replace")
    read = [(name.decode(), value.decode()) for name, value in form_pairs(body.encode())]
    assert read == parse_qsl(body, keep_blank_values=True)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_crash(body: bytes):
    fields = form_fields(body)
    assert all(value and "\x00" not in value for value in fields.values())
    "".join(fields.values()).encode()  # no lone surrogate is left


def test_raw_bytes_that_are_not_utf8_stay_for_the_signature_and_become_readable_for_us():
    assert form_pairs(b"Body=\xff%FE") == [(b"Body", b"\xff\xfe")]
    assert form_fields(b"Body=\xff%FE") == {"Body": "\ufffd\ufffd"}


def test_a_form_of_endless_parameters_is_not_read():
    assert len(form_pairs(b"&".join([b"a=1"] * MAX_FIELDS))) == MAX_FIELDS
    with pytest.raises(MalformedPayload, match="parameters"):
        form_pairs(b"&".join([b"a=1"] * (MAX_FIELDS + 1)))
