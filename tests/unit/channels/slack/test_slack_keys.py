"""What makes a delivery itself: SEMANTICS section 2, S6, S7, S25, F059, F077."""

import json

import pytest

from channels.inbound import Inbound
from channels.slack.keys import identify
from channels.slack.normalize import normalize
from core.events import MessageReceived
from tests.unit.channels.slack.slack_samples import (
    ACCOUNT,
    SLACK,
    event,
    form_of,
    inbound,
    payload,
    raw,
    sample,
    socket,
)


def test_a_message_is_known_by_its_channel_and_ts():
    key = identify(sample("text_dm.json"))
    assert key.primary == "slack:acme:D0ANNA:1763812800.000100"
    assert key.order == "1763812800.000100"


def test_a_mention_told_twice_has_one_name():
    """S7"""
    message, mention = identify(sample("mention_as_message.json")), identify(sample("mention_as_app_mention.json"))
    assert message == mention


def test_the_first_of_the_two_tells_as_much_as_the_other():
    """S7: whichever comes first, the other one is dropped."""
    message, mention = normalize(sample("mention_as_message.json")), normalize(sample("mention_as_app_mention.json"))
    assert message == mention
    (event,) = message
    assert isinstance(event, MessageReceived)
    assert event.addressed == "direct"


def test_what_is_found_in_the_history_of_a_shared_channel_has_the_name_of_its_event():
    """S2: there the event names the writer's workspace, the history ours. F061."""
    told, found = payload("slack_connect.json"), payload("slack_connect.json")
    found["team_id"] = "T0ACME"
    del found["event_id"]
    assert identify(inbound(told)) == identify(inbound(found))


def test_a_repeated_delivery_has_the_same_name_whatever_its_retry_headers():
    """S6"""
    again = inbound(raw("text_dm.json"), {"x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout"})
    assert identify(again) == identify(sample("text_dm.json"))


def test_the_same_event_over_a_socket_has_the_same_name():
    assert identify(socket("events_api", payload("text_dm.json"))) == identify(sample("text_dm.json"))


@pytest.mark.parametrize(
    ("name", "known_as", "order"),
    [
        ("edited.json", "C0HELP:1763812860.000200:1763812990.000400", "1763812990.000400"),
        ("deleted.json", "D0ANNA:1763812800.000100:1763813000.000500", "1763813000.000500"),
        ("reaction_added.json", "T0ACME:Ev0REACT", "1763813010.000600"),
    ],
)
def test_an_edit_deletion_or_reaction_does_not_hide_its_message(name: str, known_as: str, order: str):
    key = identify(sample(name))
    assert key.primary == f"slack:acme:{known_as}"
    assert key.order == order


@pytest.mark.parametrize("lost", ["ts", "event_ts"])
def test_a_change_that_lacks_a_time_is_known_by_its_event(lost: str):
    """Named by half, it would hide the message or another change of it."""
    edited = payload("edited.json")
    if lost == "ts":
        edited["event"]["message"]["ts"] = edited["event"]["previous_message"]["ts"] = "soon"
    else:
        edited["event"]["ts"] = edited["event"]["event_ts"] = "soon"
    assert identify(inbound(edited)).primary == "slack:acme:T0ACME:Ev0EDIT"


def test_what_is_not_a_persons_new_message_is_known_by_its_event():
    """S9: the notice of a join has a ts of its own, and must never stand for somebody's words."""
    assert identify(event(subtype="channel_join")).primary == "slack:acme:T0ACME:Ev0TALK"


def test_two_accounts_in_one_channel_do_not_hide_each_others_messages():
    first = sample("channel_talk.json")
    other = Inbound(SLACK, type(ACCOUNT)("second"), first.body, first.received_at)
    assert identify(first).primary != identify(other).primary


def test_a_press_is_known_by_message_action_time_and_person():
    """S25"""
    pressed = payload("block_actions.json")
    assert identify(sample("block_actions.json")).primary == (
        "slack:acme:T0ACME:action:1763812920.000100:choice:1:1763813040.123456:U0ANNA"
    )
    pressed["actions"][0]["action_ts"] = "1763813041.000000"
    assert identify(inbound(form_of(pressed))) != identify(sample("block_actions.json"))
    pressed["trigger_id"] = "another"
    assert identify(inbound(form_of(pressed))).primary.endswith("1763813041.000000:U0ANNA")


def test_a_command_is_known_by_its_trigger_and_ordered_by_arrival():
    command = sample("slash_command.form")
    key = identify(command)
    assert key.primary == "slack:acme:T0ACME:trigger:111.444.abc"
    assert key.order == f"{command.received_at.timestamp():.6f}"


def test_an_interaction_without_actions_is_known_by_its_trigger():
    assert identify(sample("view_submission.json")).primary == "slack:acme:T0ACME:trigger:111.333.abc"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"null",
        b'{"type": "event_callback"}',
        b'{"event_id": 5, "event": []}',
        b'{"event": {"type": ["message"], "subtype": {}, "ts": 1}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"payload=%7B",
        b"payload=[]",
        b"payload=" + json.dumps({"type": "block_actions", "actions": [{}]}).encode(),
        b"payload=" + json.dumps({"type": "block_actions", "actions": {}}).encode(),
        b"command=/x",
        b"a=b&" * 2_000,
        b"command=%00&text=%ff",
    ],
    ids=lambda body: f"{body[:24]!a}-{len(body)}",
)
def test_what_cannot_be_read_is_named_by_its_hash(body: bytes):
    """F077: naming never raises."""
    assert identify(inbound(body)).primary.startswith("slack:acme:sha256:")
    assert identify(inbound(body)) == identify(inbound(body))


def test_an_envelope_type_of_tomorrow_is_named_too():
    assert identify(socket("tomorrow", {"trigger_id": "1.2"})).primary == "slack:acme:-:trigger:1.2"


def test_a_ts_that_is_no_time_gives_no_order():
    assert identify(event(ts="soon")).order is None
