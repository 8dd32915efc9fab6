"""The REST side against a stand-in: F042, F044-F052; SEMANTICS section 6."""

import base64
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from channels.whatsapp.client import KnownSids, TwilioClient
from core.errors import AccountRefused, PermanentFailure, RateLimited, TemporaryFailure, UnknownOutcome
from core.replies import Receipt
from tests.fakes import START
from tests.unit.channels.whatsapp.whatsapp_kit import NUMBER, PERSON, ROOT, SID, TOKEN, FakeTwilio, settings

PARAMS = {"to": PERSON, "from_": NUMBER, "body": "Hello 👍 *there*"}
CALLBACK = "https://desk.example/whatsapp/main/status/out1"


@pytest.fixture
async def twilio() -> AsyncIterator[FakeTwilio]:
    async with FakeTwilio() as fake:
        yield fake


@pytest.fixture
async def client(twilio: FakeTwilio) -> AsyncIterator[TwilioClient]:
    made = TwilioClient(settings(api_url=twilio.url))
    yield made
    await made.close()


async def create(client: TwilioClient, **changes: Any) -> Receipt:
    return await client.create(PARAMS | changes, out_id="out1", status_callback=CALLBACK)


def answering(status: int, body: bytes = b"", **headers: str) -> Any:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return answer


async def test_a_message_is_created_once_with_everything_it_needs(twilio: FakeTwilio, client: TwilioClient):
    receipt = await create(client)
    assert receipt.provider_id == f"SM{1:032x}"
    assert receipt.details == {"status": "queued"}
    assert twilio.requests == [("POST", f"{ROOT}/Messages.json")]
    assert twilio.created == [{"To": PERSON, "From": NUMBER, "Body": PARAMS["body"], "StatusCallback": CALLBACK}]
    assert base64.b64decode(twilio.authorization[0].removeprefix("Basic ")).decode() == f"{SID}:{TOKEN}"


async def test_a_messaging_service_is_named_instead_of_a_number(twilio: FakeTwilio, client: TwilioClient):
    params = {"to": PERSON, "messaging_service_sid": "MG1", "body": "Hello"}
    await client.create(params, out_id="out1", status_callback=CALLBACK)
    assert twilio.created[0]["MessagingServiceSid"] == "MG1"
    assert "From" not in twilio.created[0]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, b'{"code": 21610, "message": "STOP", "status": 400}', PermanentFailure),
        (401, b'{"code": 20003, "message": "no", "status": 401}', AccountRefused),
        (429, b'{"code": 20429, "message": "slow", "status": 429}', RateLimited),
        (400, b'{"type": "t", "title": "t", "status": 400, "code": 63017}', RateLimited),
        (500, b"<html>", UnknownOutcome),
        (503, b"", UnknownOutcome),
        (201, b"not json", UnknownOutcome),
        (201, b"", UnknownOutcome),
        (201, b"[]", UnknownOutcome),
        (201, b"{}", UnknownOutcome),
        (201, b'{"sid": 7}', UnknownOutcome),
        (201, b'{"sid": "SM1", "date_created": 7}', UnknownOutcome),
        (201, b'{"sid": "SM1", "pad": "' + b"x" * 1_100_000 + b'"}', UnknownOutcome),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_one_request_is_made_and_each_answer_means_one_thing(
    twilio: FakeTwilio, client: TwilioClient, status: int, body: bytes, expected: type[Exception]
):
    twilio.answer = answering(status, body)
    with pytest.raises(expected):
        await create(client)
    assert len(twilio.requests) == 1


async def test_a_rate_limit_carries_the_seconds_of_the_header(twilio: FakeTwilio, client: TwilioClient):
    twilio.answer = answering(429, b'{"code": 20429}', **{"Retry-After": "7"})
    with pytest.raises(RateLimited) as raised:
        await create(client)
    assert raised.value.retry_after_s == 7.0


async def test_a_redirect_is_not_followed_and_the_token_stays_here(twilio: FakeTwilio, client: TwilioClient):
    async with FakeTwilio() as elsewhere:
        twilio.answer = answering(302, Location=elsewhere.url + "/take")
        with pytest.raises(PermanentFailure) as raised:
            await create(client)
        assert raised.value.code == "redirected"
        assert elsewhere.requests == []


async def test_no_answer_within_the_deadline_is_an_unknown_outcome(twilio: FakeTwilio):
    twilio.answer = twilio.hang
    client = TwilioClient(settings(api_url=twilio.url), deadline_s=0.2)
    with pytest.raises(UnknownOutcome):
        await create(client)
    assert twilio.hanging.is_set()
    assert len(twilio.requests) == 1
    await client.close()


async def test_an_answer_that_drips_ends_at_the_absolute_deadline(twilio: FakeTwilio):
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201, headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"{")
        await twilio.hang(request)
        return response

    twilio.answer = drip
    client = TwilioClient(settings(api_url=twilio.url), deadline_s=0.2)
    with pytest.raises(UnknownOutcome):
        await create(client)
    await client.close()


async def test_a_connection_cut_before_the_answer_is_an_unknown_outcome(twilio: FakeTwilio, client: TwilioClient):
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    twilio.answer = cut
    with pytest.raises(UnknownOutcome):
        await create(client)
    assert len(twilio.requests) == 1


async def test_a_refused_connection_is_certainly_not_sent():
    with socket.socket() as taken:  # bound, never listening: connecting is refused
        taken.bind(("127.0.0.1", 0))
        client = TwilioClient(settings(api_url=f"http://127.0.0.1:{taken.getsockname()[1]}"))
        with pytest.raises(TemporaryFailure):
            await create(client)
        await client.close()


async def test_a_failed_tls_handshake_is_certainly_not_sent(twilio: FakeTwilio):
    client = TwilioClient(settings(api_url=twilio.url.replace("http://", "https://")))
    with pytest.raises(TemporaryFailure):
        await create(client)
    assert twilio.requests == []
    await client.close()


async def test_a_sent_message_is_found_by_its_text(twilio: FakeTwilio, client: TwilioClient):
    twilio.add("SMother", "Something else", START)
    twilio.add("SMours", PARAMS["body"], START)
    found = await client.find(PARAMS, out_id="out1", since=START, others=frozenset())
    assert found == Receipt(provider_id="SMours")
    query = twilio.queries[0]
    assert (query["To"], query["From"], query["DateSent>"]) == (PERSON, NUMBER, "2026-11-22T11:59:55Z")


async def test_a_message_that_was_never_sent_is_certainly_absent(twilio: FakeTwilio, client: TwilioClient):
    twilio.add("SMold", PARAMS["body"], START - timedelta(minutes=10))
    twilio.add("SMtheirs", PARAMS["body"], START, direction="inbound")
    twilio.add("SMother", "Hello", START)
    assert await client.find(PARAMS, out_id="out1", since=START, others=frozenset()) is None


async def test_a_queued_message_without_a_send_date_is_found(twilio: FakeTwilio, client: TwilioClient):
    twilio.add("SMqueued", PARAMS["body"], START, sent=False)
    found = await client.find(PARAMS, out_id="out1", since=START, others=frozenset())
    assert found == Receipt(provider_id="SMqueued")
    assert ["DateSent>" in query for query in twilio.queries] == [True, False]


async def test_a_text_behind_the_trial_accounts_preamble_is_found(twilio: FakeTwilio, client: TwilioClient):
    twilio.add("SMtrial", "Sent from your Twilio trial account - " + PARAMS["body"], START)
    assert await client.find(PARAMS, out_id="out1", since=START, others=frozenset()) == Receipt(provider_id="SMtrial")


async def test_a_message_behind_the_first_page_is_found(twilio: FakeTwilio, client: TwilioClient):
    twilio.page_size = 2
    twilio.add("SMours", PARAMS["body"], START)
    for number in range(5):
        twilio.add(f"SM{number}", "later", START)
    assert await client.find(PARAMS, out_id="out1", since=START, others=frozenset()) == Receipt(provider_id="SMours")


async def test_an_equal_text_of_another_send_is_no_proof(twilio: FakeTwilio, client: TwilioClient):
    first = await create(client)
    twilio.add(first.provider_id, PARAMS["body"], START)
    assert await client.find(PARAMS, out_id="out2", since=START, others=frozenset()) is None
    assert await client.find(PARAMS, out_id="out1", since=START, others=frozenset()) == Receipt(
        provider_id=first.provider_id
    )


async def test_of_two_equal_texts_in_doubt_each_proves_one_send(twilio: FakeTwilio, client: TwilioClient):
    twilio.add("SMfirst", PARAMS["body"], START)
    twilio.add("SMsecond", PARAMS["body"], START)
    found = [
        await client.find(PARAMS, out_id=out_id, since=START, others=frozenset()) for out_id in ("out1", "out2", "out3")
    ]
    assert found == [Receipt(provider_id="SMfirst"), Receipt(provider_id="SMsecond"), None]


async def test_a_message_without_its_text_can_neither_prove_nor_disprove(twilio: FakeTwilio, client: TwilioClient):
    twilio.add("SMredacted", "", START)
    with pytest.raises(UnknownOutcome, match="redacted"):
        await client.find(PARAMS, out_id="out1", since=START, others=frozenset())


async def test_a_list_too_long_to_read_whole_is_never_a_proof_of_absence(
    twilio: FakeTwilio, client: TwilioClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("channels.whatsapp.client.MAX_LISTED", 3)
    for number in range(4):
        twilio.add(f"SM{number}", "later", START)
    with pytest.raises(UnknownOutcome, match="behind them"):
        await client.find(PARAMS, out_id="out1", since=START, others=frozenset())


async def test_a_status_callback_seen_here_proves_without_asking(twilio: FakeTwilio, client: TwilioClient):
    client.known.remember("SMseen", "out1")
    assert await client.find(PARAMS, out_id="out1", since=START, others=frozenset()) == Receipt(provider_id="SMseen")
    assert twilio.requests == []


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_list_that_fails_is_never_a_proof_of_absence(twilio: FakeTwilio, client: TwilioClient, status: int):
    twilio.answer = answering(status)
    with pytest.raises((AccountRefused, RateLimited, UnknownOutcome)):
        await client.find(PARAMS, out_id="out1", since=START, others=frozenset())


@pytest.mark.parametrize("body", [b"{}", b'{"messages": 7}', b'{"messages": [7]}', b'{"a": [], "b": []}'])
async def test_a_list_of_another_shape_is_never_a_proof_of_absence(
    twilio: FakeTwilio, client: TwilioClient, body: bytes
):
    twilio.answer = answering(200, body)
    with pytest.raises(UnknownOutcome):
        await client.find(PARAMS, out_id="out1", since=START, others=frozenset())


async def test_a_next_page_at_another_host_never_gets_the_token(twilio: FakeTwilio, client: TwilioClient):
    async with FakeTwilio() as elsewhere:
        body = b'{"messages": [], "meta": {"key": "messages", "next_page_url": "%s/x"}}' % elsewhere.url.encode()
        twilio.answer = answering(200, body)
        with pytest.raises(PermanentFailure):
            await client.find(PARAMS, out_id="out1", since=START, others=frozenset())
        assert elsewhere.requests == []


async def test_all_calls_share_one_connection_and_closing_is_final(twilio: FakeTwilio, client: TwilioClient):
    peers = set()

    async def note(request: web.Request) -> web.Response:
        peers.add(request.transport.get_extra_info("peername") if request.transport else None)
        return web.json_response({"sid": "SM1", "status": "queued"}, status=201)

    twilio.answer = note
    for _ in range(3):
        await create(client)
    assert len(peers) == 1
    await client.close()
    await client.close()


def test_what_is_remembered_is_bounded():
    known = KnownSids(most=2)
    for number in range(3):
        known.remember(f"SM{number}", f"out{number}")
    assert known.sid_of("out0") is None
    assert known.is_free("SM0")
    assert known.sid_of("out2") == "SM2"


def test_building_a_client_needs_no_running_loop_and_no_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    monkeypatch.setenv("TWILIO_REGION", "au1")
    client = TwilioClient(settings())
    assert client._client.get_hostname("https://api.twilio.com/x") == "https://api.twilio.com/x"


async def test_an_equal_text_that_is_known_to_be_another_send_is_no_proof(
    twilio: FakeTwilio, client: TwilioClient
) -> None:
    first = await client.create(PARAMS, out_id="earlier", status_callback=CALLBACK)
    client.known = type(client.known)()  # as after a restart
    assert await client.find(PARAMS, out_id="out1", since=START, others=frozenset({first.provider_id})) is None
