"""The bot beyond the stories: what it ignores, what it remembers, and what no text can make it do."""

import base64
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bot import Bot
from core.conversation import RECENT_EVENTS, ActionWanted, Conversation, FlowPosition, Handoff, Turn
from core.dialogue.choices import TTL
from core.dialogue.desk import Desk
from core.dialogue.flows import HandoffReason
from core.events import (
    Attachment,
    ChoiceMade,
    CommandGiven,
    DeliveryStatusChanged,
    MembershipChanged,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
    ReactionChanged,
    Sender,
)
from core.ports import Responder
from tests.conversation.telling import NOW, Talk, bot_without


def message(talk: Talk, **more: Any) -> MessageReceived:
    return MessageReceived(**talk.base(**{"message_id": "m", "text": "where is my order", **more}))


def test_it_is_a_responder() -> None:
    bot: Responder = bot_without()
    assert isinstance(bot, Bot)


def test_the_reasons_of_a_handoff_are_the_same_in_flows_and_records() -> None:
    assert HandoffReason == Handoff.model_fields["reason"].annotation


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        (MessageEdited, {"message_id": "m", "text": "hello"}, "edited"),
        (MessageDeleted, {"message_id": "m"}, "deleted"),
        (ReactionChanged, {"message_id": "m", "added": ("+1",)}, "reaction"),
        (MembershipChanged, {"member_id": "u", "change": "joined"}, "membership"),
        (ReachabilityChanged, {"change": "blocked"}, "reachability"),
        (DeliveryStatusChanged, {"status": "read", "provider_id": "p"}, "delivery_status"),
        (MessageReceived, {"message_id": "m", "text": "hello", "automatic": "auto_reply"}, "automatic:auto_reply"),
        (MessageReceived, {"message_id": "m", "text": "hello", "addressed": "ambient"}, "ambient"),
        (MessageReceived, {"message_id": "m", "text": "hello", "addressed": "thread"}, "not_addressed"),
    ],
)
def test_what_needs_nothing_is_ignored_with_its_reason_and_changes_nothing(
    kind: Any, fields: dict[str, Any], reason: str
) -> None:
    talk = Talk()
    turn = talk.take(kind(**talk.base(**fields)))
    assert (turn.ignored, turn.replies, turn.conversation) == (reason, (), talk.conversation)
    assert turn.trace.rung == "silent"


def test_an_album_is_remembered_by_every_name_and_a_late_part_is_not_answered_again() -> None:
    """T19: there is no end mark, so a part may come after the quiet moment."""
    talk = Talk()
    lid = Attachment(reference="f", kind="image")
    companions = ({"id": "e2", "attachments": 1},)
    first = talk.take(message(talk, text="", attachments=(lid, lid), album="a1", companions=companions))
    assert [reply.template for reply in first.replies] == ["attachment_not_understood"]
    assert talk.conversation.remembers("e2")
    late = talk.take(message(talk, text="", attachments=(lid,), album="a1"))
    assert (late.replies, late.trace.rung, late.ignored) == ((), "silent", None), "it stands in the transcript"
    assert talk.take(message(talk, text="", attachments=(lid,), album="a2")).replies
    nameless = [talk.take(message(talk, text="", attachments=(lid,), album="")) for _ in range(2)]
    assert all(turn.replies for turn in nameless)


def test_a_thread_in_which_we_take_part_is_answered() -> None:
    talk = Talk()
    talk.say("hello")
    assert talk.take(message(talk, addressed="thread")).ignored is None


def test_an_event_that_is_remembered_is_not_taken_twice() -> None:
    talk = Talk()
    event = message(talk)
    talk.take(event)
    assert talk.take(event).ignored == "already_taken"


def test_a_conversation_that_is_open_is_not_greeted_again() -> None:
    talk = Talk()
    talk.open()
    assert talk.open().ignored == "already_open"


def test_the_version_is_left_to_the_store() -> None:
    turn = Talk().say("hello")
    assert turn.conversation.version == 0


def test_it_notes_who_writes_from_where_and_forgets_the_oldest_events() -> None:
    talk = Talk()
    for number in range(RECENT_EVENTS + 3):
        talk.say("hello", address={"to": str(number)})
    assert len(talk.conversation.recent) == RECENT_EVENTS
    assert talk.conversation.recent[-1] == f"web:main:{RECENT_EVENTS + 3}"
    assert talk.conversation.address == {"to": str(RECENT_EVENTS + 2)}
    assert talk.conversation.customer_name == "Ann"
    talk.say("hello", address={}, sender=Sender(id="u1"))
    assert talk.conversation.address == {"to": str(RECENT_EVENTS + 2)}
    assert talk.conversation.customer_name == "Ann"


def test_beside_people_it_still_notes_the_event() -> None:
    talk = Talk()
    talk.say("talk to a person")
    turn = talk.say("hello?", address={"to": "elsewhere"})
    assert turn.ignored is None
    assert turn.conversation.recent[-1] == "web:main:2"
    assert turn.conversation.address == {"to": "elsewhere"}


def test_each_change_of_owner_raises_the_epoch() -> None:
    talk = Talk()
    assert talk.say("talk to a person").conversation.epoch == 1
    assert talk.say("hello").conversation.epoch == 1
    assert talk.command("bot").conversation.epoch == 2


def test_a_handoff_says_the_matter_in_the_persons_words() -> None:
    talk = Talk()
    talk.say("where is my order A-1001?")
    handoff = talk.say("let me talk to a person").handoff
    assert handoff is not None
    assert handoff.summary == "Order status: let me talk to a person"
    assert handoff.collected == {"order_number": "A-1001"}


def test_the_notice_of_a_handoff_is_sent_again_when_in_doubt() -> None:
    assert [reply.kind for reply in Talk().say("agent please").replies] == ["handoff_notice"]


def test_an_expired_choice_gets_a_polite_answer() -> None:
    talk = Talk()
    talk.command("start")
    token = talk.conversation.session.offered[0].choice.token
    talk.wait(TTL / timedelta(hours=1))
    turn = talk.take(ChoiceMade(**talk.base(token=token)))
    assert [reply.template for reply in turn.replies] == ["choice_expired"]
    assert turn.replies[0].choices


def test_a_choice_is_used_once_and_never_in_another_conversation() -> None:
    talk, other = Talk(), Talk()
    talk.command("start")
    token = talk.conversation.session.offered[0].choice.token
    assert talk.take(ChoiceMade(**talk.base(token=token))).trace.intent == "order_status"
    for somebody in (talk, other):
        again = somebody.take(ChoiceMade(**somebody.base(token=token)))
        assert again.replies[0].template == "choice_expired"


def test_a_number_typed_twice_is_used_up_and_is_answered_politely() -> None:
    talk = Talk()
    talk.command("start")
    assert talk.say("2").trace.intent == "refund_request"
    again = talk.say("1")
    assert [reply.template for reply in again.replies] == ["choice_expired", "ask_order_number_again"]


def test_a_list_that_expired_is_answered_politely_when_its_number_comes() -> None:
    talk = Talk()
    talk.command("start")
    talk.wait(TTL / timedelta(hours=1))
    assert [reply.template for reply in talk.say("the second one").replies] == ["choice_expired"]
    assert talk.say("2").trace.intent == "refund_request"  # of the list that came with that answer


def test_choices_outlive_a_restart_and_a_release_of_content() -> None:
    """The conversation comes back from the store; another process, with another key, has taken over."""
    ways: Sequence[Callable[[Talk, str], Turn]] = (
        lambda talk, token: talk.take(ChoiceMade(**talk.base(token=token))),
        lambda talk, _: talk.say("2"),
        lambda talk, _: talk.say("die zweite", locale="de"),
        lambda talk, _: talk.say("refund"),
    )
    for way in ways:
        talk = Talk()
        token = talk.command("start").replies[0].choices[1].token
        old = talk.bot
        talk.conversation = Conversation.model_validate_json(talk.conversation.model_dump_json())
        desk = old.desk.model_copy(update={"content_version": "another"})
        talk.bot = Bot(desk, old._understander, old._library, b"another key")
        turn = way(talk, token)
        assert turn.trace.intent == "refund_request"
        assert turn.trace.content_version == "another"


def test_a_label_that_looks_like_a_command_or_data_is_still_the_choice() -> None:
    talk = Talk()
    talk.command("start")
    offers = talk.conversation.session.offered
    for label in ("/help", "Order A-1001"):
        choice = offers[1].choice.model_copy(update={"label": label})
        named = (offers[0], offers[1].model_copy(update={"choice": choice}), *offers[2:])
        session = talk.conversation.session.model_copy(update={"offered": named})
        again = Talk(count=10)
        again.conversation = talk.conversation.model_copy(update={"session": session})
        assert again.say(label).trace.intent == "refund_request"


def test_tokens_are_short_and_the_same_when_the_turn_is_taken_again() -> None:
    first, again = Talk().command("start"), Talk().command("start")
    tokens = [choice.token for choice in first.replies[0].choices]
    assert tokens == [choice.token for choice in again.replies[0].choices]
    assert len(set(tokens)) == len(tokens) == 4
    for token in tokens:
        assert len(base64.b32decode(token.upper())) == 10


@pytest.mark.parametrize(
    ("event", "template"),
    [
        ({"text": ""}, "empty_message"),
        ({"text": "  \n "}, "empty_message"),
        ({"text": "", "attachments": (Attachment(reference="x", kind="image"),)}, "attachment_not_understood"),
        ({"text": "", "attachments": (Attachment(reference="x", kind="audio"),)}, "voice_not_understood"),
    ],
)
def test_a_message_without_words_gets_a_defined_answer_row_5(event: dict[str, Any], template: str) -> None:
    talk = Talk()
    turn = talk.take(message(talk, **event))
    assert [reply.template for reply in turn.replies] == [template]
    assert talk.conversation.session.fallbacks == 0


def test_the_subject_of_a_first_mail_is_read_and_later_ones_are_not() -> None:
    talk = Talk(channel="email")
    talk.take(message(talk, subject="Order A-1001", text="Where is it?"))
    assert talk.conversation.session.slots == {"order_number": "A-1001"}
    talk.take(message(talk, subject="Re: Order A-2002", text="hello?"))
    assert talk.conversation.session.slots == {"order_number": "A-1001"}


def test_the_language_is_the_persons_where_the_desk_speaks_it() -> None:
    talk = Talk()
    turn = talk.take(message(talk, text="hello", locale="de-AT"))
    assert turn.conversation.session.language == "de"
    assert "Bestellstatus" in [choice.label for choice in turn.replies[0].choices]
    assert talk.take(message(talk, text="hello", locale="fr")).conversation.session.language == "de"
    assert Talk().say("hello").conversation.session.language == "en"


def test_a_command_that_nobody_knows_means_its_words_or_the_menu() -> None:
    talk = Talk()
    turn = talk.take(CommandGiven(**talk.base(name="frontdesk", arguments="where is my order A-1001?")))
    assert turn.trace.templates == ("ask_email",)
    other = Talk()
    assert other.command("frontdesk").trace.templates == ("help",)


def test_a_position_that_the_content_no_longer_knows_is_left() -> None:
    talk = Talk()
    talk.say("where is my order")
    for position in (FlowPosition(flow="gone", step="x"), FlowPosition(flow="order_status", step="gone")):
        session = talk.conversation.session.model_copy(update={"position": position})
        talk.conversation = talk.conversation.model_copy(update={"session": session})
        assert talk.say("hello").trace.templates == ("greeting",)


def test_it_names_the_action_it_needs_and_finishes_with_its_result() -> None:
    talk = Talk()
    event = message(talk, text="where is my order A-1001, ann@example.com")
    wanted = talk.bot.respond(talk.conversation, event, NOW, {})
    assert wanted == ActionWanted(
        key="order_status.find",
        action="orders.find",
        arguments={"order_number": "A-1001", "email": "ann@example.com"},
    )


def test_an_offer_of_what_the_desk_stopped_doing_is_no_longer_open() -> None:
    talk = Talk()
    talk.command("start")
    talk.bot = bot_without("refund_request")
    assert talk.press("Refunds").trace.templates == ("choice_expired",)


def test_a_risky_matter_without_a_valid_article_goes_to_a_person() -> None:
    talk = Talk()
    talk.wait(24 * 365 * 5)
    turn = talk.say("I forgot my password")
    assert (turn.trace.rung, turn.trace.handoff, turn.trace.templates) == ("handoff", "policy", ("handoff_taken_over",))


def test_with_every_article_expired_a_general_question_falls_back() -> None:
    talk = Talk()
    talk.wait(24 * 365 * 5)
    assert talk.say("what are your opening hours?").trace.rung == "fallback"


def test_a_desk_without_a_way_back_stays_silent_beside_people() -> None:
    talk = Talk(bot=bot_without("back_to_bot"))
    assert talk.say("agent please").replies[0].choices == ()
    assert talk.say("go back to the bot please").trace.rung == "silent"


def test_an_article_that_knows_the_question_comes_before_an_intent_that_is_not_sure() -> None:
    turn = Talk().say("payment methods")
    assert (turn.trace.rung, turn.trace.article, turn.trace.confidence) == ("faq", "billing-charges", 1.0)


def test_what_a_desk_knows_and_does_not_do_falls_back() -> None:
    bot = bot_without()
    intents = [
        intent.model_copy(update={"commands": ("weather",)}) if intent.automation == "none" else intent
        for intent in bot.desk.intents
    ]
    desk = Desk(name=bot.desk.name, intents=tuple(intents), content_version="1")
    talk = Talk(bot=Bot(desk, bot._understander, bot._library, b"key"))
    assert talk.say("/weather").trace.rung == "fallback"


def test_never_mind_without_a_matter_is_answered_too() -> None:
    assert Talk().say("never mind").trace.templates == ("cancelled",)


def test_asking_for_the_bot_when_it_is_there_is_answered() -> None:
    assert Talk().command("bot").trace.templates == ("back_with_bot",)


def test_without_people_no_person_is_offered() -> None:
    talk = Talk(bot=bot_without("talk_to_person"))
    for text in ("where is my order", "I do not have that at hand", "no idea where that would be"):
        turn = talk.say(text)
    assert turn.trace.templates == ("ask_order_number_offer",)
    assert turn.replies[0].choices == ()


SAID = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        ["where is my order", "A-1001", "ann@example.com", "help", "2", "never mind", "/bot", "/", "agent"]
    ),
    st.text(alphabet="{%}#$<>&*_`|\\\x00 ", max_size=40),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(SAID, min_size=1, max_size=5))
def test_any_texts_lead_to_turns_and_never_to_a_guess(texts: list[str]) -> None:
    """Row 111: nothing is answered from an article below the thresholds; every turn is fully traced."""
    talk = Talk()
    limits = talk.bot.desk.thresholds
    for text in texts:
        turn = talk.say(text)
        assert isinstance(turn, Turn)
        assert turn.ignored is None
        assert turn.trace.templates == tuple(reply.template for reply in turn.replies)
        assert bool(turn.replies) == (turn.trace.rung != "silent")
        if turn.trace.rung == "faq":
            assert (turn.trace.confidence or 0) >= min(limits.intent, limits.knowledge)
        assert (turn.handoff is None) == (turn.trace.handoff is None)
        assert len({choice.token for reply in turn.replies for choice in reply.choices}) == sum(
            len(reply.choices) for reply in turn.replies
        )


@settings(max_examples=50, deadline=None)
@given(SAID)
def test_the_same_turn_taken_again_is_the_same(text: str) -> None:
    first, again = Talk().say(text), Talk().say(text)
    assert first == again


def test_the_conversation_survives_its_journey_through_json() -> None:
    talk = Talk()
    talk.say("where is my order A-1001?")
    assert Conversation.model_validate_json(talk.conversation.model_dump_json()) == talk.conversation
