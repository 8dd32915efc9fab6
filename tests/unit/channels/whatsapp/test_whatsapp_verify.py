"""W3, W4, W5, F068, F070, F071, F072."""

import hashlib
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from channels.whatsapp.payloads import MAX_FIELDS
from channels.whatsapp.verify import origins_of, signature_of, signed_parameters, verify_signature
from core.errors import InvalidSignature

TARGET = "/whatsapp/main?x=%41"
BODY = b"Body=hi&Empty=&New=1&Digits=2&Digits=1&Digits=2"


class MultiDict:
    """What the vendor's validator asks of a framework's form."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self.pairs])

    def __len__(self) -> int:
        return len(self.pairs)

    def getall(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]


def passes(
    *signatures: str,
    body: bytes = BODY,
    target: str = TARGET,
    media_type: str = "application/x-www-form-urlencoded",
    public_url: str = "https://desk.example",
    tokens: tuple[bytes, ...] = (b"now",),
) -> bool:
    try:
        verify_signature(
            signatures,
            origins=origins_of(public_url),
            target=target,
            body=body,
            media_type=media_type,
            tokens=tokens,
        )
    except InvalidSignature:
        return False
    return True


def sign(body: bytes = BODY, url: str = f"https://desk.example{TARGET}", token: bytes = b"now") -> str:
    return signature_of(token, url, signed_parameters(body)).decode()


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PARAMETERS = st.lists(st.tuples(WORDS.filter(bool), WORDS), max_size=8)
ORIGINS = st.sampled_from(
    ["https://desk.example", "http://desk.example", "https://desk.example:8443", "http://desk.example:1234"]
)


@given(PARAMETERS, ORIGINS)
def test_the_signature_is_the_vendors_and_the_vendor_accepts_it(pairs: list[tuple[str, str]], public_url: str):
    url = public_url + TARGET
    body = urlencode(pairs).encode()
    vendor = RequestValidator("now")
    theirs = vendor.compute_signature(url, MultiDict(pairs))
    assert sign(body, url) == theirs
    assert passes(theirs, body=body, public_url=public_url)
    assert vendor.validate(url, MultiDict(pairs), sign(body, url))


@given(PARAMETERS, PARAMETERS, ORIGINS)
def test_what_the_vendor_refuses_we_refuse(
    signed: list[tuple[str, str]], received: list[tuple[str, str]], public_url: str
):
    vendor = RequestValidator("now")
    theirs = vendor.compute_signature(public_url + TARGET, MultiDict(signed))
    expected = vendor.validate(public_url + TARGET, MultiDict(received), theirs)
    assert passes(theirs, body=urlencode(received).encode(), public_url=public_url) == expected


@given(st.text(max_size=40))
def test_no_forged_signature_passes_or_crashes(forged: str):
    assert not passes(forged)


@pytest.mark.parametrize(
    "changed", [BODY + b"&More=", BODY.replace(b"Empty=&", b""), BODY.replace(b"Digits=1", b"Digits=3")]
)
def test_every_parameter_is_covered_unknown_empty_and_repeated_ones_too(changed: bytes):
    assert passes(sign())
    assert not passes(sign(), body=changed)


def test_the_wrong_number_of_signature_headers_is_refused():
    assert not passes()
    assert not passes(sign(), sign())


@pytest.mark.parametrize(
    "spoil", [str.lower, lambda text: text[:-1], lambda text: text + "=", lambda _: "", lambda _: "ü"]
)
def test_a_spoilt_signature_is_refused(spoil: Callable[[str], str]):
    assert not passes(spoil(sign()))


def test_the_port_may_be_told_or_not():
    assert passes(sign(url=f"https://desk.example:443{TARGET}"))
    assert passes(sign(url=f"https://desk.example:8443{TARGET}"), public_url="https://desk.example:8443")
    assert passes(sign(), public_url="https://desk.example:8443")
    assert not passes(sign(url=f"https://desk.example:8443{TARGET}"))
    assert not passes(sign(url=f"http://desk.example{TARGET}"))


def test_old_and_new_token_pass_while_rotated_then_only_the_new_one():
    old = sign(token=b"before")
    assert passes(old, tokens=(b"now", b"before"))
    assert passes(sign(), tokens=(b"now", b"before"))
    assert not passes(old)


def test_a_stronger_looking_algorithm_named_by_the_sender_is_not_used():
    vendor = RequestValidator("now")
    sha256 = vendor.compute_signature(f"https://desk.example{TARGET}", {}, "HMAC_SHA256")
    assert not passes(sha256, body=b"")


JSON_BODY = '{"text": "gr\\u00fc\u00df \U0001f44d"}'.encode()
JSON_TARGET = f"/whatsapp/main?bodySHA256={hashlib.sha256(JSON_BODY).hexdigest()}"


def json_signature(target: str) -> str:
    return signature_of(b"now", f"https://desk.example{target}").decode()


def test_a_json_body_is_bound_by_its_hash_as_the_vendor_does_it():
    signature = json_signature(JSON_TARGET)
    assert RequestValidator("now").validate(f"https://desk.example{JSON_TARGET}", JSON_BODY.decode(), signature)
    assert passes(signature, body=JSON_BODY, target=JSON_TARGET, media_type="application/json")
    assert not passes(signature, body=JSON_BODY + b" ", target=JSON_TARGET, media_type="application/json")


@pytest.mark.parametrize("target", ["/whatsapp/main", "/whatsapp/main?bodySHA256=", JSON_TARGET + "&bodySHA256=0"])
def test_a_json_body_without_its_one_hash_is_refused_not_a_crash(target: str):
    assert not passes(json_signature(target), body=JSON_BODY, target=target, media_type="application/json")


def test_an_unsigned_form_of_endless_parameters_is_refused_before_it_costs_anything():
    body = b"&".join(b"a=%d" % n for n in range(MAX_FIELDS + 1))
    assert not passes("x", body=body)


def test_odd_bytes_in_form_and_url_are_compared_as_sent():
    body, target = b"Body=\xff%FE", "/whatsapp/main?q=\udcff"
    assert passes(sign(body, f"https://desk.example{target}"), body=body, target=target)
