"""Routes and doctor: W3, W8, F070, SECURITY S2/S3."""

import hashlib
import io
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from twilio.request_validator import RequestValidator
from yarl import URL

from channels.base import Acceptance, Channel, Finding, Resources
from channels.http import READ_LIMIT_BYTES
from channels.whatsapp.channel import WhatsAppChannel, build
from core.errors import StoreUnavailable
from core.events import DeliveryStatusChanged
from core.ids import AccountName, ConversationId, OutId
from core.replies import Choice, Receipt, Reply
from tests.fakes import START, FakeClock
from tests.unit.channels.whatsapp.whatsapp_kit import (
    FORM,
    NUMBER,
    PERSON,
    PUBLIC_URL,
    FakeMailbox,
    FakeTwilio,
    FakeWords,
    Journal,
    channel,
    form,
    settings,
    signature,
)

PATH = "/whatsapp/main"
OUT_ID = "abcdefghijklmnopqrstuvwxyz"
HERE = OutId(OUT_ID)
THERE = ConversationId("whatsapp:main:+4915112345678")


@pytest.fixture
def journal() -> Journal:
    return Journal()


class Web:
    """The routes of one channel on loopback."""

    def __init__(self, journal: Journal, **changes: Any) -> None:
        self.channel = channel(journal, **changes)
        application = web.Application()
        application.add_routes(self.channel.routes())
        self.http = TestClient(TestServer(application))

    async def post(self, body: bytes, path: str = PATH, sign: str | None = None, **headers: str) -> ClientResponse:
        given = {"Content-Type": FORM, "X-Twilio-Signature": sign or signature(path, body), **headers}
        return await self.http.post(path, data=body, headers={name: value for name, value in given.items() if value})


@pytest.fixture
async def site(journal: Journal) -> AsyncIterator[Web]:
    made = Web(journal)
    async with made.http:
        yield made
    await made.channel.close()


@pytest.mark.parametrize("acceptance", list(Acceptance))
async def test_a_signed_form_is_kept_raw_and_answered_with_empty_twiml(
    site: Web, journal: Journal, acceptance: Acceptance
):
    journal.answer = acceptance
    answer = await site.post(form("text"), **{"I-Twilio-Idempotency-Token": "tok", "X-Other": "no"})
    assert (answer.status, answer.content_type, await answer.text()) == (200, "text/xml", "<Response/>")
    (kept,) = journal.kept
    assert (kept.body, kept.channel, kept.account, kept.received_at) == (form("text"), "whatsapp", "main", START)
    assert kept.headers == {"content-type": FORM, "i-twilio-idempotency-token": "tok"}


@pytest.mark.parametrize("sign", ["", "wrong", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", signature(PATH, b"Body=other"), "ü€"])
async def test_a_form_that_twilio_did_not_sign_is_refused_and_not_kept(site: Web, journal: Journal, sign: str):
    headers = {"Content-Type": FORM, **({"X-Twilio-Signature": sign} if sign else {})}
    answer = await site.http.post(PATH, data=form("text"), headers=headers)
    assert answer.status == 401
    assert journal.kept == []


async def test_two_signature_headers_are_refused(site: Web, journal: Journal):
    good = signature(PATH, form("text"))
    headers = [("Content-Type", FORM), ("X-Twilio-Signature", good), ("X-Twilio-Signature", good)]
    answer = await site.http.post(PATH, data=form("text"), headers=headers)
    assert (answer.status, journal.kept) == (401, [])


async def test_the_url_is_ours_whatever_the_request_claims(site: Web, journal: Journal):
    claims = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    forged = signature(PATH, form("text"), origin="http://evil.example")
    assert (await site.post(form("text"), sign=forged, **claims)).status == 401
    assert (await site.post(form("text"), **claims)).status == 200
    assert len(journal.kept) == 1


async def test_the_query_is_part_of_the_signature_exactly_as_received(site: Web):
    path = PATH + "?b=%41&a=1"
    assert (await site.http.post(path, data=form("text"), headers={"Content-Type": FORM})).status == 401
    assert (await site.post(form("text"), path=PATH, sign=signature(path, form("text")))).status == 401
    url = URL(f"http://127.0.0.1:{site.http.port}{path}", encoded=True)
    headers = {"Content-Type": FORM, "X-Twilio-Signature": signature(path, form("text"))}
    assert (await site.http.session.post(url, data=form("text"), headers=headers)).status == 200


async def test_a_signature_by_a_shared_key_that_the_sender_names_is_refused(site: Web, journal: Journal):
    forged = RequestValidator("attacker").compute_signature(PUBLIC_URL + PATH, {}, "HMAC_SHA256")
    claims = {"X-Twilio-Webhooks-Signature-Settings": "key=attacker,algorithm=HMAC_SHA256"}
    assert (await site.post(b"", sign=forged, **claims)).status == 401
    assert journal.kept == []


async def test_the_token_before_passes_while_it_is_configured(journal: Journal):
    older = signature(PATH, form("text"), token="older")
    for previous, status in (("older", 200), (None, 401)):
        site = Web(journal, previous_auth_token=previous)
        async with site.http:
            assert (await site.post(form("text"), sign=older)).status == status
        await site.channel.close()


async def test_a_database_that_is_away_makes_twilio_come_again(site: Web, journal: Journal):
    journal.failure = StoreUnavailable("away")
    answer = await site.post(form("text"))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_a_signed_form_that_nobody_can_read_is_kept_for_a_person(site: Web, journal: Journal):
    assert (await site.post(b"Garbage=1")).status == 200
    assert site.channel.identify(journal.kept[0]).primary.startswith("whatsapp:main:sha256:")


async def test_a_json_webhook_is_bound_by_its_hash(site: Web, journal: Journal):
    body = b'{"property": "value"}'
    path = f"{PATH}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    answer = await site.post(body, path, signature(path, b""), **{"Content-Type": "application/json"})
    assert answer.status == 200
    answer = await site.post(body + b" ", path, signature(path, b""), **{"Content-Type": "application/json"})
    assert answer.status == 401
    assert len(journal.kept) == 1


async def test_too_much_is_refused(site: Web, journal: Journal):
    headers = {"Content-Type": FORM, "X-Twilio-Signature": "x"}
    answer = await site.http.post(PATH, data=io.BytesIO(b"x" * (READ_LIMIT_BYTES + 1)), headers=headers)
    assert (answer.status, journal.kept) == (413, [])


async def test_a_status_callback_brings_its_out_id_and_proves_the_send(site: Web, journal: Journal):
    answer = await site.post(form("status_queued"), f"{PATH}/status/{OUT_ID}")
    assert (answer.status, await answer.text()) == (200, "<Response/>")
    await site.post(form("status_read"), f"{PATH}/status/{OUT_ID}")
    queued, read = journal.kept
    assert queued.headers["x-frontdesk-out-id"] == OUT_ID
    assert site.channel.normalize(queued) == ()
    (event,) = site.channel.normalize(read)
    assert isinstance(event, DeliveryStatusChanged)
    assert event.out_id == OUT_ID
    call = site.channel.render(Reply(template="answer"), FakeWords("Hi"), {"to": PERSON})[0]
    assert await site.channel.find_sent(call, HERE, START, frozenset()) == Receipt(provider_id=event.provider_id)


async def test_a_status_callback_without_out_id_is_kept_too(site: Web, journal: Journal):
    assert (await site.post(form("status_read"), f"{PATH}/status")).status == 200
    assert "x-frontdesk-out-id" not in journal.kept[0].headers


async def test_an_out_id_cannot_be_forged_by_path_or_by_header(site: Web, journal: Journal):
    sign = signature(f"{PATH}/status/{OUT_ID}", form("status_read"))
    assert (await site.post(form("status_read"), f"{PATH}/status/another", sign)).status == 401
    await site.post(form("status_read"), f"{PATH}/status", **{"X-Frontdesk-Out-Id": "forged"})
    assert "x-frontdesk-out-id" not in journal.kept[0].headers


async def test_a_status_that_cannot_be_read_is_kept_and_proves_nothing(site: Web, journal: Journal):
    assert (await site.post(b"Garbage=1", f"{PATH}/status/{OUT_ID}")).status == 200
    assert site.channel.client.known.sid_of(OUT_ID) is None
    assert len(journal.kept) == 1


async def test_a_json_status_with_endless_parameters_in_it_proves_nothing(site: Web, journal: Journal):
    body = b"&" * 2000
    path = f"{PATH}/status/{OUT_ID}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    assert (await site.post(body, path, signature(path, b""), **{"Content-Type": "application/json"})).status == 200
    assert len(journal.kept) == 1
    assert site.channel.client.known.sid_of(OUT_ID) is None


async def test_sending_names_the_callback_of_that_very_send():
    async with FakeTwilio() as twilio:
        made = channel(api_url=twilio.url)
        choices = (Choice(token="t", label="Yes", value="y"),)
        (call,) = made.render(Reply(template="answer", choices=choices), FakeWords("Right?"), {"to": PERSON})
        receipt = await made.send(call, HERE, 1, THERE)
        assert receipt.provider_id == f"SM{1:032x}"
        assert twilio.created == [
            {
                "To": PERSON,
                "From": NUMBER,
                "Body": "Right?\n\n1. Yes",
                "StatusCallback": f"{PUBLIC_URL}{PATH}/status/{OUT_ID}",
            }
        ]
        await made.close()


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    assert all(finding.fix for finding in findings if not finding.ok)
    assert {finding.account for finding in findings} == {"whatsapp:main"}
    return {finding.check: finding for finding in findings}


async def doctor(made: WhatsAppChannel) -> dict[str, Finding]:
    findings = by_check(await made.check())
    await made.close()
    return findings


async def test_the_doctor_is_content_with_a_good_account():
    async with FakeTwilio() as twilio:
        twilio.numbers = ["+4930555000"]
        findings = await doctor(channel(api_url=twilio.url))
    assert all(finding.ok for finding in findings.values())
    assert "belongs" in findings["number"].detail
    assert f"{PUBLIC_URL}{PATH}" in findings["webhook"].detail


async def test_the_doctor_does_not_call_a_whatsapp_sender_missing():
    async with FakeTwilio() as twilio:
        finding = (await doctor(channel(api_url=twilio.url)))["number"]
    assert finding.ok
    assert "WhatsApp senders" in finding.detail


async def test_the_doctor_knows_the_sandbox():
    async with FakeTwilio() as twilio:
        finding = (await doctor(channel(api_url=twilio.url, number="+14155238886")))["number"]
        assert "join" in finding.detail
        assert not any("IncomingPhoneNumbers" in path for _, path in twilio.requests)


async def test_the_doctor_names_a_suspended_account():
    async with FakeTwilio() as twilio:
        twilio.account_status = "suspended"
        finding = (await doctor(channel(api_url=twilio.url)))["credentials"]
    assert not finding.ok
    assert "suspended" in finding.detail


@pytest.mark.parametrize(("status", "words"), [(401, "Auth Token"), (500, "api_url")])
async def test_the_doctor_never_raises(status: int, words: str):
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with FakeTwilio() as twilio:
        twilio.answer = refuse
        findings = await doctor(channel(api_url=twilio.url))
    assert not findings["credentials"].ok
    assert words in (findings["credentials"].fix or "")
    assert not findings["number"].ok


@pytest.mark.parametrize(
    "url", ["http://desk.example", "https://127.0.0.1:8080", "http://localhost:8080", "https://[::1]"]
)
async def test_the_doctor_says_that_twilio_cannot_call_such_an_address(url: str):
    async with FakeTwilio() as twilio:
        finding = (await doctor(channel(api_url=twilio.url, public_url=url)))["webhook"]
    assert not finding.ok
    assert "https" in (finding.fix or "")


async def test_there_is_nothing_to_listen_to():
    await channel().listen()


def test_build_makes_the_channel_of_one_account():
    made: Channel = build(
        AccountName("main"), settings(), Resources(FakeClock(), Journal().accept, PUBLIC_URL, FakeMailbox())
    )
    assert (made.name, made.account) == ("whatsapp", "main")
    assert (made.capabilities.max_text, made.capabilities.unknown_sends) == (1600, "provable")
    assert made.escapes["text"]("*x*") != "*x*"


@pytest.mark.parametrize("module", ["account", "payloads", "normalize", "render", "failures", "verify", "client"])
def test_no_module_imports_the_sdk_before_an_account_is_built(module: str):
    program = (
        f"import sys, channels.whatsapp.{module}; sys.exit('twilio.rest' in sys.modules or 'requests' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
