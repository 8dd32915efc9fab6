"""Messages that Twilio's webhook did not bring: listed, and read as if it had (SEMANTICS 9, W6)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from channels.base import Gap, Look
from channels.inbound import Inbound
from channels.whatsapp.channel import WhatsAppChannel
from channels.whatsapp.missed import ON_ITS_WAY
from channels.whatsapp.payloads import form_fields
from core.errors import RateLimited, UnknownOutcome
from core.events import MessageReceived
from tests.fakes import START, FakeClock
from tests.unit.channels.whatsapp.whatsapp_kit import NUMBER, PERSON, ROOT, SID, FakeTwilio, channel, encoded

SINCE = START - timedelta(hours=2)
SENT = START - timedelta(minutes=30)
GAP = Gap(SINCE)


def listed(sid: str = "SM1", at: datetime | None = SENT, **fields: Any) -> dict[str, Any]:
    """Return a message as the list shows it; api_v2010 message resource."""
    time = None if at is None else format_datetime(at)
    return {
        "sid": sid,
        "account_sid": SID,
        "messaging_service_sid": None,
        "body": f"text {sid}",
        "to": NUMBER,
        "from": PERSON,
        "direction": "inbound",
        "status": "received",
        "num_media": "0",
        "num_segments": "1",
        "api_version": "2010-04-01",
        "date_created": time,
        "date_sent": time,
    } | fields


@pytest.fixture
async def twilio() -> AsyncIterator[FakeTwilio]:
    async with FakeTwilio() as fake:
        yield fake


@pytest.fixture
async def asked(twilio: FakeTwilio) -> AsyncIterator[WhatsAppChannel]:
    made = channel(api_url=twilio.url)
    yield made
    await made.close()


async def look(asked: WhatsAppChannel) -> Look:
    (found,) = [found async for found in asked.catch_up([GAP])]
    return found


def events_of(asked: WhatsAppChannel, found: Look) -> list[MessageReceived]:
    events = [event for inbound in found.payloads for event in asked.normalize(inbound)]
    return [event for event in events if isinstance(event, MessageReceived)]


async def test_what_was_sent_to_our_number_is_listed_oldest_first(twilio: FakeTwilio, asked: WhatsAppChannel):
    twilio.messages = [listed("SM2", SENT + timedelta(minutes=1)), listed("SM1")]
    found = await look(asked)
    assert [event.text for event in events_of(asked, found)] == ["text SM1", "text SM2"]
    assert found.closed == (GAP,)
    (query,) = twilio.queries
    assert (query["To"], query["DateSent>"]) == (NUMBER, "2026-11-22T10:00:00Z")


async def test_a_listed_message_has_the_name_and_the_words_of_its_webhook(twilio: FakeTwilio, asked: WhatsAppChannel):
    """F061: the MessageSid is the key."""
    twilio.messages = [listed("SM1", body="Größe 42 & *mehr* +1")]
    (found,) = (await look(asked)).payloads
    fields = {"From": PERSON, "To": NUMBER, "Body": "Größe 42 & *mehr* +1", "SmsStatus": "received", "NumMedia": "0"}
    webhook = Inbound(asked.name, asked.account, encoded(MessageSid="SM1", **fields), found.received_at)
    assert asked.identify(found) == asked.identify(webhook)
    (told,), (brought,) = asked.normalize(found), asked.normalize(webhook)
    assert told == brought.model_copy(update={"sent_at": SENT})


async def test_a_listed_message_opens_the_window_from_when_it_was_sent(twilio: FakeTwilio, asked: WhatsAppChannel):
    """W20: not from when it was found."""
    twilio.messages = [listed("SM1")]
    (found,) = events_of(asked, await look(asked))
    assert (found.sent_at, found.received_at) == (SENT, START)


@pytest.mark.parametrize(
    "message",
    [
        listed(direction="outbound-api"),
        listed(at=SINCE - timedelta(seconds=1)),
        listed(at=START - ON_ITS_WAY + timedelta(seconds=1)),
        listed(sid=None),
    ],
    ids=["ours", "older than the gap", "may still be on its way", "without a name"],
)
async def test_what_nobody_sent_us_then_is_left_out(
    twilio: FakeTwilio, asked: WhatsAppChannel, message: dict[str, Any]
):
    twilio.messages = [listed("SM9"), message]
    assert [event.text for event in events_of(asked, await look(asked))] == ["text SM9"]


async def test_a_message_that_is_still_young_is_found_by_the_next_look(twilio: FakeTwilio, asked: WhatsAppChannel):
    """The webhook knows its sender's name and its coordinates; the list does not. An hour of overlap finds it later."""
    twilio.messages = [listed(at=START)]
    assert (await look(asked)).payloads == ()
    clock = FakeClock()
    clock.advance(600)
    asked._resources = replace(asked._resources, clock=clock)
    assert len((await look(asked)).payloads) == 1
    plan = asked.capabilities.catch_up
    assert plan is not None
    assert plan.overlap_s > plan.every_s + ON_ITS_WAY.total_seconds()


async def test_pictures_are_named_as_the_webhook_names_them(twilio: FakeTwilio, asked: WhatsAppChannel):
    uri = f"{ROOT}/Messages/MM1/Media/ME1"
    twilio.messages = [listed("MM1", body="", num_media="1")]

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/Messages/MM1/Media.json"):
            media = [{"sid": "ME1", "content_type": "image/jpeg", "uri": f"{uri}.json"}]
            return web.json_response({"media_list": media, "next_page_uri": None})
        return twilio._list(request)

    twilio.answer = answer
    (event,) = events_of(asked, await look(asked))
    (picture,) = event.attachments
    assert (picture.reference, picture.media_type, picture.kind) == (f"{twilio.url}{uri}", "image/jpeg", "image")


async def test_a_message_without_words_or_media_is_an_attachment_that_nobody_can_read(
    twilio: FakeTwilio, asked: WhatsAppChannel
):
    """The list has no coordinates, cards or polls."""
    twilio.messages = [listed(body="")]
    (event,) = events_of(asked, await look(asked))
    assert [attachment.kind for attachment in event.attachments] == ["other"]


async def test_rubbish_in_a_text_is_cleaned(twilio: FakeTwilio, asked: WhatsAppChannel):
    """W12: lone surrogates and NUL."""
    twilio.messages = [listed(body="a\ud800b\x00c")]
    (found,) = (await look(asked)).payloads
    assert form_fields(found.body)["Body"] == "a\ufffdbc"


async def test_when_twilio_wants_a_pause_nothing_is_closed(twilio: FakeTwilio, asked: WhatsAppChannel):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"code": 20429, "status": 429}, status=429, headers={"Retry-After": "7"})

    twilio.answer = answer
    with pytest.raises(RateLimited) as caught:
        await look(asked)
    assert caught.value.retry_after_s == 7


async def test_a_list_of_another_shape_is_an_error_that_is_told(twilio: FakeTwilio, asked: WhatsAppChannel):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"messages": [5]})

    twilio.answer = answer
    with pytest.raises(UnknownOutcome):
        await look(asked)


def test_how_often_twilio_is_asked_can_be_set_and_switched_off():
    def plan(**fields: Any) -> Any:
        return channel(**fields).capabilities.catch_up

    assert (plan().every_s, plan().overlap_s, plan().by_conversation) == (600.0, 3600.0, False)
    assert plan(catch_up_every_s=1200).every_s == 1200.0
    assert plan(catch_up_every_s=0) is None
