import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.telegram.normalize import Bot, name_update, normalize
from core.errors import MalformedPayload
from core.events import (
    ChoiceMade,
    CommandGiven,
    ConversationMoved,
    MembershipChanged,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
    ReactionChanged,
)
from core.ids import AccountName
from tests.fakes import START
from tests.unit.channels.telegram.telegram_samples import US, body, events, group_message, message, sample

COMMAND_MARK = [{"type": "bot_command", "offset": 0, "length": 5}]


def the_message(update: Any, bot: Bot = US) -> MessageReceived:
    (event,) = events(update, bot)
    assert isinstance(event, MessageReceived)
    return event


# Names


def test_an_update_is_named_by_its_id_alone() -> None:
    """Two edits in one second have two ids and one place: by that one the later would be lost (ADR 0010)."""
    assert name_update(body(sample("text_private")), "support").primary == "tg:support:9001"
    edited = sample("edited_text")
    once, again = (name_update(body(edited | {"update_id": number}), "support") for number in (1, 2))
    assert once != again


def test_names_order_as_numbers_do_and_a_lower_id_is_just_another_name_t4_f064() -> None:
    high, low = (name_update(body({"update_id": n}), "support") for n in (999_999_999, 5))
    assert high.order is not None
    assert low.order is not None
    assert low.order < high.order
    assert low.primary == "tg:support:5"


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff", b"[" * 100_000, b'{"update_id": true}', b'{"update_id": -1}', b'{"update_id": 1e400}'],
)
def test_unreadable_bytes_are_named_by_their_hash(raw: bytes) -> None:
    names = name_update(raw, "support")
    assert names.primary.startswith("telegram:support:sha256:")
    assert names == name_update(raw, "support")
    assert names != name_update(raw + b" ", "support")


@given(st.binary(max_size=60) | st.builds(lambda n: b'{"update_id": %d}' % n, st.integers()))
def test_naming_never_raises_and_normalizing_raises_only_malformed_payload(raw: bytes) -> None:
    assert name_update(raw, "support").primary
    with contextlib.suppress(MalformedPayload):
        assert isinstance(normalize(raw, US, START), tuple)


# Messages


def test_a_private_message_becomes_a_direct_message() -> None:
    event = the_message(sample("text_private"))
    assert event.id == "tg:support:9001" == event.raw_ref
    assert event.conversation_id == "telegram:support:5001"
    assert event.address == {"chat_id": "5001"}
    assert (event.text, event.addressed, event.automatic) == ("Where is my parcel? 📦", "direct", None)
    assert (event.sender.id, event.sender.display_name, event.locale) == ("5001", "Mira Holt", "de")
    assert (event.sent_at, event.received_at) == (datetime.fromtimestamp(1763800000, UTC), START)


def test_the_same_update_gives_the_same_events() -> None:
    assert events(sample("members_joined")) == events(sample("members_joined"))


def test_a_caption_is_the_text_and_the_largest_photo_the_attachment_t21() -> None:
    event = the_message(sample("photo_with_caption"))
    (photo,) = event.attachments
    assert (event.text, photo.reference, photo.kind, photo.size_bytes) == ("It arrived broken", "large", "image", 90000)
    assert photo.details == {"media_group_id": "13001"}


@pytest.mark.parametrize(
    ("part", "content", "kind", "reference"),
    [
        ("voice", {"file_id": "v", "duration": 3, "mime_type": "audio/ogg"}, "voice", "v"),
        ("audio", {"file_id": "a", "duration": 3}, "audio", "a"),
        ("video", {"file_id": "m", "duration": 3}, "video", "m"),
        ("video_note", {"file_id": "n", "duration": 3}, "video", "n"),
        ("document", {"file_id": "d", "file_name": "bill.pdf"}, "file", "d"),
        ("sticker", {"file_id": "s", "emoji": "🙂"}, "sticker", "s"),
        ("location", {"latitude": 52.5, "longitude": 13.4}, "location", "geo:52.5,13.4"),
        ("contact", {"phone_number": "+49301", "first_name": "Ola", "user_id": 7}, "contact", "tel:+49301"),
        ("dice", {"emoji": "🎲", "value": 3}, "other", "dice"),
    ],
)
def test_every_kind_of_content_is_an_attachment_without_text(
    part: str, content: dict[str, Any], kind: str, reference: str
) -> None:
    event = the_message(message(text=None, **{part: content}))
    (attachment,) = event.attachments
    assert (event.text, attachment.kind, attachment.reference) == ("", kind, reference)


def test_an_animation_that_comes_as_a_document_too_counts_once() -> None:
    file = {"file_id": "g", "mime_type": "video/mp4"}
    assert len(the_message(message(text=None, animation=file, document=file)).attachments) == 1


def test_a_venue_keeps_its_name_and_a_live_location_its_period() -> None:
    place = {"latitude": 1.0, "longitude": 2.0, "live_period": 60}
    (found,) = the_message(message(text=None, location=place, venue={"title": "Shop", "address": "1 Way"})).attachments
    assert found.details == {
        "latitude": 1.0,
        "longitude": 2.0,
        "live_period_s": 60,
        "title": "Shop",
        "address": "1 Way",
    }


def test_a_contact_that_is_no_user_has_no_id() -> None:
    (card,) = the_message(message(text=None, contact={"phone_number": "+49301", "first_name": "Ola"})).attachments
    assert card.details == {"phone_number": "+49301", "name": "Ola"}


@pytest.mark.parametrize(
    "quiet",
    [{"pinned_message": {}}, {"group_chat_created": True}],
)
def test_notices_give_nothing_t10(quiet: dict[str, Any]) -> None:
    assert events(message(text=None, **quiet)) == ()


@pytest.mark.parametrize(
    "kind", ["channel_post", "edited_channel_post", "business_message", "guest_message", "chat_boost", "brand_new_kind"]
)
def test_kinds_of_updates_that_we_do_not_handle_give_nothing_t7(kind: str) -> None:
    assert events({"update_id": 1, kind: sample("text_private")["message"]}) == ()
    assert events(sample("poll")) == ()


@pytest.mark.parametrize(
    "broken",
    [
        message(date="yesterday"),
        message(date=10**15),
        message(message_id=None),
        message(chat={"id": 2**60, "type": "private"}),
        message(entities=[{"type": "mention", "offset": -1, "length": 2}]),
        {"update_id": "9001"},
        {},
    ],
)
def test_a_payload_without_what_is_promised_is_malformed_and_its_words_stay_out_of_the_error(broken: Any) -> None:
    with pytest.raises(MalformedPayload) as refused:
        events(broken)
    assert "parcel" not in str(refused.value)
    assert refused.value.__cause__ is None


# Who is meant, and who wrote


def test_people_in_a_group_talk_to_each_other_unless_they_name_us() -> None:
    mention = [{"type": "mention", "offset": 3, "length": 9}]
    by_name = [{"type": "text_mention", "offset": 0, "length": 2, "user": {"id": 4242}}]
    assert the_message(group_message(text="hello")).addressed == "ambient"
    assert the_message(group_message(text="😀 @Desk_Bot hi", entities=mention)).addressed == "direct"
    assert the_message(group_message(text="😀 @else_bot hi", entities=mention)).addressed == "ambient"
    assert the_message(group_message(text="hi", entities=by_name)).addressed == "direct"
    assert (
        the_message(group_message(text="😀 @desk_bot hi", entities=mention), Bot(US.account, 4242)).addressed
        == "ambient"
    )


@pytest.mark.parametrize(("author", "addressed"), [(4242, "direct"), (5002, "ambient")])
def test_a_reply_to_us_is_meant_for_us(author: int, addressed: str) -> None:
    event = the_message(group_message(reply_to_message={"message_id": 30, "from": {"id": author}}))
    assert (event.addressed, event.in_reply_to) == (addressed, "30")


def test_a_group_is_answered_by_pointing_at_the_message() -> None:
    assert the_message(group_message()).address == {"chat_id": "-1001", "reply_to": "31"}


def test_a_forum_topic_is_a_conversation_and_its_opening_notice_no_reply() -> None:
    event = the_message(sample("forum_topic_message"))
    assert event.conversation_id == "telegram:support:-1001:60"
    assert event.address == {"chat_id": "-1001", "message_thread_id": "60", "reply_to": "61"}
    assert (event.in_reply_to, event.addressed) == (None, "ambient")


def test_a_thread_that_is_no_topic_stays_in_its_chat() -> None:
    assert the_message(group_message(message_thread_id=12)).conversation_id == "telegram:support:-1001"


def test_a_chat_that_speaks_in_its_own_name_is_no_customer_and_gives_no_command_t28() -> None:
    event = the_message(sample("anonymous_admin"))
    assert (event.sender.id, event.sender.display_name, event.automatic) == ("chat:-1001", None, "bot")


@pytest.mark.parametrize("fake", [1087968824, 136817688, 777000])
def test_stand_in_users_are_automatic_t28(fake: int) -> None:
    sender = {"id": fake, "is_bot": False, "first_name": "x"}
    assert the_message(group_message(**{"from": sender})).automatic == "bot"


def test_bots_are_automatic_and_we_are_ourselves_f067() -> None:
    assert the_message(message(**{"from": {"id": 1, "is_bot": True}})).automatic == "bot"
    assert the_message(message(**{"from": {"id": 4242, "is_bot": True}})).automatic == "self"
    assert the_message(message(**{"from": None})).automatic == "bot"


# Commands


def test_a_start_link_carries_its_payload_t17() -> None:
    (event,) = events(sample("command_start_payload"))
    assert isinstance(event, CommandGiven)
    assert (event.name, event.arguments) == ("start", "order-A1042")


@pytest.mark.parametrize(
    ("text", "length", "heard"),
    [("/Help@DESK_bot now", 14, ["help"]), ("/help@other_bot", 15, []), ("/help", 5, ["help"])],
)
def test_commands_of_other_bots_are_ignored_t17(text: str, length: int, heard: list[str]) -> None:
    mark = [{"type": "bot_command", "offset": 0, "length": length}]
    found = events(group_message(text=text, entities=mark))
    assert [event.name for event in found if isinstance(event, CommandGiven)] == heard
    assert len(found) == len(heard)


def test_without_a_configured_username_a_named_command_counts_only_in_a_private_chat() -> None:
    nameless = Bot(AccountName("support"), id=4242)
    mark = [{"type": "bot_command", "offset": 0, "length": 14}]
    parts = {"text": "/help@desk_bot", "entities": mark}
    assert len(events(message(**parts), nameless)) == 1
    assert events(group_message(**parts), nameless) == ()


@pytest.mark.parametrize(
    "parts",
    [
        {"text": "see /help", "entities": [{"type": "bot_command", "offset": 4, "length": 5}]},
        {"text": "/help"},
        {"text": "//help", "entities": COMMAND_MARK},
    ],
    ids=["not at the start", "not marked", "not shaped like one"],
)
def test_only_what_telegram_marks_at_the_start_is_a_command_t17(parts: dict[str, Any]) -> None:
    assert the_message(message(**parts)).text == parts["text"]


@pytest.mark.parametrize(
    ("parts", "quoted"),
    [
        ({"reply_to_message": {"message_id": 7, "text": "A-1001 is under way"}}, "A-1001 is under way"),
        ({"reply_to_message": {"message_id": 7, "text": "a long text"}, "quote": {"text": "long"}}, "long"),
        ({"reply_to_message": {"message_id": 7, "caption": "a picture"}}, "a picture"),
        ({"reply_to_message": {"message_id": 7, "forum_topic_created": {}, "text": "no"}}, None),
    ],
)
def test_a_reply_tells_what_it_quotes(parts: dict[str, Any], quoted: str | None) -> None:
    found = the_message(message(text="when?", **parts))
    assert (found.quoted, found.is_quote) == (quoted, quoted is not None)


# Edits, buttons, standings, reactions


def test_a_group_that_becomes_a_supergroup_is_told_in_both_chats_t10() -> None:
    group = {"id": -5, "type": "group"}
    (gone,) = events(message(text=None, chat=group, migrate_to_chat_id=-1005))
    assert isinstance(gone, ConversationMoved)
    assert (gone.conversation_id, gone.goes_to) == ("telegram:support:-5", "telegram:support:-1005")
    assert gone.address == {"chat_id": "-1005"}
    (come,) = events(message(text=None, chat={"id": -1005, "type": "supergroup"}, migrate_from_chat_id=-5))
    assert isinstance(come, ConversationMoved)
    assert (come.conversation_id, come.came_from) == ("telegram:support:-1005", "telegram:support:-5")
    assert come.address == {"chat_id": "-1005"}


def test_new_words_are_an_edit() -> None:
    (event,) = events(sample("edited_text"))
    assert isinstance(event, MessageEdited)
    assert (event.message_id, event.text, event.automatic) == ("31", "Where is my second parcel?", None)
    assert event.sent_at == datetime.fromtimestamp(1763800090, UTC)


def test_an_edit_in_a_group_is_meant_for_us_only_where_it_names_us_t18() -> None:
    group = {"id": -1001, "type": "supergroup", "title": "Team"}
    edit = sample("edited_text")
    edit["edited_message"] |= {"chat": group}
    (event,) = events(edit)
    assert isinstance(event, MessageEdited)
    assert event.addressed == "ambient"


def test_a_moving_live_location_and_changed_buttons_are_no_edits_t20() -> None:
    assert events(sample("live_location_moved")) == ()
    edit = sample("edited_text")
    edit["edited_message"]["reply_markup"] = {"inline_keyboard": []}
    assert events(edit) == ()


def test_a_press_is_a_choice_that_can_be_answered() -> None:
    (event,) = events(sample("callback_query"))
    assert isinstance(event, ChoiceMade)
    assert (event.token, event.label, event.message_id) == ("c_refund01", "Refund", "40")
    assert event.address == {"chat_id": "5001", "callback_id": "770011"}
    assert event.sent_at == START


def test_a_press_on_a_forgotten_message_still_knows_its_chat_t15() -> None:
    (event,) = events(sample("callback_query_inaccessible"))
    assert isinstance(event, ChoiceMade)
    assert (event.conversation_id, event.label) == ("telegram:support:-1001", None)


def test_a_press_without_a_message_belongs_to_the_private_chat_t15() -> None:
    (event,) = events(sample("callback_query_without_message"))
    assert isinstance(event, ChoiceMade)
    assert (event.conversation_id, event.message_id) == ("telegram:support:5001", None)


def test_a_press_in_a_topic_stays_there() -> None:
    press = sample("callback_query")
    press["callback_query"]["message"] |= {"message_thread_id": 60, "is_topic_message": True}
    assert events(press)[0].conversation_id == "telegram:support:5001:60"


def test_a_press_without_data_is_a_game_and_gives_nothing() -> None:
    press = sample("callback_query")
    del press["callback_query"]["data"]
    assert events(press) == ()


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [("member", "kicked", "blocked"), ("kicked", "member", "unblocked"), ("member", "member", None)],
)
def test_blocking_and_coming_back_are_told_in_a_private_chat_t9(old: str, new: str, change: str | None) -> None:
    update = sample("blocked")
    update["my_chat_member"]["old_chat_member"]["status"] = old
    update["my_chat_member"]["new_chat_member"]["status"] = new
    assert [event.change for event in events(update) if isinstance(event, ReachabilityChanged)] == (
        [change] if change else []
    )


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ({"status": "left"}, {"status": "administrator"}, "joined"),
        ({"status": "member"}, {"status": "kicked"}, "left"),
        ({"status": "restricted", "is_member": True}, {"status": "left"}, "left"),
        ({"status": "restricted"}, {"status": "left"}, None),
        ({"status": "member"}, {"status": "administrator"}, None),
    ],
)
def test_our_own_coming_and_going_is_told_in_a_group(
    old: dict[str, Any], new: dict[str, Any], change: str | None
) -> None:
    update = sample("bot_added_to_group")
    update["my_chat_member"]["old_chat_member"] |= old
    update["my_chat_member"]["new_chat_member"] |= new
    found = [event for event in events(update) if isinstance(event, MembershipChanged)]
    assert [(event.change, event.is_us, event.member_id) for event in found] == (
        [(change, True, "4242")] if change else []
    )


def test_each_new_member_is_an_event_with_a_name_of_its_own_and_we_are_told_elsewhere() -> None:
    found = events(sample("members_joined"))
    assert [(e.id, e.member_id, e.change) for e in found if isinstance(e, MembershipChanged)] == [
        ("tg:support:9010", "5002", "joined"),
        ("tg:support:9010:2", "5003", "joined"),
    ]


def test_a_member_who_left_is_told() -> None:
    (event,) = events(group_message(text=None, left_chat_member={"id": 5002, "first_name": "Ola"}))
    assert isinstance(event, MembershipChanged)
    assert (event.change, event.member_id, event.is_us) == ("left", "5002", False)


def test_reactions_tell_what_was_added_and_removed() -> None:
    (event,) = events(sample("reaction"))
    assert isinstance(event, ReactionChanged)
    assert (event.added, event.removed, event.message_id) == (("🔥", "custom:5312"), ("👍",), "40")


def test_anonymous_and_unchanged_reactions_give_nothing() -> None:
    anonymous, same = sample("reaction"), sample("reaction")
    del anonymous["message_reaction"]["user"]
    same["message_reaction"]["new_reaction"] = same["message_reaction"]["old_reaction"]
    assert events(anonymous) == () == events(same)


def test_the_messages_of_an_album_say_so_t19() -> None:
    """T19: one `media_group_id`, each its own update, the caption usually on the first only."""
    photo = [{"file_id": "small"}, {"file_id": "large"}]
    found = the_message(message(text=None, photo=photo, media_group_id="137", caption="my lid"))
    assert (found.album, found.text, found.attachments[0].reference) == ("137", "my lid", "large")
    assert the_message(message(text=None, photo=photo)).album is None
