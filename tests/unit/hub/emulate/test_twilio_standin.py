"""Twilio's stand-in against the real adapter, and how it calls a webhook (W3, W6, W7, W20)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from twilio.request_validator import RequestValidator

from channels.whatsapp.account import AccountSettings
from channels.whatsapp.client import KnownSids, TwilioClient
from core.errors import (
    AccountRefused,
    DeliveryError,
    PermanentFailure,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from core.replies import Receipt
from hub.emulate import twilio
from hub.emulate.faults import Fault
from hub.emulate.people import TwilioPerson
from hub.emulate.platforms import Platforms
from tests.unit.hub.emulate.kit import NotingHub, QuickWorld, noting_hub, running, until_quiet

PARAMS = {"to": "whatsapp:+491510000001", "from_": twilio.NUMBER, "body": "hello"}
NOWHERE = "http://127.0.0.1:9/status/out-1"


PATIENT_S, SOON_S = 10.0, 0.3
"""Deadlines: where an answer is expected, and where none comes."""


def client_of(platforms: Platforms, token: str = twilio.AUTH_TOKEN, deadline_s: float = PATIENT_S) -> TwilioClient:
    url = platforms.http["whatsapp"].url
    given = {"account_sid": twilio.SID, "auth_token": token, "number": twilio.NUMBER, "api_url": url}
    return TwilioClient(AccountSettings.model_validate(given), deadline_s=deadline_s)


async def sends(platforms: Platforms, callback: str = NOWHERE, deadline_s: float = PATIENT_S, **params: str) -> Receipt:
    client = client_of(platforms, deadline_s=deadline_s)
    try:
        return await client.create(PARAMS | params, out_id="out-1", status_callback=callback)
    finally:
        await client.close()


async def failure_of(platforms: Platforms, deadline_s: float = PATIENT_S, **params: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await sends(platforms, deadline_s=deadline_s, **params)
    return raised.value


@pytest.mark.parametrize(
    ("details", "error", "is_taken"),
    [
        ({"action": "rate_limit", "retry_after": "7"}, RateLimited, False),
        ({"action": "error"}, UnknownOutcome, False),
        ({"action": "error", "moment": "after"}, UnknownOutcome, True),
        ({"action": "hang"}, UnknownOutcome, False),
        ({"action": "drip", "bytes_per_s": 50}, UnknownOutcome, True),
        ({"action": "cut", "moment": "after"}, UnknownOutcome, True),
        ({"action": "body", "kind": "huge"}, UnknownOutcome, True),
        ({"action": "body", "kind": "truncated"}, UnknownOutcome, True),
        ({"action": "body", "kind": "wrong_json"}, UnknownOutcome, True),
        ({"action": "body", "kind": "not_json"}, UnknownOutcome, True),
        ({"action": "redirect"}, PermanentFailure, False),
        ({"action": "unauthorized"}, AccountRefused, False),
        ({"action": "refuse", "code": "21610"}, PermanentFailure, False),
        ({"action": "closed"}, TemporaryFailure, False),
    ],
    ids=str,
)
async def test_each_fault_is_what_the_adapter_promises_and_the_ledger_tells_the_truth(
    details: dict[str, Any], error: type[DeliveryError], is_taken: bool
) -> None:
    async with running() as platforms:
        await platforms.add_fault(Fault.model_validate({"platform": "whatsapp", **details}))
        assert type(await failure_of(platforms, SOON_S)) is error
        assert len(platforms.ledger) == is_taken


async def test_who_said_stop_cannot_be_reached() -> None:
    """F052."""
    async with running() as platforms:
        await platforms.add_fault(Fault(platform="whatsapp", action="refuse", code="21610"))
        error = await failure_of(platforms)
    assert isinstance(error, PermanentFailure)
    assert error.unreachable


async def test_outside_the_window_a_message_is_taken_and_fails_later() -> None:
    """W20."""
    async with running() as platforms, noting_hub() as hub:
        await platforms.add_fault(Fault(platform="whatsapp", action="refuse", code="63016"))
        assert (await sends(platforms, f"{hub.url}/status/out-1")).details["status"] == "queued"
        await until_quiet(platforms)
    (told,) = (dict(parse_qsl(one.body.decode())) for one in hub.brought)
    assert (told["MessageStatus"], told["ErrorCode"]) == ("failed", "63016")


STRANGER = "whatsapp:+4915199999999"
SID = "HX" + "a" * 32


@asynccontextmanager
async def strict() -> AsyncIterator[Platforms]:
    """Stand-ins that keep the window."""
    async with Platforms(QuickWorld()) as platforms:
        yield platforms


async def states(platforms: Platforms, hub: NotingHub, **params: str) -> list[tuple[str, str | None]]:
    hub.brought.clear()
    await sends(platforms, f"{hub.url}/status/out-1", **params)
    await until_quiet(platforms)
    told = [dict(parse_qsl(one.body.decode())) for one in hub.brought]
    return [(one["MessageStatus"], one.get("ErrorCode")) for one in told]


DELIVERED: list[tuple[str, str | None]] = [("sent", None), ("delivered", None)]
REFUSED: list[tuple[str, str | None]] = [("failed", "63016")]


async def test_free_words_reach_a_person_for_24_hours_after_they_wrote_and_an_sms_always() -> None:
    """W20."""
    async with strict() as platforms, noting_hub() as hub:
        assert await states(platforms, hub) == REFUSED
        platforms.twilio.write(twilio.text_form("SM1", PARAMS["to"], "hi"))
        assert await states(platforms, hub) == DELIVERED
        platforms.twilio.window.pass_hours(24)
        assert await states(platforms, hub) == REFUSED
        assert await states(platforms, hub, to="+4930") == DELIVERED
        assert [sent.place for sent in platforms.ledger] == [PARAMS["to"], "+4930"], "nobody was shown what failed"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"content_sid": "HX" + "b" * 32}, "21655"),
        ({"content_sid": SID}, "21656"),
        ({"content_sid": SID, "content_variables": '{"1": ""}'}, "21656"),
        ({"content_sid": SID, "content_variables": '{"1": "a\\nb"}'}, "21656"),
        ({"content_sid": SID, "content_variables": '{"1": "a", "2": "b"}'}, "21656"),
        ({"content_sid": SID, "content_variables": "no json"}, "21656"),
        ({"body": ""}, "21619"),
    ],
)
async def test_a_template_that_is_not_approved_or_filled_wrongly_is_refused(params: dict[str, str], code: str) -> None:
    """W20, W27."""
    async with strict() as platforms:
        platforms.twilio.window.approve(SID, "Order {{1}} is here.")
        error = await failure_of(platforms, to=STRANGER, **params)
    assert isinstance(error, PermanentFailure)
    assert error.code == code


async def test_an_approved_template_reaches_a_person_at_any_time() -> None:
    async with strict() as platforms, noting_hub() as hub:
        platforms.twilio.window.approve(SID, "Order {{1}} is here.")
        given = {"to": STRANGER, "content_sid": SID, "content_variables": '{"1": "A-1"}'}
        assert await states(platforms, hub, **given) == DELIVERED
        assert [sent.text for sent in platforms.ledger] == ["Order A-1 is here."]


@pytest.mark.parametrize(("count", "field"), [(2, "ButtonPayload"), (4, "ListId")])
async def test_a_content_shows_choices_inside_the_window_and_each_can_be_pressed(count: int, field: str) -> None:
    """W22."""
    told = ["Which?", *(one for place in range(count) for one in (f"Choice {place}", f"t{place}"))]
    variables = json.dumps({str(place): one for place, one in enumerate(told, 1)})
    given = {"content_sid": SID, "content_variables": variables}
    async with strict() as platforms, noting_hub() as hub:
        platforms.twilio.window.register(SID, count)
        assert await states(platforms, hub, **given) == REFUSED
        person = TwilioPerson(platforms.world, platforms.twilio, f"{hub.url}/whatsapp/main", 1000001)
        person.place = PARAMS["to"]
        person.say("hi")
        await until_quiet(platforms)
        assert await states(platforms, hub, **given) == DELIVERED
        (sent,) = platforms.ledger
        assert [(button.label, button.value) for button in sent.buttons][:1] == [("Choice 0", "t0")]
        hub.brought.clear()
        person.press(sent, "t1")
        await until_quiet(platforms)
        (form,) = (dict(parse_qsl(one.body.decode())) for one in hub.brought)
        assert form[field] == "t1"
        error = await failure_of(platforms, content_sid=SID, content_variables='{"1": "Which?"}')
        assert isinstance(error, PermanentFailure)
        assert error.code == "21656"


async def test_a_template_in_doubt_is_proven_by_its_status_else_it_stays_in_doubt_while_it_may_be_there() -> None:
    """F044: what a template says is not known to us, so the list of messages cannot name it."""
    since = datetime.now(UTC) - timedelta(seconds=1)
    params = {"to": STRANGER, "from_": twilio.NUMBER, "content_sid": SID}
    async with strict() as platforms:
        platforms.twilio.window.approve(SID, "Your order is here.")
        client = client_of(platforms)
        assert await client.find(params, out_id="out-1", since=since, others=frozenset()) is None
        await client.create(params, out_id="out-1", status_callback=NOWHERE)
        client.known = KnownSids()
        with pytest.raises(UnknownOutcome):
            await client.find(params, out_id="out-1", since=since, others=frozenset())
        (sent,) = platforms.ledger
        client.known.remember(sent.provider_id, "out-1")
        assert await client.find(params, out_id="out-1", since=since, others=frozenset()) is not None
        await client.close()


async def test_a_message_that_was_created_is_found_again_and_carries_the_name_of_its_send() -> None:
    """F044."""
    since = datetime.now(UTC) - timedelta(seconds=1)
    async with running() as platforms:
        client = client_of(platforms)
        look = {"out_id": "out-1", "since": since, "others": frozenset[str]()}
        assert await client.find(PARAMS, **look) is None  # type: ignore[arg-type]
        await platforms.add_fault(Fault(platform="whatsapp", action="error", moment="after"))
        await failure_of(platforms)
        found = await client.find(PARAMS, **look)  # type: ignore[arg-type]
        await client.close()
    (sent,) = platforms.ledger
    assert found is not None
    assert found.provider_id == sent.provider_id
    assert sent.out_id == "out-1"


async def test_too_long_a_text_is_refused() -> None:
    """W21."""
    async with running() as platforms:
        error = await failure_of(platforms, body="x" * 1601)
    assert isinstance(error, PermanentFailure)
    assert error.code == "21617"


async def test_the_account_is_asked_with_its_credentials() -> None:
    async with running() as platforms:
        client, wrong = client_of(platforms), client_of(platforms, "wrong")
        assert await client.account_status() == "active"
        assert not await client.has_phone_number("+4930555000")
        for question in (wrong.account_status(), wrong.has_phone_number("+4930555000")):
            with pytest.raises(AccountRefused):
                await question
        with pytest.raises(AccountRefused):
            await wrong.create(PARAMS, out_id="o", status_callback=NOWHERE)
        await client.close()
        await wrong.close()


async def test_a_message_tells_that_it_is_sent_and_then_delivered_signed_as_the_vendor_checks_it() -> None:
    """W3, W25."""
    async with running() as platforms, noting_hub() as hub:
        await sends(platforms, f"{hub.url}/status/out-1")
        await until_quiet(platforms)
    told = [dict(parse_qsl(one.body.decode())) for one in hub.brought]
    assert [one["MessageStatus"] for one in told] == ["sent", "delivered"]
    for one, form in zip(hub.brought, told, strict=True):
        signature = one.headers["X-Twilio-Signature"]
        assert RequestValidator(twilio.AUTH_TOKEN).validate(hub.url + one.path, form, signature)


async def test_a_webhook_that_answers_with_an_error_is_not_called_again() -> None:
    """W6."""
    async with running() as platforms, noting_hub(500) as hub:
        delivery = TwilioPerson(platforms.world, platforms.twilio, f"{hub.url}/whatsapp/main", 1).say("hello")
        await until_quiet(platforms)
    assert len(hub.brought) == 1
    assert delivery.progress == "given_up"


async def test_a_webhook_that_cannot_be_connected_to_is_called_once_more_under_the_same_token() -> None:
    """W6, W7."""
    async with running() as platforms, noting_hub("cut") as hub:
        delivery = TwilioPerson(platforms.world, platforms.twilio, f"{hub.url}/whatsapp/main", 1).say("hello")
        await until_quiet(platforms)
    assert (delivery.progress, delivery.tries) == ("taken", 2)
    assert len({one.headers["I-Twilio-Idempotency-Token"] for one in hub.brought}) == 1
    assert len({one.body for one in hub.brought}) == 1
