"""Mail that providers post (E4): verified as each documents, the raw mail kept as if it had come by SMTP."""

import base64
import hashlib
import hmac
import json
from typing import cast
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr, ValidationError

from channels.base import Acceptance, Mailbox, Resources
from channels.email.account import AccountSettings
from channels.email.channel import build as build_channel
from channels.email.normalize import ENVELOPE_FROM, ENVELOPE_TO, TRUNCATED
from channels.email.providers import Provider, delivery_of, fields_of, verify_post
from channels.inbound import Inbound
from core.errors import InvalidSignature, MalformedPayload, StoreUnavailable
from tests.fakes import FakeClock
from tests.unit.channels.email.mails import ACCOUNT, SETTINGS, build, event_of

SECRET = "what the provider and we know"
RAW = build("Grüße ÿ".encode("latin-1"))
FORM = "application/x-www-form-urlencoded"


def post_of(provider: Provider, raw: bytes = RAW, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    """Return body and headers as the provider writes them."""
    basic = {"Authorization": "Basic " + base64.b64encode(f"frontdesk:{secret}".encode()).decode()}
    if provider == "mailgun":
        signature = hmac.new(secret.encode(), b"1700000000" + b"token", hashlib.sha256).hexdigest()
        named = {"sender": "jo@customer.example", "recipient": "help@shop.example", "body-mime": raw}
        return urlencode({**named, "timestamp": "1700000000", "token": "token", "signature": signature}).encode(), {
            "Content-Type": FORM
        }
    if provider == "postmark":
        found = {"RawEmail": raw.decode("utf-8", "replace"), "OriginalRecipient": "help@shop.example", "Cc": [], "n": 1}
        return json.dumps(found).encode(), {"Content-Type": "application/json; charset=utf-8", **basic}
    envelope = json.dumps({"to": ["help@shop.example"], "from": "jo@customer.example"}).encode()
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    body = part % (b"email", raw) + part % (b"envelope", envelope) + b"--b--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=b", **basic}


class Door:
    """The account's webhook, and what came through it."""

    def __init__(self, provider: Provider) -> None:
        self.taken: list[Inbound] = []
        self.is_open = True
        settings = SETTINGS.model_copy(update={"webhook_provider": provider, "webhook_secret": SecretStr(SECRET)})
        resources = Resources(FakeClock(), self.accept, "http://127.0.0.1", cast(Mailbox, None))
        channel = build_channel(ACCOUNT, settings, resources)
        self.app = web.Application(client_max_size=1)
        self.app.add_routes(channel.routes())

    async def accept(self, inbound: Inbound) -> Acceptance:
        if not self.is_open:
            raise StoreUnavailable("away")
        self.taken.append(inbound)
        return Acceptance.ACCEPTED

    async def knock(self, body: bytes, headers: dict[str, str]) -> int:
        async with TestClient(TestServer(self.app)) as client:
            return (await client.post("/email/help", data=body, headers=headers)).status


@pytest.mark.parametrize("provider", ["mailgun", "sendgrid", "postmark"])
async def test_a_post_of_each_provider_is_the_mail_that_smtp_would_have_brought(provider: Provider) -> None:
    """E4; E6: the same mail by two ways has one name."""
    raw = RAW if provider != "postmark" else build("Grüße".encode())
    door = Door(provider)
    assert await door.knock(*post_of(provider, raw)) == 200
    (inbound,) = door.taken
    assert event_of(inbound.body, inbound.headers).id == event_of(raw).id
    assert inbound.headers[ENVELOPE_TO] == "help@shop.example"
    assert inbound.headers.get(ENVELOPE_FROM) == (None if provider == "postmark" else "jo@customer.example")


@pytest.mark.parametrize("provider", ["mailgun", "sendgrid", "postmark"])
async def test_a_post_that_is_not_the_provider_s_is_refused_and_nothing_kept(provider: Provider) -> None:
    door = Door(provider)
    body, headers = post_of(provider, secret="a guess")
    assert await door.knock(body, headers) == 401
    assert await door.knock(b"", {"Content-Type": FORM}) == 401
    assert await door.knock(body, {**headers, "Authorization": "Basic ?"}) == 401
    assert door.taken == []


async def test_an_unsaved_mail_is_asked_for_again() -> None:
    door = Door("mailgun")
    door.is_open = False
    assert await door.knock(*post_of("mailgun")) == 503


async def test_a_post_without_the_raw_mail_says_what_to_set() -> None:
    """E4: 406 ends Mailgun's tries."""
    door = Door("mailgun")
    assert await door.knock(*post_of("mailgun", b"")) == 406
    with pytest.raises(MalformedPayload, match="RawEmail"):
        delivery_of("postmark", {})


async def test_a_mail_over_the_limit_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.email.channel.MAX_MAIL_BYTES", 10)
    door = Door("mailgun")
    assert await door.knock(*post_of("mailgun")) == 200
    assert door.taken[0].headers[TRUNCATED] == str(len(RAW))
    assert len(door.taken[0].body) == 10


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=b", FORM, ""]
)
@pytest.mark.parametrize("body", [b"", b"[1]", b"[" * 100_000, b"\xff\xfe", b"--b\r\n\r\n--b--", b"a=1&" * 1000])
def test_nonsense_is_no_post(kind: str, body: bytes) -> None:
    with pytest.raises(InvalidSignature):
        verify_post("mailgun", b"k", "", fields_of(body, kind))


def test_a_provider_needs_its_secret_and_is_a_way_in() -> None:
    bare = SETTINGS.model_dump() | {"smtp_in_port": None, "webhook_provider": "mailgun"}
    with pytest.raises(ValidationError, match="needs webhook_secret"):
        AccountSettings.model_validate(bare)
    assert AccountSettings.model_validate(bare | {"webhook_secret": SECRET}).webhook_provider == "mailgun"
