"""What strangers and broken platforms send to a whole hub over HTTP: answered, never a 5xx, and stored as bytes."""

import asyncio
import gzip
import itertools
import json
from collections.abc import AsyncIterator
from unittest.mock import AsyncMock
from urllib.parse import urlencode

import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels.slack.verify import sign
from channels.whatsapp.verify import signature_of, signed_parameters
from core.inbox import OPEN_STATES, InboxRow, InboxState
from core.store.memory import MemoryStore
from hub.app import App
from hub.clock import SystemClock
from hub.server import build_server
from hub.settings import PROJECT, Settings, load_settings
from hub.telemetry import Metrics
from hub.wiring import Mind, assemble, read_mind

SECRET = "0123456789abcdef0123456789abcdef"
PUBLIC = "https://desk.example"
FORM = "application/x-www-form-urlencoded"
ENVIRONMENT = {
    "FRONTDESK_PUBLIC_URL": PUBLIC,
    "FRONTDESK_SLACK_ACME_MODE": "http",
    "FRONTDESK_SLACK_ACME_BOT_TOKEN": "xoxb-1",
    "FRONTDESK_SLACK_ACME_SIGNING_SECRET": SECRET,
    "FRONTDESK_TELEGRAM_SUPPORT_MODE": "webhook",
    "FRONTDESK_TELEGRAM_SUPPORT_TOKEN": "4242:AAtoken",
    "FRONTDESK_TELEGRAM_SUPPORT_WEBHOOK_SECRET": SECRET,
    "FRONTDESK_TELEGRAM_SUPPORT_API_URL": "http://127.0.0.1:9",
    "FRONTDESK_SLACK_ACME_API_URL": "http://127.0.0.1:9/",
    "FRONTDESK_WHATSAPP_MAIN_ACCOUNT_SID": "AC" + "0" * 32,
    "FRONTDESK_WHATSAPP_MAIN_AUTH_TOKEN": SECRET,
    "FRONTDESK_WHATSAPP_MAIN_NUMBER": "whatsapp:+14155238886",
    "FRONTDESK_WHATSAPP_MAIN_API_URL": "http://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    data = {"FRONTDESK_DATA": str(tmp_path_factory.mktemp("data"))}
    return load_settings(PROJECT / "config" / "frontdesk.yaml", ENVIRONMENT | data)


@pytest.fixture(scope="module")
def mind(settings: Settings) -> Mind:
    return read_mind(settings, "all")


@pytest.fixture
async def app(settings: Settings, mind: Mind) -> AsyncIterator[App]:
    clock = SystemClock()
    app = assemble(settings, "all", mind, MemoryStore(clock), clock, Metrics())
    await app.start(AsyncMock())
    yield app
    await app.stop()


@pytest.fixture
async def client(app: App) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(build_server(app))) as client:
        yield client


async def deliver(client: TestClient, channel: str, body: bytes, media_type: str = "application/json") -> int:
    """Deliver bytes as the platform itself would, with its proof; returns the status."""
    headers = {"Content-Type": media_type}
    match channel:
        case "slack":
            path, now = "/slack/acme/events", str(int(SystemClock().now().timestamp()))
            headers |= {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": sign(body, now, SECRET)}
        case "telegram":
            path = "/telegram/support"
            headers |= {"X-Telegram-Bot-Api-Secret-Token": SECRET}
        case _:
            path = "/whatsapp/main"
            signature = signature_of(SECRET.encode(), PUBLIC + path, signed_parameters(body))
            headers |= {"X-Twilio-Signature": signature.decode(), "Content-Type": FORM}
    return (await client.post(path, data=body, headers=headers)).status


async def rows(app: App) -> list[InboxRow]:
    """Return what is in the inbox, once everything there has had its turn."""
    store = app.store
    assert isinstance(store, MemoryStore)
    async with asyncio.timeout(10):
        while any(row.state in OPEN_STATES for row in store._inbox.values()):
            await asyncio.sleep(0.005)
    return list(store._inbox.values())


HOSTILE_JSON = {
    "nothing": b"",
    "not JSON": b"hello",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b'{"event":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "long number": b'{"update_id":' + b"9" * 5_000 + b"}",
    "2^64": b'{"update_id":18446744073709551616,"event_id":18446744073709551616}',
    "1e400": b'{"update_id":1e400}',
    "NaN": b'{"update_id":NaN,"event_id":Infinity}',
    "duplicate keys": b'{"type":"event_callback","type":"other","update_id":1,"update_id":2}',
    "NUL in a key": b'{"a\\u0000b":{"\\u0000":1},"update_id":5}',
    "lone surrogate": b'{"update_id":6,"message":{"text":"\\ud800"}}',
    "BOM": b'\xef\xbb\xbf{"update_id":7}',
    "UTF-16": '{"update_id":8}'.encode("utf-16"),
    "not UTF-8": b'{"update_id":"\xff\xfe"}',
    "a list": b"[1,2]",
    "a string": b'"x"',
    "null": b"null",
    "prototype": b'{"__proto__":{"admin":true},"constructor":{"prototype":{}}}',
}


@pytest.mark.parametrize("channel", ["slack", "telegram"])
async def test_any_json_with_the_platforms_proof_is_stored_as_it_came_and_answered_2xx(
    app: App, client: TestClient, channel: str
) -> None:
    """F077: raw first, parse later; reading it is quarantined or gives events, and nothing else."""
    for name, body in HOSTILE_JSON.items():
        assert await deliver(client, channel, body) == 200, name
    found = {row.body: row.state for row in await rows(app)}
    assert found.keys() == set(HOSTILE_JSON.values())
    assert set(found.values()) <= {InboxState.QUARANTINED, InboxState.IGNORED}


TOO_OFTEN = (429, "application/problem+json")


async def test_any_json_from_a_stranger_in_the_web_chat_is_refused_with_a_reason(app: App, client: TestClient) -> None:
    """F077."""
    token = (await (await client.post("/web/site/sessions")).json())["token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for body in HOSTILE_JSON.values():
        answer = await client.post("/web/site/messages", data=body, headers=headers)
        assert answer.status in (400, 413, 429), body[:40]
        assert answer.content_type == "application/problem+json"
    assert await rows(app) == []


OPERATORS = ({"$ne": None}, {"$gt": ""}, {"$where": "sleep(1000)"}, {"$in": ["a"]}, ["$ne"], {"a.b": {"$set": 1}})


def with_operators(operator: object) -> dict[str, bytes]:
    """Return a payload of each platform with an operator in every place that becomes an id or a text."""
    event = {"type": "message", "channel": operator, "ts": operator, "user": operator, "text": operator}
    slack = {"type": "event_callback", "event_id": operator, "team_id": operator, "event": event}
    slack_text = {"type": "event_callback", "event_id": "Ev1", "team_id": "$where", "event": event | {"ts": "1.1"}}
    telegram = {"update_id": operator, "message": {"message_id": operator, "chat": {"id": operator}, "text": "x"}}
    form = urlencode({"MessageSid[$ne]": "x", "From[$gt]": "", "Body": json.dumps(operator), "__proto__": "x"})
    bodies = {"slack": slack, "slack again": slack_text, "telegram": telegram}
    return {name: json.dumps(body).encode() for name, body in bodies.items()} | {"whatsapp": form.encode()}


async def test_operators_in_the_place_of_values_never_become_part_of_a_query(app: App, client: TestClient) -> None:
    """F084: every id that reaches the database is a text that we made."""
    sent = [payload for operator in OPERATORS for payload in with_operators(operator).items()]
    for name, body in sent:
        assert await deliver(client, name.split()[0], body) == 200
    found = await rows(app)
    assert {row.body for row in found} <= {body for _, body in sent}
    assert len(found) > len(OPERATORS)
    for row in found:
        assert all(isinstance(value, str | None) for value in (row.id, row.order, row.conversation_id))


async def test_operators_in_the_web_chat_are_refused(app: App, client: TestClient) -> None:
    """F084: a problem, and nothing stored."""
    session = await (await client.post("/web/site/sessions")).json()
    headers = {"Authorization": f"Bearer {session['token']}"}
    right = {"id": "0b8f6a52-7b0e-4f87-9d29-3b8f6e1c0001", "text": "hello"}
    for field, operator in itertools.product(("id", "text", "choice", "label"), OPERATORS[:2]):
        answer = await client.post("/web/site/messages", json=right | {field: operator}, headers=headers)
        assert (answer.status, answer.content_type) in ((400, "application/problem+json"), TOO_OFTEN), field
    for query in ("after[$gt]=0&after=$ne", "after=%7B%22$ne%22:1%7D", "wait=$where"):
        answer = await client.get(f"/web/site/messages?{query}", headers=headers)
        assert answer.status == 400, query
    assert await rows(app) == []


async def ask_raw(client: TestClient, request: bytes, *, is_all: bool = False) -> bytes:
    """Send bytes as they are, and no more of them if so told; returns what came back until the connection ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
    writer.write(request)
    if is_all:
        writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]


PATHS = [
    "/web/site/../../etc/passwd",
    "/web/site/%2e%2e/%2e%2e/etc/passwd",
    "/web/site/..%2f..%2fetc%2fpasswd",
    "/web/site/%252e%252e%252fetc%252fpasswd",
    "/web/site/..;/account.py",
    "/web/site/static/../account.py",
    "/web/site/chat.js/../../account.py",
    "/web/site/chat.js%00.html",
    "/web/site//etc/passwd",
    "/web/site/\\..\\account.py",
    "//etc/passwd",
    "/.git/config",
    "/config/frontdesk.yaml",
    "/docs",
]


async def test_no_path_leads_out_of_what_we_serve(client: TestClient) -> None:
    """F090."""
    for path in PATHS:
        answer = await ask_raw(client, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert statuses(answer)[0] in (400, 404), path
        assert b"root:" not in answer


HOST = b"Host: desk.example\r\n"
SMUGGLED = b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n"
AMBIGUOUS = {
    "length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 50\r\n\r\n",
    "a signed length": b"Content-Length: +5\r\n\r\nhello",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks not last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk size": b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "NUL in a value": b"X: a\x00b\r\n\r\n",
}


async def test_ambiguous_framing_is_refused_and_nothing_behind_it_is_served(client: TestClient) -> None:
    """F090: a request that two readers cut apart differently ends the connection."""
    for name, rest in AMBIGUOUS.items():
        answer = await ask_raw(client, b"POST /telegram/support HTTP/1.1\r\n" + HOST + rest + SMUGGLED)
        assert statuses(answer) == [400], (name, answer)


async def test_other_methods_and_overrides_do_nothing(app: App, client: TestClient) -> None:
    """F090."""
    for method in ("TRACE", "PUT", "DELETE", "PATCH", "CONNECT", "PROPFIND"):
        answer = await client.request(method, "/telegram/support")
        assert answer.status in (404, 405), method
    overridden = await client.get("/telegram/support", headers={"X-HTTP-Method-Override": "POST"})
    assert overridden.status == 405
    assert await rows(app) == []


ENDLESS = (b"X: " + b"a" * 9000, b"\r\n".join(b"X%d: a" % n for n in range(1000)), b"A" * 9000 + b": a")


async def test_headers_without_end_are_refused(client: TestClient) -> None:
    """F074: a long line, a thousand headers, a long name."""
    for header in ENDLESS:
        answer = await ask_raw(client, b"GET /healthz HTTP/1.1\r\n" + HOST + header + b"\r\nConnection: close\r\n\r\n")
        assert statuses(answer) in ([400], [431])


async def test_a_length_that_lies_ends_in_a_refusal(client: TestClient, app: App) -> None:
    """F074: less than promised is never taken for the whole."""
    head = b"POST /telegram/support HTTP/1.1\r\n" + HOST
    proof = b"X-Telegram-Bot-Api-Secret-Token: " + SECRET.encode() + b"\r\n"
    answer = await ask_raw(client, head + proof + b'Content-Length: 50\r\n\r\n{"update_id": 1}', is_all=True)
    assert 200 not in statuses(answer)
    assert await rows(app) == []


async def test_a_compressed_body_is_refused_before_it_is_unpacked(client: TestClient, app: App) -> None:
    """F075: the thousand bytes of a bomb stay a thousand bytes."""
    bomb = gzip.compress(b"\x00" * 50_000_000)
    headers = {"Content-Encoding": "gzip", "X-Telegram-Bot-Api-Secret-Token": SECRET}
    for coding in ("gzip", "deflate", "br", "zstd"):
        answer = await client.post("/telegram/support", data=bomb, headers=headers | {"Content-Encoding": coding})
        assert answer.status == 415, coding
    assert await rows(app) == []
