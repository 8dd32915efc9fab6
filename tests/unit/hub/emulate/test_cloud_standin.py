"""The Cloud API's stand-in against the real adapter, and how it calls a webhook (CHANNELS 3.3)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.base import Resources
from channels.whatsapp.cloud.account import CloudSettings
from channels.whatsapp.cloud.channel import CloudChannel
from core.errors import AccountRefused, DeliveryError, PermanentFailure, RateLimited, TemporaryFailure, UnknownOutcome
from core.events import ChoiceMade, DeliveryStatusChanged, Event, MessageReceived
from core.ids import AccountName, ConversationId, OutId
from core.replies import ApiCall, Receipt
from hub.emulate import cloud
from hub.emulate.faults import Fault
from hub.emulate.people import CloudPerson
from hub.emulate.platforms import Platforms
from hub.settings import load_settings
from tests.fakes import FakeClock
from tests.standins.platforms import open_to_all
from tests.unit.channels.whatsapp.whatsapp_kit import FakeMailbox, Journal
from tests.unit.hub.emulate.kit import QuickWorld, deadline_s, noting_hub, pauses, until_quiet

PERSON = "4915112345678"
CONVERSATION = ConversationId(f"whatsapp:main:+{PERSON}")


@asynccontextmanager
async def running() -> AsyncIterator[Platforms]:
    async with Platforms(QuickWorld(), whatsapp_by="cloud") as platforms:
        open_to_all(platforms)
        yield platforms


def channel_of(platforms: Platforms, journal: Journal, token: str = cloud.ACCESS_TOKEN) -> CloudChannel:
    settings = CloudSettings.model_validate(
        {
            "provider": "cloud",
            "phone_number_id": cloud.NUMBER_ID,
            "access_token": token,
            "app_secret": cloud.APP_SECRET,
            "verify_token": cloud.VERIFY_TOKEN,
            "api_url": platforms.http["whatsapp"].url,
        }
    )
    resources = Resources(FakeClock(), journal.accept, "https://desk.example", FakeMailbox())
    channel = CloudChannel(AccountName("main"), settings, resources)
    channel.client._timeout = channel.client._timeout.__class__(total=deadline_s(platforms))
    return channel


def text_call(body: str = "hello", **place: str) -> ApiCall:
    params: dict[str, Any] = {"messaging_product": "whatsapp", **(place or {"to": PERSON})}
    return ApiCall(method="messages", params=params | {"type": "text", "text": {"body": body}}, bucket="b")


async def sends(platforms: Platforms, call: ApiCall | None = None, **changes: str) -> Receipt:
    channel = channel_of(platforms, Journal(), **changes)
    try:
        return await channel.send(call or text_call(), OutId("out1"), 1, CONVERSATION)
    finally:
        await channel.close()


async def failure_of(platforms: Platforms, call: ApiCall | None = None, **changes: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await sends(platforms, call, **changes)
    return raised.value


@asynccontextmanager
async def serving(platforms: Platforms, journal: Journal) -> AsyncIterator[CloudChannel]:
    """The adapter's own routes, as the platform's callback URL."""
    channel = channel_of(platforms, journal)
    application = web.Application()
    application.add_routes(channel.routes())
    async with TestServer(application, host="127.0.0.1") as server:
        platforms.cloud.callback_url = f"http://127.0.0.1:{server.port}/whatsapp/main"
        try:
            yield channel
        finally:
            await channel.close()


def events(channel: CloudChannel, journal: Journal) -> list[Event]:
    return [event for payload in journal.kept for event in channel.normalize(payload)]


@pytest.mark.parametrize(
    ("details", "error", "is_taken"),
    [
        ({"action": "rate_limit", "retry_after": "7"}, RateLimited, False),
        ({"action": "error"}, UnknownOutcome, False),
        ({"action": "error", "moment": "after"}, UnknownOutcome, True),
        ({"action": "hang"}, UnknownOutcome, False),
        ({"action": "cut", "moment": "after"}, UnknownOutcome, True),
        ({"action": "body", "kind": "huge"}, UnknownOutcome, True),
        ({"action": "body", "kind": "truncated"}, UnknownOutcome, True),
        ({"action": "body", "kind": "wrong_json"}, UnknownOutcome, True),
        ({"action": "body", "kind": "empty"}, UnknownOutcome, True),
        ({"action": "redirect"}, PermanentFailure, False),
        ({"action": "unauthorized"}, AccountRefused, False),
        ({"action": "refuse", "code": "131056"}, RateLimited, False),
        ({"action": "refuse", "code": "131021"}, PermanentFailure, False),
        ({"action": "closed"}, TemporaryFailure, False),
    ],
    ids=str,
)
async def test_each_fault_is_what_the_adapter_promises_and_the_ledger_tells_the_truth(
    details: dict[str, Any], error: type[DeliveryError], is_taken: bool
) -> None:
    async with running() as platforms:
        await platforms.add_fault(Fault.model_validate({"platform": "whatsapp", **details}))
        assert type(await failure_of(platforms)) is error
        assert len(platforms.ledger) == is_taken


async def test_a_wrong_token_is_refused() -> None:
    async with running() as platforms:
        assert type(await failure_of(platforms, token="another")) is AccountRefused


async def test_a_message_to_a_user_id_alone_is_taken() -> None:
    async with running() as platforms:
        receipt = await sends(platforms, text_call(recipient="DE.13491208655302741918"))
        (sent,) = platforms.ledger
        assert receipt.provider_id.startswith("wamid.")
        assert (sent.place, sent.text) == ("DE.13491208655302741918", "hello")


async def test_a_text_beyond_the_limit_is_refused_for_good() -> None:
    async with running() as platforms:
        failure = await failure_of(platforms, text_call("x" * 4097))
        assert isinstance(failure, PermanentFailure)
        assert failure.code == "131009"


async def test_the_statuses_of_a_send_name_it_and_its_conversation() -> None:
    journal = Journal()
    async with running() as platforms, serving(platforms, journal) as channel:
        receipt = await channel.send(text_call(), OutId("out1"), 1, CONVERSATION)
        await until_quiet(platforms)
        told = events(channel, journal)
        assert all(isinstance(event, DeliveryStatusChanged) for event in told)
        assert [
            (e.status, e.out_id, e.provider_id, e.conversation_id) for e in told if e.kind == "delivery_status"
        ] == [(state, "out1", receipt.provider_id, CONVERSATION) for state in ("sent", "delivered")]


async def test_a_closed_window_is_told_by_a_status_after_the_send_was_taken() -> None:
    """W20 at this provider: 131047."""
    journal = Journal()
    async with running() as platforms, serving(platforms, journal) as channel:
        await platforms.add_fault(Fault(platform="whatsapp", action="refuse", code="131047"))
        await channel.send(text_call(), OutId("out1"), 1, CONVERSATION)
        await until_quiet(platforms)
        (event,) = events(channel, journal)
        assert isinstance(event, DeliveryStatusChanged)
        assert (event.status, event.error_code) == ("failed", "131047")


def template_call(name: str = "order_update", language: str = "en_US", *values: str) -> ApiCall:
    parameters = [{"type": "text", "text": value} for value in values]
    template: dict[str, Any] = {"name": name, "language": {"code": language}}
    if parameters:
        template["components"] = [{"type": "body", "parameters": parameters}]
    params: dict[str, Any] = {"messaging_product": "whatsapp", "to": PERSON, "type": "template", "template": template}
    return ApiCall(method="messages", params=params, bucket="b")


async def test_free_words_reach_a_person_for_24_hours_after_they_wrote_and_a_template_always() -> None:
    """W20 at this provider: 131047."""
    journal = Journal()
    async with Platforms(QuickWorld(), whatsapp_by="cloud") as platforms, serving(platforms, journal) as channel:
        platforms.cloud.window.approve("order_update/en_US", "Order {{1}} is here.")

        async def told(call: ApiCall) -> list[tuple[str, str | None, bool]]:
            journal.kept.clear()
            await channel.send(call, OutId("out1"), 1, CONVERSATION)
            await until_quiet(platforms)
            found = [event for event in events(channel, journal) if isinstance(event, DeliveryStatusChanged)]
            return [(event.status, event.error_code, event.window_closed) for event in found]

        delivered = [("sent", None, False), ("delivered", None, False)]
        assert await told(text_call()) == [("failed", "131047", True)]
        assert await told(template_call("order_update", "en_US", "A-1")) == delivered
        platforms.cloud.write(PERSON, "hi")
        await until_quiet(platforms)
        assert await told(text_call()) == delivered
        platforms.cloud.window.pass_hours(24)
        assert await told(text_call()) == [("failed", "131047", True)]
        assert [sent.text for sent in platforms.ledger] == ["Order A-1 is here.", "hello"]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (template_call("another"), "132001"),
        (template_call("order_update", "de"), "132001"),
        (template_call("order_update", "en_US"), "132000"),
        (template_call("order_update", "en_US", "a", "b"), "132000"),
        (template_call("order_update", "en_US", "a\nb"), "132000"),
    ],
)
async def test_a_template_that_is_not_approved_or_filled_wrongly_is_refused(call: ApiCall, code: str) -> None:
    async with running() as platforms:
        platforms.cloud.window.approve("order_update/en_US", "Order {{1}} is here.")
        with pytest.raises(PermanentFailure) as raised:
            await sends(platforms, call)
        assert raised.value.code == code
        assert len(platforms.ledger) == 0


async def test_what_is_written_at_once_comes_in_one_post_and_each_is_read() -> None:
    journal = Journal()
    async with running() as platforms, serving(platforms, journal) as channel:
        for text in ("eins", "zw\u00f6lf \U0001f44d", "a/b"):
            platforms.cloud.write(PERSON, text)
        platforms.cloud.write("", "hidden", user_id="DE.1349")
        await until_quiet(platforms)
        told = events(channel, journal)
        assert len(journal.kept) < len(told)
        assert [event.text for event in told if isinstance(event, MessageReceived)] == [
            "eins",
            "zw\u00f6lf \U0001f44d",
            "a/b",
            "hidden",
        ]
        assert {event.conversation_id for event in told} == {CONVERSATION, "whatsapp:main:DE.1349"}


async def test_a_webhook_that_is_not_taken_comes_again_with_growing_pauses() -> None:
    async with running() as platforms, noting_hub(500, "cut", 503) as hub:
        platforms.cloud.callback_url = f"{hub.url}/whatsapp/main"
        platforms.cloud.write(PERSON, "hello")
        await until_quiet(platforms)
        assert len({request.body for request in hub.brought}) == 1
        assert len(hub.brought) == 4
        assert pauses(platforms) == [1.0, 2.0, 4.0]


async def test_the_callback_url_proves_itself_with_the_verify_token_alone() -> None:
    async with running() as platforms, serving(platforms, Journal()) as channel:
        url = platforms.cloud.callback_url
        assert url is not None
        assert await platforms.cloud.shake_hands(url)
        channel._settings = channel._settings.model_copy(
            update={"verify_token": type(channel._settings.verify_token)("x")}
        )
        assert not await platforms.cloud.shake_hands(url)


async def test_doctor_asks_for_the_number() -> None:
    async with running() as platforms:
        for token, ok in ((cloud.ACCESS_TOKEN, True), ("another", False)):
            channel = channel_of(platforms, Journal(), token)
            credentials, webhook = await channel.check()
            await channel.close()
            assert (credentials.ok, webhook.ok) == (ok, True)
            assert (credentials.fix is None) == ok


async def test_the_environment_of_the_stand_in_switches_the_account_on(tmp_path: Any) -> None:
    async with running() as platforms:
        settings = load_settings(environ={"FRONTDESK_DATA": str(tmp_path), **platforms.environment()})
    plan = next(plan for plan in settings.accounts if plan.key == "whatsapp:main")
    assert isinstance(plan.settings, CloudSettings)


def test_non_ascii_and_slashes_are_escaped_in_a_webhook() -> None:
    body = cloud.webhook_body([{"text": "\u00e4/b"}])
    assert rb'"\u00e4\/b"' in body
    value = json.loads(body)["entry"][0]["changes"][0]["value"]
    assert (value["text"], value["metadata"]["phone_number_id"]) == ("\u00e4/b", cloud.NUMBER_ID)


INTERACTIVE = {
    "button": {"buttons": [{"type": "reply", "reply": {"id": "t1", "title": "Yes"}}]},
    "list": {"button": "Choose", "sections": [{"rows": [{"id": "t1", "title": "Yes"}]}]},
}


@pytest.mark.parametrize("kind", ["button", "list"])
async def test_what_a_message_offers_is_pressed_as_meta_tells_it_and_read_as_that_choice(kind: str) -> None:
    journal = Journal()
    body = {"type": kind, "body": {"text": "Sure?"}, "action": INTERACTIVE[kind]}
    async with running() as platforms, serving(platforms, journal) as channel:
        person = CloudPerson(platforms.world, platforms.cloud, str(platforms.cloud.callback_url), 7)
        params = {"messaging_product": "whatsapp", "to": person.place, "type": "interactive", "interactive": body}
        await sends(platforms, ApiCall(method="messages", params=params, bucket=person.place))
        (sent,) = platforms.ledger
        assert [(button.label, button.value) for button in sent.buttons] == [("Yes", "t1")]
        await until_quiet(platforms)
        delivery = person.press(sent, "t1")
        await until_quiet(platforms)
        assert delivery.progress == "taken"
        told = [event for event in events(channel, journal) if isinstance(event, ChoiceMade)]
        assert [(event.token, event.label) for event in told] == [("t1", "Yes")]
        with pytest.raises(LookupError):
            person.press(sent, "t2")


async def test_what_becomes_of_an_answer_is_told_where_the_person_writes() -> None:
    journal = Journal()
    async with running() as platforms, serving(platforms, journal) as channel:
        url = str(platforms.cloud.callback_url)
        platforms.cloud.callback_url = None
        person = CloudPerson(platforms.world, platforms.cloud, url, 7)
        assert person.say("hello").progress == "on_its_way"
        await until_quiet(platforms)
        await sends(platforms, text_call(to=person.place))
        await until_quiet(platforms)
        told = events(channel, journal)
        assert [event.kind for event in told] == ["message", "delivery_status", "delivery_status"]


def a_list(**changes: Any) -> dict[str, Any]:
    rows = [{"id": f"t{n}", "title": f"Row {n}"} for n in range(4)]
    action = {"button": "1-4", "sections": [{"rows": rows}]} | changes
    interactive = {"type": "list", "body": {"text": "Pick"}, "action": action}
    return {"messaging_product": "whatsapp", "to": PERSON, "type": "interactive", "interactive": interactive}


def test_a_documented_list_is_taken() -> None:
    assert cloud.fault_in(a_list()) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"button": "x" * 21},
        {"sections": [{"rows": []}]},
        {"sections": [{"rows": [{"id": f"t{n}", "title": f"Row {n}"} for n in range(11)]}]},
        {"sections": [{"rows": [{"id": "t", "title": "x" * 25}]}]},
        {"sections": [{"rows": [{"id": "x" * 201, "title": "Row"}]}]},
        {"sections": [{"rows": [{"id": "t", "title": "A"}, {"id": "t", "title": "B"}]}]},
        {"sections": [{"rows": [{"id": "t", "title": "A"}]}, {"rows": [{"id": "u", "title": "B"}]}]},
    ],
    ids=str,
)
def test_a_list_beyond_the_documented_limits_is_refused(changes: dict[str, Any]) -> None:
    assert cloud.fault_in(a_list(**changes)) is not None
