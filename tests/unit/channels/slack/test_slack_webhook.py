"""Receiving over HTTP: S3, S6, S20, S23, S27, F068, F069, F073, F074, F075, F077."""

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from channels.slack.channel import build
from channels.slack.verify import sign
from tests.fakes import FakeClock
from tests.unit.channels.slack.slack_samples import ACCOUNT, SECRET, FakeInbox, payload, raw, resources, settings

Client = TestClient[web.Request, web.Application]
PATHS = ["/slack/acme/events", "/slack/acme/interactivity", "/slack/acme/commands"]


@pytest.fixture
def inbox() -> FakeInbox:
    return FakeInbox()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def client(inbox: FakeInbox, clock: FakeClock) -> AsyncIterator[Client]:
    app = web.Application()
    app.add_routes(build(ACCOUNT, settings(), resources(inbox, clock)).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


async def post(client: Client, body: bytes, clock: FakeClock, path: str = PATHS[0], **headers: str) -> ClientResponse:
    timestamp = str(int(clock.now().timestamp()))
    signed = {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": sign(body, timestamp, SECRET)}
    return await client.post(path, data=body, headers=signed | headers)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["text_dm.json", "block_actions.json", "view_submission.json", "slash_command.form"])
async def test_everything_is_journaled_raw_and_answered_with_an_empty_200(
    client: Client, inbox: FakeInbox, clock: FakeClock, path: str, name: str
):
    """S23: a modal takes no other body; all three addresses do the same."""
    answer = await post(client, raw(name), clock, path)
    assert (answer.status, await answer.read()) == (200, b"")
    (row,) = inbox.rows
    assert row.body == raw(name)
    assert (row.channel, row.account, row.received_at) == ("slack", "acme", clock.now())


async def test_a_retry_is_accepted_like_a_first_try_and_its_headers_are_kept(
    client: Client, inbox: FakeInbox, clock: FakeClock
):
    """S6: the first one may have been lost."""
    retry = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout", "X-Other": "not kept"}
    answer = await post(client, raw("text_dm.json"), clock, **retry, **{"Content-Type": "application/json"})
    again = await post(client, raw("text_dm.json"), clock)
    assert (answer.status, again.status) == (200, 200)
    assert inbox.rows[0].headers == {
        "content-type": "application/json",
        "x-slack-retry-num": "1",
        "x-slack-retry-reason": "http_timeout",
    }


async def test_nobody_can_claim_over_http_to_come_from_a_socket(client: Client, inbox: FakeInbox, clock: FakeClock):
    await post(client, raw("text_dm.json"), clock, **{"X-Frontdesk-Envelope": "interactive"})
    assert "x-frontdesk-envelope" not in inbox.rows[0].headers


async def test_without_a_journal_slack_is_asked_to_come_again(client: Client, inbox: FakeInbox, clock: FakeClock):
    inbox.available = False
    answer = await post(client, raw("text_dm.json"), clock)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Slack-Signature": "v0=00"},
        {"X-Slack-Request-Timestamp": "1763812800"},
        {"X-Slack-Signature": "v0=00", "X-Slack-Request-Timestamp": "soon"},
    ],
)
async def test_an_unsigned_request_is_refused_and_leaves_nothing(
    client: Client, inbox: FakeInbox, headers: dict[str, str]
):
    """F068"""
    answer = await client.post(PATHS[0], data=raw("text_dm.json"), headers=headers)
    assert (answer.status, inbox.rows) == (401, [])


async def test_two_signatures_are_refused(client: Client, inbox: FakeInbox, clock: FakeClock):
    """F068"""
    body, timestamp = raw("text_dm.json"), str(int(clock.now().timestamp()))
    headers = [
        ("X-Slack-Request-Timestamp", timestamp),
        ("X-Slack-Signature", sign(body, timestamp, SECRET)),
        ("X-Slack-Signature", sign(body, timestamp, SECRET)),
    ]
    answer = await client.post(PATHS[0], data=body, headers=headers)
    assert (answer.status, inbox.rows) == (401, [])


async def test_a_replay_passes_within_five_minutes_and_not_after(client: Client, inbox: FakeInbox, clock: FakeClock):
    """F069"""
    body, timestamp = raw("text_dm.json"), str(int(clock.now().timestamp()))
    headers = {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": sign(body, timestamp, SECRET)}
    clock.advance(299)
    assert (await client.post(PATHS[0], data=body, headers=headers)).status == 200
    clock.advance(2)
    assert (await client.post(PATHS[0], data=body, headers=headers)).status == 401
    assert len(inbox.rows) == 1


async def test_a_form_is_verified_as_it_arrived(client: Client, inbox: FakeInbox, clock: FakeClock):
    """F071: the signature covers the still encoded form."""
    body = "command=%2Fx&text=caf%C3%A9+%F0%9F%99%82&raw=é🙂".encode()
    answer = await post(client, body, clock, **{"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 200
    assert inbox.rows[0].body == body


async def test_the_challenge_is_returned_as_plain_text_only_when_signed(
    client: Client, inbox: FakeInbox, clock: FakeClock
):
    """S3, F073"""
    body = raw("url_verification.json")
    answer = await post(client, body, clock)
    assert (answer.status, answer.content_type, await answer.text()) == (
        200,
        "text/plain",
        payload("url_verification.json")["challenge"],
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (await client.post(PATHS[0], data=body)).status == 401
    assert inbox.rows == []


@pytest.mark.parametrize(
    "body", [b'{"type": "url_verification"}', b"url_verification", b'{"text": "url_verification", "challenge": "x"}']
)
async def test_what_only_mentions_a_challenge_is_journaled(
    client: Client, inbox: FakeInbox, clock: FakeClock, body: bytes
):
    assert (await post(client, body, clock)).status == 200
    assert [row.body for row in inbox.rows] == [body]


async def test_the_check_of_our_certificate_gets_200_and_leaves_nothing(client: Client, inbox: FakeInbox):
    """S27"""
    assert (await client.post(PATHS[0], data=b"token=x&ssl_check=1")).status == 200
    assert (await client.get(PATHS[2], params={"ssl_check": "1", "token": "x"})).status == 200
    assert (await client.get(PATHS[0])).status == 404
    assert inbox.rows == []


async def test_a_command_whose_text_speaks_of_the_check_is_a_command(
    client: Client, inbox: FakeInbox, clock: FakeClock
):
    body = b"command=%2Fx&text=%26ssl_check%3D1"
    assert (await post(client, body, clock)).status == 200
    assert len(inbox.rows) == 1


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"[" * 100_000, b'{"a": NaN}', b"\xef\xbb\xbf{}", b"a=%00"])
async def test_any_signed_body_is_kept_and_never_an_error(
    client: Client, inbox: FakeInbox, clock: FakeClock, body: bytes
):
    """F077: raw first, parse later."""
    assert (await post(client, body, clock)).status == 200
    assert [row.body for row in inbox.rows] == [body]


async def test_a_huge_or_compressed_body_is_refused_while_reading(client: Client, inbox: FakeInbox, clock: FakeClock):
    """F074, F075"""
    assert (await client.post(PATHS[0], data=BytesIO(b"x" * (4 * 1024 * 1024 + 1)))).status == 413
    assert (await post(client, b"x", clock, **{"Content-Encoding": "gzip"})).status == 415
    assert inbox.rows == []


def test_without_a_signing_secret_there_is_no_address():
    """F068: fails closed."""
    socket: dict[str, Any] = {"mode": "socket", "app_token": "xapp-1", "signing_secret": None}
    assert build(ACCOUNT, settings(**socket), resources(FakeInbox())).routes() == []


async def test_in_http_mode_there_is_nothing_to_listen_to():
    await build(ACCOUNT, settings(), resources(FakeInbox())).listen()
