"""The running hub against an emulated Twilio: signed webhooks in, one message out, its delivery state (W3, W8, W11)."""

from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import pytest

from tests.integration.running import accepted, at_rest, exactly, started, state_of, transcript_around, until
from tests.servers.hub import Hub
from tests.servers.twilio import ACCOUNT_SID, AUTH_TOKEN, NUMBER, TwilioServer, running_twilio

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Desk:
    hub: Hub
    twilio: TwilioServer


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("whatsapp")
    environment: dict[str, str] = {}
    hub = Hub(folder, environment)
    with running_twilio(folder, hub.url) as twilio:
        environment["FRONTDESK_WHATSAPP_MAIN_ACCOUNT_SID"] = ACCOUNT_SID
        environment["FRONTDESK_WHATSAPP_MAIN_AUTH_TOKEN"] = AUTH_TOKEN
        environment["FRONTDESK_WHATSAPP_MAIN_NUMBER"] = NUMBER
        environment["FRONTDESK_WHATSAPP_MAIN_API_URL"] = twilio.api_url
        environment["FRONTDESK_PUBLIC_URL"] = hub.url  # what Twilio signs
        with started(hub):
            yield Desk(hub, twilio)


async def test_a_message_is_answered_once_and_the_order_is_told(desk: Desk) -> None:
    ann = "whatsapp:+15550000001"
    await desk.twilio.say(ann, "where is my order A-1001?")
    (asked,) = await exactly(desk.hub, 1, lambda: desk.twilio.replies_to(ann))
    assert (asked["from"], asked["direction"]) == (NUMBER, "outbound-api")
    assert "e-mail address" in asked["body"]
    await desk.twilio.say(ann, "ann@example.com")
    _, told = await exactly(desk.hub, 2, lambda: desk.twilio.replies_to(ann))
    assert "*A-1001*" in told["body"]
    assert "*DHL*" in told["body"]


async def test_a_typed_number_picks_the_second_choice_of_the_menu(desk: Desk) -> None:
    ben = "whatsapp:+15550000002"
    await desk.twilio.say(ben, "help")
    (menu,) = await exactly(desk.hub, 1, lambda: desk.twilio.replies_to(ben))
    assert "2. Refunds" in menu["body"].splitlines()
    await desk.twilio.say(ben, "2")
    _, asked = await exactly(desk.hub, 2, lambda: desk.twilio.replies_to(ben))
    lines = await until(lambda: transcript_around(desk.hub, asked["sid"]), lambda lines: len(lines) >= 4)
    picked = next(line.trace for line in lines if line.text == "2")
    assert picked is not None
    assert (picked.intent, picked.flow) == ("refund_request", "refund_request")


async def test_status_callbacks_move_the_delivery_state_and_late_ones_do_not_move_it_back(desk: Desk) -> None:
    cleo = "whatsapp:+15550000003"
    await desk.twilio.say(cleo, "hello")
    (reply,) = await exactly(desk.hub, 1, lambda: desk.twilio.replies_to(cleo))
    await until(lambda: state_of(desk.hub, reply["sid"]), lambda state: state == "sent")
    await desk.twilio.set_status(reply["sid"], "delivered")
    await until(lambda: state_of(desk.hub, reply["sid"]), lambda state: state == "delivered")
    await desk.twilio.set_status(reply["sid"], "sent")
    await at_rest(desk.hub)
    assert await state_of(desk.hub, reply["sid"]) == "delivered"
    await desk.twilio.set_status(reply["sid"], "read")
    await until(lambda: state_of(desk.hub, reply["sid"]), lambda state: state == "read")
    assert len(await desk.twilio.replies_to(cleo)) == 1


async def test_an_undelivered_message_is_marked_failed(desk: Desk) -> None:
    dan = "whatsapp:+15550000004"
    await desk.twilio.say(dan, "hello")
    (reply,) = await exactly(desk.hub, 1, lambda: desk.twilio.replies_to(dan))
    await desk.twilio.set_status(reply["sid"], "undelivered")
    await until(lambda: state_of(desk.hub, reply["sid"]), lambda state: state == "failed")


async def test_a_wrong_signature_is_refused_and_leaves_no_trace(desk: Desk) -> None:
    eve = "whatsapp:+15550000005"
    form = {"MessageSid": "SM" + "1" * 32, "From": eve, "To": NUMBER, "Body": "help", "NumMedia": "0"}
    await at_rest(desk.hub)
    before = await accepted(desk.hub)
    for path in ("/whatsapp/main", "/whatsapp/main/status/abc"):
        for headers in ({}, {"X-Twilio-Signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}):
            async with (
                aiohttp.ClientSession() as session,
                session.post(desk.hub.url + path, data=form, headers=headers) as response,
            ):
                assert (response.status, await response.text()) == (401, "")
    assert await accepted(desk.hub) == before
    assert await desk.twilio.replies_to(eve) == []
