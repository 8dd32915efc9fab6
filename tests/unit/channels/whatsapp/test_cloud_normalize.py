"""Meta's webhooks -> events (CHANNELS 3.3)."""

import pytest

from channels.whatsapp.cloud.normalize import identify, normalize
from core.errors import MalformedPayload
from core.events import (
    ChoiceMade,
    DeliveryStatusChanged,
    Event,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
    ReactionChanged,
)
from tests.unit.channels.whatsapp.cloud_kit import (
    NUMBER_ID,
    OUR_NUMBER,
    PERSON,
    USER_ID,
    body,
    change,
    message,
    posted,
    status,
)


def events(content: bytes) -> tuple[Event, ...]:
    return normalize(posted(content), NUMBER_ID)


def one(**fields: object) -> Event:
    (event,) = events(body(change(message(**fields))))
    return event


def test_messages_and_statuses_of_several_changes_become_events_in_order() -> None:
    content = body(change(message("wamid.1"), message("wamid.2")), change(statuses=(status("read"), status("sent"))))
    assert [event.id for event in events(content)] == [
        "wa:main:wamid.1",
        "wa:main:wamid.2",
        "wa:main:wamid.9:read",
        "wa:main:wamid.9:sent",
    ]


def test_a_message_has_one_name_alone_and_a_batch_a_name_of_its_own() -> None:
    alone = identify(posted(body(change(message("wamid.1"))))).primary
    batch = identify(posted(body(change(message("wamid.1"), message("wamid.2"))))).primary
    other = identify(posted(body(change(message("wamid.1"), message("wamid.3"))))).primary
    assert alone == "wa:main:wamid.1"
    assert batch.startswith("whatsapp:main:batch:")
    assert len({alone, batch, other}) == 3


def test_who_hides_their_number_is_answered_by_user_id() -> None:
    event = one(**{"from": None, "from_user_id": USER_ID})
    assert event.conversation_id == f"whatsapp:main:{USER_ID}"
    assert event.address == {"recipient": USER_ID}
    assert event.sender.id == USER_ID


def test_a_message_without_a_sender_is_its_contacts() -> None:
    (event,) = events(body(change(message(**{"from": None}), contacts=[{"user_id": USER_ID}])))
    assert event.address == {"recipient": USER_ID}


def test_a_message_of_nobody_is_malformed() -> None:
    with pytest.raises(MalformedPayload):
        events(body(change(message(**{"from": None}), contacts=[])))


def test_a_number_is_named_as_it_is_with_twilio() -> None:
    event = one()
    assert event.conversation_id == f"whatsapp:main:+{PERSON}"
    assert event.address == {"to": PERSON}
    assert event.sender.display_name == "Ann"
    assert event.sent_at.isoformat() == "2026-11-22T12:00:00+00:00"


def test_the_message_that_is_quoted_is_kept() -> None:
    event = one(context={"from": OUR_NUMBER, "id": "wamid.7"})
    assert isinstance(event, MessageReceived)
    assert event.in_reply_to == "wamid.7"


def test_a_row_of_a_list_and_a_button_of_a_template_give_their_tokens_back() -> None:
    row = {"type": "list_reply", "list_reply": {"id": "token1", "title": "Row", "description": "more"}}
    for fields in ({"type": "interactive", "interactive": row}, {"type": "button", "button": {"payload": "token1"}}):
        event = one(text=None, context={"id": "wamid.7"}, **fields)
        assert isinstance(event, ChoiceMade)
        assert (event.token, event.message_id) == ("token1", "wamid.7")


def test_a_reaction_is_set_or_removed() -> None:
    for emoji, added in (("\U0001f44d", ("\U0001f44d",)), ("", ()), (None, ())):
        event = one(type="reaction", text=None, reaction={"message_id": "wamid.7", "emoji": emoji})
        assert isinstance(event, ReactionChanged)
        assert (event.message_id, event.added) == ("wamid.7", added)


def test_an_edit_names_the_message_and_its_new_text() -> None:
    new = {"type": "text", "text": {"body": "order A-1002"}}
    event = one(type="edit", text=None, edit={"original_message_id": "wamid.1", "message": new})
    assert isinstance(event, MessageEdited)
    assert (event.message_id, event.text) == ("wamid.1", "order A-1002")


def test_a_message_taken_back_names_it() -> None:
    event = one(type="revoke", text=None, revoke={"original_message_id": "wamid.1"})
    assert isinstance(event, MessageDeleted)
    assert event.message_id == "wamid.1"


@pytest.mark.parametrize(("text", "change"), [("Stop", "opted_out"), ("abmelden", "opted_out"), ("START", "opted_in")])
def test_a_word_that_opts_out_or_in_is_heard_before_the_bot(text: str, change: str) -> None:
    """SECURITY section 7; Meta itself acts on no word."""
    event = one(text={"body": text})
    assert isinstance(event, ReachabilityChanged)
    assert (event.change, event.answered_by_platform, event.text) == (change, False, text)


def test_a_stop_word_among_others_is_a_message() -> None:
    assert isinstance(one(text={"body": "please stop the delivery"}), MessageReceived)


@pytest.mark.parametrize(("code", "unreachable"), [(131026, True), (131047, False)])
def test_a_failed_status_says_whether_the_person_can_be_reached(code: int, unreachable: bool) -> None:
    (event,) = events(body(change(statuses=(status("failed") | {"errors": [{"code": code}]},))))
    assert isinstance(event, DeliveryStatusChanged)
    assert event.unreachable is unreachable


def test_media_is_a_reference_and_neither_address_nor_token() -> None:
    image = {
        "id": "654",
        "mime_type": "image/jpeg",
        "url": "https://lookaside.example/?hash=secret",
        "caption": "broken",
    }
    event = one(type="image", text=None, image=image)
    assert isinstance(event, MessageReceived)
    assert event.text == "broken"
    assert event.attachments[0].reference == "media:654"
    assert "lookaside" not in event.model_dump_json()


def test_a_message_of_an_undocumented_shape_does_not_take_the_others_with_it() -> None:
    content = body(change(message("wamid.1", type="text", text="not an object"), message("wamid.2")))
    broken, good = events(content)
    assert isinstance(broken, MessageReceived)
    assert [attachment.details for attachment in broken.attachments] == [{"type": "text"}]
    assert broken.message_id == "wamid.1"
    assert isinstance(good, MessageReceived)
    assert good.text == "hello"


def test_a_status_names_the_send_and_the_conversation_that_we_gave_along() -> None:
    told = status("failed", biz_opaque_callback_data="out1:+49555", errors=[{"code": 131047, "title": "closed"}])
    (event,) = events(body(change(statuses=(told,))))
    assert isinstance(event, DeliveryStatusChanged)
    assert (event.out_id, event.conversation_id, event.error_code) == ("out1", "whatsapp:main:+49555", "131047")
    assert event.window_closed


def test_a_status_of_somebody_elses_send_names_no_send_of_ours() -> None:
    (event,) = events(body(change(statuses=(status("delivered", biz_opaque_callback_data="campaign-7"),))))
    assert isinstance(event, DeliveryStatusChanged)
    assert event.out_id is None
    assert event.conversation_id == f"whatsapp:main:+{PERSON}"


def test_a_group_is_not_answered() -> None:
    event = one(group_id="G1")
    assert isinstance(event, MessageReceived)
    assert event.addressed == "ambient"
    assert event.conversation_id == "whatsapp:main:group:G1"


def test_more_than_a_thousand_things_in_one_body_are_malformed() -> None:
    with pytest.raises(MalformedPayload):
        events(body(change(*(message(f"wamid.{n}") for n in range(1001)))))


def test_what_a_person_may_pick_several_of_may_be_one_of_several() -> None:
    picture = one(type="image", text=None, image={"id": "1", "mime_type": "image/jpeg"})
    voice = one(type="audio", text=None, audio={"id": "1", "mime_type": "audio/ogg", "voice": True})
    assert isinstance(picture, MessageReceived)
    assert isinstance(voice, MessageReceived)
    assert (picture.album, voice.album) == ("", None)
