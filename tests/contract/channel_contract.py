"""What every channel promises. One thin subclass per channel; each says how its platform looks.

A subclass gives the payloads, as the platform would send them, and a `channel` fixture. The rest is asked here, once.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Channel, Gap
from channels.inbound import Inbound
from core.errors import MalformedPayload
from core.events import EVENT_ADAPTER, ChoiceMade, Event, MessageReceived
from core.replies import ApiCall, Choice, Reply
from tests.fakes import START


class SomeWords:
    """Satisfies `core.ports.Words` with one block of text, escaped as the hub would."""

    def __init__(self, channel: Channel, text: str, **blocks: str) -> None:
        self._blocks = {"text": channel.escapes["text"](text)} | blocks

    def block(self, name: str) -> str:
        return self._blocks[name]

    def has(self, name: str) -> bool:
        return name in self._blocks


LONG_WORDS = [f"word{number}" for number in range(6000)]
"""Longer than any channel takes in one message."""

CHOICES = tuple(Choice(token=f"token{n}", label=f"Label number {n}", value=f"v{n}") for n in range(3))


class ChannelContract:
    """Subclass this as `TestX`, with a fixture `channel` and the payloads of your platform."""

    has_buttons: ClassVar[bool] = True
    """False where choices become a numbered list."""

    def message(self, text: str, name: str = "1") -> Inbound:
        """Return a direct message of a person; the same name means the same delivery."""
        raise AssertionError("each channel gives its own")

    def from_ourselves(self) -> Inbound | None:
        """Return what our own message looks like when it comes back; None where that cannot be."""
        raise AssertionError("each channel gives its own")

    def unknown_update(self) -> Inbound | None:
        """Return an authentic payload of a kind that we do not handle; None where every payload is a message."""
        raise AssertionError("each channel gives its own")

    def button_press(self, token: str) -> Inbound | None:
        """Return the press of a button that carries this token; None where there are no buttons."""
        raise AssertionError("each channel gives its own")

    def text_of(self, calls: tuple[ApiCall, ...]) -> str:
        """Return all words of rendered calls, as a person would read them."""
        raise AssertionError("each channel gives its own")

    # what is promised

    def test_a_message_becomes_one_event_with_our_names(self, channel: Channel) -> None:
        (event,) = channel.normalize(self.message("where is my order?"))
        assert isinstance(event, MessageReceived)
        assert event.text == "where is my order?"
        assert event.automatic is None
        assert event.addressed == "direct"
        assert event.conversation_id.startswith(f"{channel.name}:{channel.account}:")
        assert (event.channel, event.account) == (channel.name, channel.account)
        assert event.address, "a reply needs to know where to go"

    def test_the_same_payload_has_the_same_name_and_the_same_event_id(self, channel: Channel) -> None:
        first, again = self.message("hello", "7"), self.message("hello", "7")
        assert channel.identify(first) == channel.identify(again)
        assert [e.id for e in channel.normalize(first)] == [e.id for e in channel.normalize(again)]

    def test_two_messages_have_two_names(self, channel: Channel) -> None:
        one, two = self.message("hello", "1"), self.message("hello", "2")
        assert channel.identify(one).primary != channel.identify(two).primary
        assert channel.normalize(one)[0].id != channel.normalize(two)[0].id

    def test_two_messages_of_one_person_are_one_conversation(self, channel: Channel) -> None:
        one, two = channel.normalize(self.message("a", "1"))[0], channel.normalize(self.message("b", "2"))[0]
        assert self.continues(one, two)

    def continues(self, one: Event, two: Event) -> bool:
        """Tell whether the second event belongs to the first one's conversation; mail answers for itself."""
        return one.conversation_id == two.conversation_id

    async def test_who_cannot_be_asked_has_nothing_to_say(self, channel: Channel) -> None:
        """SEMANTICS 9: where no plan says how to ask, the sender comes again by itself."""
        if channel.capabilities.catch_up is None:
            assert [look async for look in channel.catch_up([Gap(START)])] == []

    def test_times_are_aware(self, channel: Channel) -> None:
        (event,) = channel.normalize(self.message("hello"))
        assert event.sent_at.tzinfo is not None
        assert event.received_at == START

    def test_an_event_survives_json(self, channel: Channel) -> None:
        (event,) = channel.normalize(self.message("hällo 👋"))
        assert EVENT_ADAPTER.validate_json(EVENT_ADAPTER.dump_json(event)) == event

    def test_what_nobody_sees_in_a_message_is_not_in_its_event(self, channel: Channel) -> None:
        """F087: turned direction, tags, zero width."""
        (event,) = channel.normalize(self.message("pay\u202e now\U000e0041\u200b please"))
        assert isinstance(event, MessageReceived)
        assert event.text == "pay now please"

    def test_an_unknown_update_is_no_error(self, channel: Channel) -> None:
        payload = self.unknown_update()
        if payload is None:
            pytest.skip("every authentic payload of this channel is a message")
        assert channel.normalize(payload) == ()

    def test_our_own_message_is_never_answered(self, channel: Channel) -> None:
        payload = self.from_ourselves()
        if payload is None:
            pytest.skip("this platform does not show us our own messages")
        assert all(isinstance(e, MessageReceived) and e.automatic for e in channel.normalize(payload))

    def test_garbage_has_a_name_and_is_malformed_at_worst(self, channel: Channel) -> None:
        @settings(max_examples=60, deadline=None)
        @given(
            body=st.binary(max_size=200) | st.just(b"[" * 5000) | st.just(b'{"a":"\\ud800"}') | st.just(b"\xff\xfe{}")
        )
        def anything(body: bytes) -> None:
            inbound = Inbound(channel.name, channel.account, body, START, {})
            assert channel.identify(inbound).primary
            assert channel.identify(inbound) == channel.identify(inbound)
            with suppress(MalformedPayload):
                assert isinstance(channel.normalize(inbound), tuple)

        anything()

    def test_a_button_gives_its_token_back(self, channel: Channel) -> None:
        payload = self.button_press("token1")
        if payload is None:
            pytest.skip("this channel has no buttons; typed numbers are the core's business")
        (event,) = channel.normalize(payload)
        assert isinstance(event, ChoiceMade)
        assert event.token == "token1"

    def address(self, channel: Channel) -> dict[str, str]:
        return dict(channel.normalize(self.message("hello"))[0].address)

    def test_a_reply_holds_its_words_and_goes_back_where_the_message_came_from(self, channel: Channel) -> None:
        calls = channel.render(
            Reply(template="t"), SomeWords(channel, "Your order is on its way."), self.address(channel)
        )
        messages = [call for call in calls if call.role == "message"]
        assert len(messages) == 1
        assert "Your order is on its way." in self.text_of(calls)
        assert all(call.bucket and json.dumps(call.params) for call in calls)

    def test_a_long_reply_is_split_and_loses_nothing(self, channel: Channel) -> None:
        calls = channel.render(Reply(template="t"), SomeWords(channel, " ".join(LONG_WORDS)), self.address(channel))
        assert self.text_of(calls).split() == LONG_WORDS

    def test_every_choice_can_be_made(self, channel: Channel) -> None:
        reply = Reply(template="t", choices=CHOICES)
        calls = channel.render(reply, SomeWords(channel, "Pick one:"), self.address(channel))
        said = json.dumps([call.params for call in calls], ensure_ascii=False)
        for number, choice in enumerate(CHOICES, 1):
            assert choice.label in said
            if self.has_buttons:
                assert choice.token in said
            else:
                assert f"{number}. {choice.label}" in self.text_of(calls)

    def test_the_kind_of_a_reply_reaches_its_calls(self, channel: Channel) -> None:
        calls = channel.render(
            Reply(template="t", kind="handoff_notice"), SomeWords(channel, "hello"), self.address(channel)
        )
        assert {call.kind for call in calls if call.role == "message"} == {"handoff_notice"}

    def test_rendering_twice_gives_the_same_bytes(self, channel: Channel) -> None:
        address = self.address(channel)
        first, again = (
            channel.render(Reply(template="t", choices=CHOICES), SomeWords(channel, "hello"), address) for _ in range(2)
        )
        assert first == again


def json_body(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()


def a_time() -> datetime:
    return datetime(2026, 11, 22, 11, 59, tzinfo=UTC)
