"""Slack's payloads into events: S2, S9 to S18, S20 to S26."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.inbound import Inbound
from channels.slack.normalize import normalize
from core.errors import MalformedPayload
from core.events import (
    EVENT_ADAPTER,
    ChoiceMade,
    CommandGiven,
    ConversationOpened,
    Event,
    MembershipChanged,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
    ReactionChanged,
)
from tests.unit.channels.slack.slack_samples import event, form_of, inbound, payload, sample, socket


def only(inbound: Inbound) -> Event:
    (found,) = normalize(inbound)
    return found


def message(inbound: Inbound) -> MessageReceived:
    found = only(inbound)
    assert isinstance(found, MessageReceived)
    return found


def test_a_direct_message_is_meant_for_us_and_belongs_to_its_person():
    found = message(sample("text_dm.json"))
    assert found.text == "Where is my order A-1042? R&D asked <twice> 🙂"
    assert found.conversation_id == "slack:acme:U0ANNA"
    assert found.address == {"channel": "D0ANNA", "user": "U0ANNA"}
    assert (found.addressed, found.automatic, found.message_id) == ("direct", None, "1763812800.000100")
    assert found.sent_at == datetime.fromtimestamp(1763812800.0001, UTC)
    assert found.id == found.raw_ref == "slack:acme:D0ANNA:1763812800.000100"
    assert found.adapter == "slack/1"


def test_a_thread_inside_a_direct_message_is_a_conversation_of_its_own():
    found = message(event("text_dm.json", ts="1763812999.000100", thread_ts="1763812800.000100"))
    assert found.conversation_id == "slack:acme:U0ANNA:1763812800.000100"
    assert found.address["thread_ts"] == "1763812800.000100"


@pytest.mark.parametrize(
    "author",
    [
        {"user": "U0DESK", "bot_id": "B0DESK", "app_id": "A0DESK"},
        {"user": None, "bot_id": "B0DESK", "subtype": "bot_message"},
        {"user": "USLACKBOT"},
    ],
    ids=["we ourselves", "a classic bot", "slack"],
)
def test_what_a_machine_says_in_direct_messages_tells_no_person_and_is_nothing(author: dict[str, Any]):
    assert normalize(event("text_dm.json", **author)) == ()


def test_a_group_of_people_is_a_channel_and_not_a_direct_message():
    found = message(event("text_dm.json", channel="G0GROUP", channel_type="mpim"))
    assert (found.conversation_id, found.addressed) == ("slack:acme:G0GROUP:1763812800.000100", "ambient")


@pytest.mark.parametrize("name", ["mention_as_message.json", "mention_as_app_mention.json"])
def test_a_mention_is_meant_for_us_and_starts_a_thread(name: str):
    """S7, S13"""
    found = message(sample(name))
    assert (found.text, found.addressed) == ("my laptop is broken", "direct")
    assert found.conversation_id == "slack:acme:C0HELP:1763812800.000100"
    assert found.address == {"channel": "C0HELP", "user": "U0ANNA", "thread_ts": "1763812800.000100"}


def test_a_reply_belongs_to_the_conversation_of_its_threads_first_message():
    """S13: the answer goes below the parent, never below a reply."""
    found = message(sample("thread_reply.json"))
    assert found.conversation_id == "slack:acme:C0HELP:1763812800.000100"
    assert (found.addressed, found.in_reply_to) == ("thread", "1763812800.000100")
    assert found.address["thread_ts"] == "1763812800.000100"


def test_people_talking_to_each_other_are_not_talking_to_us():
    assert message(sample("channel_talk.json")).addressed == "ambient"


def test_a_parent_that_has_replies_is_no_reply():
    """S13: thread_ts equal to ts."""
    found = message(event(thread_ts="1763812900.000300"))
    assert (found.addressed, found.in_reply_to) == ("ambient", None)


def test_files_are_named_by_id_and_never_by_an_address():
    """S15"""
    found = message(sample("file_share.json"))
    assert [(file.reference, file.kind, file.name) for file in found.attachments] == [
        ("F0SHOT", "image", "screen.png"),
        ("F0VOICE", "voice", None),
    ]
    assert "files.slack.com" not in found.model_dump_json()


@pytest.mark.parametrize(
    ("name", "automatic"), [("own_message.json", "self"), ("other_bot.json", "bot"), ("classic_bot.json", "bot")]
)
def test_what_a_machine_wrote_is_marked(name: str, automatic: str):
    """S11, S12, F067: modern bots have a user and no subtype, classic ones the other way round."""
    assert message(sample(name)).automatic == automatic


@pytest.mark.parametrize(
    ("fields", "automatic"),
    [
        ({"user": "U0DESK"}, "self"),
        ({"user": "USLACKBOT"}, "bot"),
        ({"user": "USLACK"}, "bot"),
        ({"bot_id": "B1"}, "bot"),
        ({"bot_id": "B1", "app_id": "A0DESK"}, "self"),
        ({"bot_profile": {"app_id": "A0OTHER"}}, "bot"),
        ({"subtype": "bot_message", "bot_id": "B1"}, "bot"),
        ({}, None),
    ],
)
def test_the_author_decides_who_is_a_machine(fields: dict[str, Any], automatic: str | None):
    assert message(event(**fields)).automatic == automatic


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast", "me_message"])
def test_these_subtypes_are_messages_of_people(subtype: str):
    """S9"""
    assert message(event(subtype=subtype)).automatic is None


@pytest.mark.parametrize(
    "subtype",
    [
        "channel_join",
        "channel_leave",
        "channel_topic",
        "channel_archive",
        "message_replied",
        "assistant_app_thread",
        "a_subtype_of_next_year",
    ],
)
def test_every_other_subtype_is_nothing(subtype: str):
    """S9"""
    assert normalize(event(subtype=subtype)) == ()


def test_an_edit_keeps_the_conversation_of_its_message():
    found = only(sample("edited.json"))
    assert isinstance(found, MessageEdited)
    assert found.text == "my laptop (https://example.org/l1) is fine"
    assert (found.message_id, found.sender.id) == ("1763812860.000200", "U0ANNA")
    assert found.conversation_id == "slack:acme:C0HELP:1763812800.000100"


def edit(**fields: Any) -> Inbound:
    envelope = payload("edited.json")
    envelope["event"]["message"] |= fields
    return inbound(envelope)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "my laptop is broken"},
        {"bot_id": "B0DESK"},
        {"user": "U0DESK"},
        {"subtype": "bot_message"},
        {"user": None},
    ],
    ids=["an unfurled link", "a bot", "we ourselves", "a classic bot", "nobody"],
)
def test_an_edit_that_no_person_made_is_nothing(fields: dict[str, Any]):
    """S10"""
    assert normalize(edit(**fields)) == ()


US = "<@U0DESK>"


@pytest.mark.parametrize(
    ("old", "new", "was", "is_now"),
    [
        ("at noon?", f"{US} at noon?", "ambient", "direct"),
        (f"{US} at noon?", "at noon?", "direct", "ambient"),
        ("at noon?", "at one?", "ambient", "ambient"),
    ],
)
def test_an_edit_tells_whom_the_message_was_and_is_meant_for(old: str, new: str, was: str, is_now: str):
    """S10: `message_changed` carries both texts."""
    envelope = payload("edited.json")
    for name, text in (("message", new), ("previous_message", old)):
        envelope["event"][name] |= {"text": text, "thread_ts": None}
    found = only(inbound(envelope))
    assert isinstance(found, MessageEdited)
    assert (found.was_addressed, found.addressed) == (was, is_now)


def test_a_deletion_tells_whom_the_message_was_meant_for():
    envelope = payload("deleted.json")
    envelope["event"] |= {"channel": "C0HELP", "channel_type": "channel"}
    found = only(inbound(envelope))
    assert isinstance(found, MessageDeleted)
    assert found.addressed == "ambient"


def told(**fields: Any) -> tuple[Event, ...]:
    envelope = payload("text_dm.json")
    envelope["event"] = {"event_ts": "1763812900.000100", **fields}
    return normalize(inbound(envelope))


def test_a_person_whose_account_is_deactivated_is_gone():
    """CHANNELS 1.5: sends would end in user_not_found."""
    (found,) = told(type="user_change", user={"id": "U0ANNA", "deleted": True, "name": "anna"})
    assert isinstance(found, ReachabilityChanged)
    assert (found.change, found.conversation_id) == ("gone", "slack:acme:U0ANNA")
    assert told(type="user_change", user={"id": "U0ANNA", "deleted": False}) == ()


@pytest.mark.parametrize("kind", ["channel_left", "group_left"])
def test_that_we_were_removed_from_a_channel_is_told(kind: str):
    (found,) = told(type=kind, channel="C0HELP")
    assert isinstance(found, MembershipChanged)
    assert (found.change, found.is_us, found.conversation_id) == ("left", True, "slack:acme:C0HELP")


def test_a_deletion_names_its_message():
    found = only(sample("deleted.json"))
    assert isinstance(found, MessageDeleted)
    assert (found.message_id, found.conversation_id) == ("1763812800.000100", "slack:acme:U0ANNA")


def test_the_deletion_of_a_message_with_replies_is_told_as_a_tombstone():
    found = only(edit(subtype="tombstone", user="USLACKBOT", text="This message was deleted."))
    assert isinstance(found, MessageDeleted)
    assert (found.message_id, found.sender.id) == ("1763812860.000200", "U0ANNA")


def tombstone_of_nobody(**fields: Any) -> Inbound:
    """Return a deletion that does not tell whose message it was; Slack writes an empty message as a list."""
    tombstone = {"subtype": "tombstone", "user": "USLACKBOT", "ts": "1763812800.000100"}
    return event("edited.json", message=tombstone, previous_message=[], **fields)


def test_a_deletion_without_author_is_carried_out_in_a_channel():
    found = only(tombstone_of_nobody())
    assert isinstance(found, MessageDeleted)
    assert (found.message_id, found.sender.id) == ("1763812800.000100", "unknown")
    assert found.conversation_id == "slack:acme:C0HELP:1763812800.000100"


def test_a_deletion_without_author_tells_no_person_in_direct_messages_and_is_nothing():
    assert normalize(tombstone_of_nobody(channel="D0ANNA", channel_type="im")) == ()
    assert normalize(event("deleted.json", previous_message=None)) == ()


def test_the_deletion_of_a_bots_message_is_nothing():
    envelope = payload("deleted.json")
    envelope["event"]["previous_message"]["bot_id"] = "B0DESK"
    assert normalize(inbound(envelope)) == ()


@pytest.mark.parametrize(
    ("kind", "added", "removed"), [("reaction_added", ("thumbsup",), ()), ("reaction_removed", (), ("thumbsup",))]
)
def test_a_reaction_names_its_message(kind: str, added: tuple[str, ...], removed: tuple[str, ...]):
    found = only(event("reaction_added.json", type=kind))
    assert isinstance(found, ReactionChanged)
    assert (found.added, found.removed, found.message_id) == (added, removed, "1763812800.000100")
    assert found.conversation_id == "slack:acme:C0HELP:1763812800.000100"


def test_a_reaction_in_direct_messages_belongs_to_its_person():
    item = {"type": "message", "channel": "D0ANNA", "ts": "1763812800.000100"}
    assert only(event("reaction_added.json", item=item)).conversation_id == "slack:acme:U0ANNA"


def test_a_reaction_on_a_file_or_of_our_own_is_nothing():
    assert normalize(event("reaction_added.json", item={"type": "file", "file": "F1"})) == ()
    assert normalize(event("reaction_added.json", user="U0DESK")) == ()


@pytest.mark.parametrize(
    ("kind", "user", "change", "is_us"),
    [("member_joined_channel", "U0DESK", "joined", True), ("member_left_channel", "U0ANNA", "left", False)],
)
def test_joining_and_leaving_are_told(kind: str, user: str, change: str, is_us: bool):
    found = only(event("member_joined.json", type=kind, user=user))
    assert isinstance(found, MembershipChanged)
    assert (found.member_id, found.change, found.is_us) == (user, change, is_us)


def test_opening_the_messages_tab_opens_the_conversation_and_the_home_tab_does_not():
    """S16"""
    found = only(sample("home_messages.json"))
    assert isinstance(found, ConversationOpened)
    assert found.conversation_id == "slack:acme:U0ANNA"
    assert found.address == {"channel": "D0ANNA", "user": "U0ANNA"}
    assert normalize(event("home_messages.json", tab="home")) == ()


def test_a_shared_channel_is_known_by_its_channel_whichever_workspace_wrote():
    """S2"""
    found = message(sample("slack_connect.json"))
    assert found.conversation_id == "slack:acme:C0SHARED:1763812800.000100"
    assert (found.sender.id, found.addressed, found.text) == ("U0GUEST", "direct", "from the other side")


def press(**changes: Any) -> Inbound:
    return inbound(form_of(payload("block_actions.json") | changes))


def test_a_press_gives_our_token_back():
    found = only(sample("block_actions.json"))
    assert isinstance(found, ChoiceMade)
    assert (found.token, found.label, found.message_id) == ("tok-laptop", "Laptop", "1763812920.000100")
    assert found.conversation_id == "slack:acme:C0HELP:1763812800.000100"
    assert found.sender.display_name == "anna"
    assert found.address == {"channel": "C0HELP", "user": "U0ANNA", "thread_ts": "1763812800.000100"}


def test_no_secret_of_a_payload_gets_into_an_event():
    assert "hooks.slack.com" not in only(sample("block_actions.json")).model_dump_json()
    assert "hooks.slack.com" not in only(sample("slash_command.form")).model_dump_json()


def test_a_press_over_a_socket_is_the_same_event():
    assert normalize(socket("interactive", payload("block_actions.json"))) == normalize(sample("block_actions.json"))


def test_a_pick_from_a_list_is_a_choice():
    option = {"text": {"type": "plain_text", "text": "Two"}, "value": "tok-2"}
    found = only(press(actions=[{"type": "static_select", "action_id": "a", "selected_option": option}]))
    assert isinstance(found, ChoiceMade)
    assert (found.token, found.label) == ("tok-2", "Two")


def test_two_used_elements_are_two_choices_with_names_of_their_own():
    actions = [{"action_id": "a", "value": "1", "action_ts": "1763813040.1"}, {"action_id": "b", "value": "2"}]
    first, second = normalize(press(actions=actions))
    assert second.id == f"{first.id}:1"


def test_a_button_without_value_says_nothing():
    assert normalize(press(actions=[{"type": "button", "action_id": "open", "url": "https://example.org"}])) == ()


def test_a_press_on_an_ephemeral_message_has_no_message():
    """S24"""
    changed = payload("block_actions.json")
    del changed["message"]
    changed["container"] |= {"is_ephemeral": True}
    assert only(inbound(form_of(changed))).conversation_id == "slack:acme:C0HELP:1763812800.000100"


def test_a_press_in_a_modal_is_nothing():
    """S23: a modal has no channel."""
    changed = payload("block_actions.json") | {"container": {"type": "view", "view_id": "V1"}}
    del changed["channel"], changed["message"]
    assert normalize(inbound(form_of(changed))) == ()


def command(**fields: str) -> Inbound:
    given = {"command": "/support", "user_id": "U0ANNA", "channel_id": "C0HELP", "trigger_id": "1.2.x"}
    return socket("slash_commands", given | fields)


def test_a_command_belongs_to_the_direct_messages_of_its_person_and_is_answered_there():
    """S26"""
    found = only(sample("slash_command.form"))
    assert isinstance(found, CommandGiven)
    assert (found.name, found.arguments) == ("support", "I want R&D @frontdesk café 🙂")
    assert found.conversation_id == "slack:acme:U0ANNA"
    assert found.address == {"channel": "U0ANNA", "user": "U0ANNA"}
    assert found.sent_at == found.received_at


@pytest.mark.parametrize("channel", ["C0HELP", "D0ANNA", "D0OF_TWO_OTHERS", "G0GROUP"])
def test_it_does_not_matter_where_a_command_is_typed(channel: str):
    """In the direct messages of two other people we could not post."""
    assert normalize(command(channel_id=channel)) == normalize(command())


def test_what_is_typed_or_pressed_after_a_command_goes_on_with_its_conversation():
    container = {"channel_id": "D0ANNA", "message_ts": "1763812920.000100"}
    answer = {"ts": "1763812920.000100", "user": "U0DESK"}
    pressed = only(press(channel={"id": "D0ANNA"}, container=container, message=answer))
    typed, asked = only(sample("text_dm.json")), only(command())
    assert asked.conversation_id == typed.conversation_id == pressed.conversation_id == "slack:acme:U0ANNA"
    assert pressed.address == typed.address == {"channel": "D0ANNA", "user": "U0ANNA"}


def test_a_press_in_a_thread_of_direct_messages_belongs_to_that_thread():
    container = {"channel_id": "D0ANNA", "message_ts": "1763812920.000100", "thread_ts": "1763812800.000100"}
    found = only(press(channel={"id": "D0ANNA"}, container=container, message=None))
    assert found.conversation_id == "slack:acme:U0ANNA:1763812800.000100"
    assert found.address["thread_ts"] == "1763812800.000100"


@pytest.mark.parametrize(
    "body",
    [
        {"type": "url_verification", "challenge": "x"},
        {"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1518467820},
    ],
)
def test_an_envelope_without_event_is_nothing(body: dict[str, Any]):
    """S3, S8"""
    assert normalize(inbound(body)) == ()


def test_what_we_do_not_know_is_nothing():
    assert normalize(sample("unknown_event.json")) == ()
    assert normalize(sample("view_submission.json")) == ()
    assert normalize(socket("tomorrow", {})) == ()
    assert normalize(event("unknown_event.json", type="tokens_revoked", tokens={"bot": ["U0DESK"]})) == ()


BROKEN = [
    inbound(b""),
    inbound(b"\xff"),
    inbound(b"{"),
    inbound(b"[]"),
    inbound(b"[" * 100_000),
    inbound(b'{"a": NaN}'),
    inbound(b"payload=no"),
    inbound(b"nothing=here"),
    inbound(b"%ff%fe=1;2"),
    inbound(b"command=/x"),
    inbound(b"command=/&user_id=U1&channel_id=C1"),
    inbound({}),
    inbound({"type": "event_callback"}),
    inbound({"type": "event_callback", "event": "message"}),
    inbound({"type": "event_callback", "event": {}}),
    inbound({"type": "event_callback", "authorizations": [None], "event": {"type": "message"}}),
    inbound(form_of({})),
    inbound(form_of({"type": "block_actions"})),
    inbound(form_of({"type": "block_actions", "user": {"id": "U1"}, "actions": [5]})),
    event(channel=["C1"]),
    event(ts=None),
    event(ts="soon"),
    event(ts="999999999999.000000"),
    event(user=None),
    event(files=[{}]),
    event("edited.json", message=None),
    event("edited.json", message={"user": "U1", "text": "x"}, previous_message={}),
    event("deleted.json", deleted_ts=None, previous_message={"user": "U1"}),
    event("deleted.json", ts=None),
    event("reaction_added.json", item=None),
    event("reaction_added.json", event_ts="x"),
    event("member_joined.json", channel={"id": "C1"}),
    event("home_messages.json", user=None),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken.body[-70:]!a}")
def test_a_payload_without_what_slack_promises_is_malformed(broken: Inbound):
    """F077"""
    with pytest.raises(MalformedPayload):
        normalize(broken)


def test_a_number_where_slack_promises_an_id_counts_as_its_text():
    assert message(event(user=7)).sender.id == "7"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["type", "subtype", "user", "text", "ts", "channel", "thread_ts", "files", "message", "previous_message"]
FIELDS += ["item", "reaction", "event_ts", "bot_profile", "tab"]
SAMPLES = [
    "text_dm.json",
    "edited.json",
    "deleted.json",
    "reaction_added.json",
    "member_joined.json",
    "home_messages.json",
]


@given(st.sampled_from(SAMPLES), st.sampled_from(FIELDS), JSON)
def test_no_value_anywhere_makes_it_crash(name: str, field: str, value: Any):
    """F077: events or MalformedPayload, nothing else."""
    envelope = payload(name)
    envelope["event"][field] = value
    try:
        found = normalize(inbound(json.dumps(envelope).encode()))
    except MalformedPayload:
        return
    for one in found:
        assert EVENT_ADAPTER.validate_json(one.model_dump_json()) == one


def test_several_files_of_one_message_are_one_event_already():
    """S9: `file_share` is a user message with `files[]`."""
    files = [{"id": f"F{number}", "mimetype": "image/png"} for number in range(3)]
    (found,) = normalize(event("file_share.json", files=files))
    assert isinstance(found, MessageReceived)
    assert [file.reference for file in found.attachments] == ["F0", "F1", "F2"]
    assert found.album is None
