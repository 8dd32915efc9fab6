"""Mails for these tests, and the one mailbox that gets them."""

from collections.abc import Mapping
from pathlib import Path

from channels.email.account import AccountSettings
from channels.email.normalize import normalize
from core.events import MessageReceived
from core.ids import AccountName
from tests.fakes import START

FOLDER = Path(__file__).resolve().parents[3] / "fixtures" / "payloads" / "email"
ACCOUNT = AccountName("help")
SETTINGS = AccountSettings(
    address="help@shop.example", aliases=("Info@shop.example",), smtp_host="127.0.0.1", smtp_tls="none", smtp_in_port=0
)


def mail(name: str) -> bytes:
    return (FOLDER / f"{name}.eml").read_bytes()


def build(body: bytes = b"hello", /, **headers: str) -> bytes:
    """Return a mail of a person; `in_reply_to=...` becomes In-Reply-To, None leaves a header out."""
    named = {"From": "jo@customer.example", "To": "help@shop.example", "Message-ID": "<m@customer.example>"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    return b"".join(f"{name}: {value}\r\n".encode() for name, value in named.items() if value) + b"\r\n" + body


def event_of(raw: bytes, headers: Mapping[str, str] | None = None) -> MessageReceived:
    (event,) = normalize(raw, headers or {}, START, ACCOUNT, SETTINGS)
    assert isinstance(event, MessageReceived)
    return event
