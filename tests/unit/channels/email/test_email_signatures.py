"""DKIM signatures that we check ourselves (RFC 6376): real signatures, keys from a dictionary, no name server."""

import base64
from typing import Any

import dkim
import dns.exception
import dns.resolver
import pytest

from channels.base import Acceptance
from channels.email import signatures
from channels.email.account import AccountSettings
from channels.email.normalize import DKIM_SIGNERS, normalize
from channels.email.signatures import MAX_SIGNATURES, checking, look_up, signers_of
from channels.inbound import Inbound
from core.ids import AccountName, ChannelName
from tests.fakes import START
from tests.unit.channels.email.mails import ACCOUNT, SETTINGS, build


def _number(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def _prime(start: int) -> int:
    """Return the next number that passes Fermat's test to four bases."""
    return next(
        n for n in range(start | 1, start + 10_000, 2) if all(pow(base, n - 1, n) == 1 for base in (2, 3, 5, 7))
    )


def _key_pair() -> tuple[bytes, bytes]:
    """Return a key of 1,024 bits made from nothing secret, as PEM and as a DNS record."""
    p, q, e = _prime(15 << 508), _prime(13 << 508), 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    private = _der(0x30, b"".join(map(_number, (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)))))
    rsa = bytes.fromhex("300d06092a864886f70d0101010500")
    public = _der(0x30, rsa + _der(0x03, b"\0" + _der(0x30, _number(p * q) + _number(e))))
    label = b"RSA " + b"PRIVATE KEY"
    pem = b"-----BEGIN " + label + b"-----\n" + base64.encodebytes(private) + b"-----END " + label + b"-----\n"
    return pem, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


PRIVATE, RECORD = _key_pair()
KEYS = {"s._domainkey.customer.example.": RECORD, "s._domainkey.evil.example.": RECORD}


def signed(raw: bytes, domain: str = "customer.example", **options: Any) -> bytes:
    header = dkim.sign(raw, b"s", domain.encode(), PRIVATE, include_headers=[b"from", b"to", b"message-id"], **options)
    return bytes(header) + raw


async def proof_of(raw: bytes) -> str:
    """Bring a mail through the check at the way in and through reading."""
    taken: list[Inbound] = []

    async def accept(inbound: Inbound) -> Acceptance:
        taken.append(inbound)
        return Acceptance.ACCEPTED

    inbound = Inbound(ChannelName("email"), AccountName("help"), raw, START, {"x-envelope-from": "jo@customer.example"})
    assert await checking(accept, KEYS.get)(inbound) is Acceptance.ACCEPTED
    assert taken[0].body == raw
    assert taken[0].headers["x-envelope-from"] == "jo@customer.example"
    (event,) = normalize(raw, taken[0].headers, START, ACCOUNT, SETTINGS)
    return event.sender.verified_by


async def test_a_good_signature_of_the_domain_of_from_proves_it() -> None:
    assert await proof_of(signed(build())) == "domain"
    assert await proof_of(signed(build(From="jo@news.customer.example"))) == "domain"
    assert await proof_of(build()) == "none"


async def test_a_changed_mail_and_a_stranger_s_signature_prove_nothing() -> None:
    assert await proof_of(signed(build()).replace(b"hello", b"help!")) == "none"
    assert await proof_of(signed(build()).replace(b"jo@customer", b"al@customer")) == "none"
    assert await proof_of(signed(build(), "evil.example")) == "none"
    assert await proof_of(signed(build(), "unknown.example")) == "none"


async def test_a_second_from_above_a_signed_mail_proves_nothing() -> None:
    assert await proof_of(b"From: eve@customer.example\r\n" + signed(build())) == "none"


async def test_a_mail_cannot_say_for_itself_who_signed_it() -> None:
    assert await proof_of(build(X_DKIM_Signers="customer.example")) == "none"
    assert await proof_of(f"{DKIM_SIGNERS}: customer.example\r\n".encode() + build()) == "none"


def test_a_signature_over_the_beginning_of_a_mail_does_not_count() -> None:
    raw = signed(build(b"hello\r\n"), length=True)
    assert dkim.verify(raw + b"and more", dnsfunc=lambda name, timeout: RECORD), "the library takes it"
    assert signers_of(raw + b"and more", KEYS.get) == ()
    assert signers_of(raw, KEYS.get) == ()


def test_two_signers_are_both_named() -> None:
    assert signers_of(signed(signed(build()), "evil.example"), KEYS.get) == ("evil.example", "customer.example")


def test_a_mail_full_of_signatures_asks_for_three_keys() -> None:
    asked: list[str] = []
    raw = build()
    for number in range(20):
        raw = signed(raw, f"d{number}.example")
    assert signers_of(raw, lambda name: asked.append(name)) == ()  # type: ignore[func-returns-value]
    assert len(asked) == MAX_SIGNATURES


def test_a_key_that_only_costs_time_is_not_used() -> None:
    assert signers_of(signed(build()), lambda name: RECORD + b" " * 1024) == ()


@pytest.mark.parametrize("junk", [b"", b"v=1", b"v=1; a=x; b=; bh=; d=\xff; h=from; s=s", b"=;=;", b"v=1;" * 1000])
def test_a_broken_signature_harms_nobody(junk: bytes) -> None:
    assert signers_of(b"DKIM-Signature: " + junk + b"\r\n" + build(), KEYS.get) == ()
    assert signers_of(b"DKIM-Signature: " + junk, KEYS.get) == ()


def test_a_mail_of_blanks_is_not_checked() -> None:
    """F078: the library's cost would be the square of the run."""
    assert signers_of(signed(build(b"x" + b" " * 500_000 + b"x")), KEYS.get) == ()


@pytest.mark.parametrize("error", [dns.exception.Timeout(), dns.resolver.NXDOMAIN(), OSError(), ValueError()])
def test_name_servers_that_fail_prove_nothing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def resolve(*_: object, lifetime: float, **__: object) -> None:
        assert lifetime == signatures.LOOKUP_TIMEOUT_S
        raise error

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    assert look_up("s._domainkey.customer.example.") is None


def test_nobody_checks_what_the_server_in_front_has_checked() -> None:
    named = AccountSettings(**(SETTINGS.model_dump() | {"authserv_id": "mx.shop.example"}))
    assert SETTINGS.checks_dkim
    assert not named.checks_dkim
    assert not SETTINGS.model_copy(update={"check_dkim": False}).checks_dkim
