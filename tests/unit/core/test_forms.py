"""A form fills all slots of its intent in one turn (row 94), and people get what was filled in."""

from core.conversation import Conversation, Turn
from core.events import FormSubmitted, Sender
from core.ids import AccountName, ChannelName, DeskName, EventId, conversation_id
from hub.content import build_responders, load_content
from hub.settings import Desk
from hub.turns import spoken_text
from tests.fakes import START
from tests.shared_files import PROJECT

FIELDS = {"summary": "My laptop does not start", "category": "hardware"}


def submitted(form: str = "it_request") -> FormSubmitted:
    return FormSubmitted(
        id=EventId("slack:acme:T0:trigger:1"),
        channel=ChannelName("slack"),
        account=AccountName("acme"),
        conversation_id=conversation_id("slack", "acme", "U0ANN"),
        sender=Sender(id="U0ANN"),
        sent_at=START,
        received_at=START,
        adapter="slack/1",
        form=form,
        fields=FIELDS,
    )


def turn(event: FormSubmitted) -> Turn:
    desk = Desk(name=DeskName("it"), accounts=("slack:acme",))
    bot = build_responders(load_content(PROJECT / "config" / "content"), [desk])[desk.name]
    fresh = Conversation(
        id=event.conversation_id, desk=desk.name, channel=event.channel, account=event.account, address={"to": "U0ANN"}
    )
    taken = bot.respond(fresh, event, START, {})
    assert isinstance(taken, Turn)
    return taken


def test_a_form_goes_to_people_with_all_its_fields_in_one_turn() -> None:
    taken = turn(submitted())
    assert taken.handoff is not None
    assert taken.handoff.collected == FIELDS
    assert (taken.handoff.reason, taken.conversation.owner) == ("policy", "queue")
    assert [reply.template for reply in taken.replies] == ["handoff_taken_over"]
    assert "IT request" in taken.handoff.summary
    assert taken.trace.intent == "it_request"


def test_a_form_of_content_that_is_gone_is_answered_all_the_same() -> None:
    assert turn(submitted("of_last_year")).replies


def test_a_transcript_shows_what_was_filled_in() -> None:
    assert spoken_text(submitted()) == "/it_request\nsummary: My laptop does not start\ncategory: hardware"
