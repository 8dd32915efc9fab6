"""What Meta tells -> events, in the shapes of its page messenger-platform/reference/webhook-events."""

import json
from datetime import timedelta

import pytest
from channels.base import Channel
from channels.contract import START
from core.errors import MalformedPayload
from core.events import (
    ChoiceMade,
    ConversationOpened,
    DeliveryStatusChanged,
    MessageEdited,
    MessageReceived,
    ReactionChanged,
)
from messenger_samples import MIRA, PAGE, TOM, WHEN_MS, batch, body, echo, happening, message, posted, received


def test_a_message_says_who_wrote_when_and_to_whom_the_answer_goes(channel: Channel) -> None:
    (event,) = channel.normalize(posted(message("where is my order?", reply_to={"mid": "m_0"})))
    assert isinstance(event, MessageReceived)
    assert (event.text, event.message_id, event.in_reply_to) == ("where is my order?", "m_1", "m_0")
    assert (event.conversation_id, event.sender.id, event.address) == (f"messenger:shop:{MIRA}", MIRA, {"id": MIRA})
    assert event.sent_at == START - timedelta(minutes=1)


def test_a_batch_becomes_one_event_each_in_its_order(channel: Channel) -> None:
    """Events are batched: several entries in one POST, several events in an entry."""
    tom = happening(TOM, message={"mid": "m_2", "text": "two"})
    events = channel.normalize(received(body(batch(message("one"), tom), batch(message("three", "m_3")))))
    assert [(event.sender.id, event.text) for event in events if isinstance(event, MessageReceived)] == [
        (MIRA, "one"),
        (TOM, "two"),
        (MIRA, "three"),
    ]


def test_a_batch_keeps_its_name_and_one_message_has_the_name_of_its_event(channel: Channel) -> None:
    one = posted(message("one"))
    assert channel.identify(one).primary == channel.normalize(one)[0].id == "messenger:shop:m_1"
    both = posted(message("one"), message("two", "m_2"))
    retold = posted(message("one", tags={"source": "new"}), message("two", "m_2"))
    assert channel.identify(both) == channel.identify(retold) != channel.identify(one)


def test_what_is_about_another_page_belongs_to_another_account(channel: Channel) -> None:
    assert channel.normalize(received(body(batch(message("one"), page="999999")))) == ()


@pytest.mark.parametrize(
    "told",
    [
        happening(postback={"mid": "m_1", "title": "Yes", "payload": "token1"}),
        message("Yes", quick_reply={"payload": "token1"}),
    ],
    ids=["a template's button", "a quick reply"],
)
def test_a_button_and_a_quick_reply_are_the_same_choice(channel: Channel, told: dict[str, object]) -> None:
    (event,) = channel.normalize(posted(told))
    assert isinstance(event, ChoiceMade)
    assert (event.token, event.label) == ("token1", "Yes")


@pytest.mark.parametrize(
    ("told", "payload"),
    [
        ({"postback": {"title": "Get Started", "payload": "GET_STARTED"}}, None),
        ({"postback": {"payload": "GET_STARTED", "referral": {"ref": "spring", "source": "SHORTLINK"}}}, "spring"),
        ({"referral": {"ref": "spring", "source": "SHORTLINK", "type": "OPEN_THREAD"}}, "spring"),
    ],
    ids=["get started", "get started by a link", "a link into a conversation"],
)
def test_who_comes_without_a_word_has_opened_the_conversation(
    channel: Channel, told: dict[str, object], payload: str | None
) -> None:
    (event,) = channel.normalize(posted(happening(**told)))
    assert isinstance(event, ConversationOpened)
    assert event.payload == payload


def test_the_echo_of_our_own_send_proves_it(channel: Channel) -> None:
    (event,) = channel.normalize(posted(echo("hello", "m_9", metadata="frontdesk:out1")))
    assert isinstance(event, DeliveryStatusChanged)
    assert (event.status, event.provider_id, event.out_id) == ("sent", "m_9", "out1")
    assert event.conversation_id == f"messenger:shop:{MIRA}"


def test_what_a_person_writes_in_the_pages_inbox_is_recorded_as_ours(channel: Channel) -> None:
    (event,) = channel.normalize(posted(echo("Hello, this is Ann.")))
    assert isinstance(event, MessageReceived)
    assert (event.text, event.automatic, event.sender.id) == ("Hello, this is Ann.", "self", PAGE)
    assert event.conversation_id == f"messenger:shop:{MIRA}"


def test_a_delivery_receipt_is_one_event_for_each_message_that_it_names(channel: Channel) -> None:
    receipt = posted(happening(delivery={"mids": ["m_1", "m_2"], "watermark": WHEN_MS}))
    events = channel.normalize(receipt)
    told = [(e.provider_id, e.status, e.id) for e in events if isinstance(e, DeliveryStatusChanged)]
    assert told == [(mid, "delivered", f"messenger:shop:{mid}:delivered") for mid in ("m_1", "m_2")]


@pytest.mark.parametrize("told", [{"delivery": {"watermark": WHEN_MS}}, {"read": {"watermark": WHEN_MS}}])
def test_a_watermark_names_no_message_and_so_tells_nothing(channel: Channel, told: dict[str, object]) -> None:
    """`mids` "may not be present", and read receipts never have any; the payload still has a name of its own."""
    receipt = posted(happening(**told))
    assert channel.normalize(receipt) == ()
    assert str(WHEN_MS) in channel.identify(receipt).primary


@pytest.mark.parametrize(
    ("action", "added", "removed"), [("react", ("\u2764\ufe0f",), ()), ("unreact", (), ("\u2764\ufe0f",))]
)
def test_a_reaction_is_set_and_taken_back(
    channel: Channel, action: str, added: tuple[str, ...], removed: tuple[str, ...]
) -> None:
    reaction = {"reaction": "love", "emoji": "\u2764\ufe0f", "action": action, "mid": "m_5"}
    (event,) = channel.normalize(posted(happening(reaction=reaction)))
    assert isinstance(event, ReactionChanged)
    assert (event.message_id, event.added, event.removed) == ("m_5", added, removed)


def test_an_edit_has_the_new_text_and_each_edit_a_name_of_its_own(channel: Channel) -> None:
    first, second = (
        posted(happening(message_edit={"mid": "m_1", "text": f"text {number}", "num_edit": number}))
        for number in (1, 2)
    )
    (event,) = channel.normalize(second)
    assert isinstance(event, MessageEdited)
    assert (event.message_id, event.text) == ("m_1", "text 2")
    assert channel.identify(first) != channel.identify(second)


def test_attachments_are_references_without_the_signed_address(channel: Channel) -> None:
    url = "https://scontent.example/x.jpg?oh=signature&oe=expiry"
    files = [
        {"type": "image", "payload": {"url": url}},
        {"type": "image", "payload": {"url": url, "sticker_id": 369239263222822}},
        {"type": "location", "payload": {"coordinates": {"lat": 52.5, "long": 13.4}}},
        {"type": "fallback", "title": "A shared page", "payload": {"url": "https://example.org", "title": "A page"}},
        {"type": "appointment_booking", "payload": None},
    ]
    (event,) = channel.normalize(posted(happening(message={"mid": "m_1", "attachments": files})))
    assert isinstance(event, MessageReceived)
    assert [file.kind for file in event.attachments] == ["image", "sticker", "location", "other", "other"]
    assert event.attachments[2].details == {"latitude": 52.5, "longitude": 13.4}
    assert event.attachments[3].details == {"type": "fallback", "title": "A shared page"}
    assert "oh=" not in event.model_dump_json()


def test_who_came_by_a_plugin_is_answered_by_their_reference(channel: Channel) -> None:
    told = {"sender": {"user_ref": "ref-1"}, "timestamp": str(WHEN_MS), "postback": {"payload": "token1"}}
    (event,) = channel.normalize(posted(told))
    assert event.address == {"user_ref": "ref-1"}


def test_a_message_of_an_unknown_shape_is_kept_and_takes_no_other_with_it(channel: Channel) -> None:
    odd = happening(message={"mid": "m_2", "text": {"bold": "hello"}})
    first, second = channel.normalize(posted(message("one"), odd))
    assert isinstance(first, MessageReceived)
    assert isinstance(second, MessageReceived)
    assert (first.text, second.text, second.message_id) == ("one", "", "m_2")
    assert [file.kind for file in second.attachments] == ["other"]


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps({"object": "instagram", "entry": []}).encode(),
        body(batch({"timestamp": WHEN_MS, "message": {"mid": "m_1"}})),
        body(batch(happening(message={"text": "no id"}))),
        body(batch(happening(postback="no object"))),
        body(batch(*(message("x", f"m_{number}") for number in range(1001)))),
    ],
    ids=["another product", "nobody wrote", "a message without a name", "no object", "too many"],
)
def test_what_meta_does_not_document_is_malformed(channel: Channel, raw: bytes) -> None:
    with pytest.raises(MalformedPayload):
        channel.normalize(received(raw))


def test_an_event_of_another_kind_is_not_even_asked_for_its_shape(channel: Channel) -> None:
    assert channel.normalize(posted({"policy_enforcement": {"action": "block"}})) == ()
