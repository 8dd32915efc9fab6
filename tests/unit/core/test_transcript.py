"""What an agent reads of a conversation."""

from datetime import timedelta
from typing import Any

from core.conversation import Conversation, Handoff, Unreachable
from core.feedback import Reaction
from core.handoff.transcript import told
from core.storage import TranscriptRow, Version
from tests.fakes import START

AT = "2026-11-22 12:00:00  "


def line(direction: str = "in", **fields: Any) -> TranscriptRow:
    known = {"id": "e1", "conversation_id": "web:site:c1", "desk": "it", "seq": 1, "at": START, "event_id": "e1"}
    return TranscriptRow.model_validate(known | {"direction": direction, "text": "hello", "body": {}} | fields)


def conversation(**fields: Any) -> Conversation:
    known = {"id": "web:site:c1", "desk": "it", "channel": "web", "account": "site"}
    return Conversation.model_validate(known | fields)


def shown(one: TranscriptRow) -> str:
    (text,) = told(conversation(), [one])
    return text.removeprefix(AT)


def test_an_edited_message_shows_what_it_said_before() -> None:
    versions = (Version(text="A-1001", until=START), Version(text="A-1002", until=START))
    assert shown(line(text="A-1003", edited_at=START, versions=versions)) == (
        "customer: A-1003  [edited, before: A-1001 / A-1002]"
    )
    assert shown(line(kind="edited", text="A-1003")) == "The customer edited a message: A-1003"


def test_a_deleted_message_says_who_deleted_it() -> None:
    gone = line(text="", deleted_at=START, edited_at=START)
    assert shown(gone) == "customer: [deleted by the customer]"
    assert shown(line(kind="deleted", text="")) == "The customer deleted a message."


def test_thumbs_failures_quotes_and_lateness_are_seen() -> None:
    thumb = Reaction(by="u1", name="+1", at=START)
    taken_away = Reaction(by="u2", name="-1", at=START, is_there=False)
    answer = line("out", state="sent", reactions=(thumb, taken_away))
    assert shown(answer) == "bot: hello  [reactions: +1]  [thumbs up: 1]"
    assert shown(line("out", state="undeliverable", reason="blocked")) == "bot: hello  [undeliverable: blocked]"
    assert shown(line(quoted="the first", late=True)) == "customer: hello  [on: the first]  [came late]"


def test_what_happened_beside_messages_is_told() -> None:
    assert shown(line(kind="reachability", text="", reason="opted_out")) == "The customer wants no more messages."
    assert shown(line(kind="membership", text="", reason="joined")) == "We were added."
    assert shown(line(kind="moved", text="")) == "The platform gave this conversation another name."


def test_an_agent_is_told_what_holds_now() -> None:
    gone = Unreachable(reason="blocked", since=START + timedelta(hours=1))
    given = Handoff(reason="customer_request", summary="Refund: please")
    moved = {"came_from": "web:site:c0", "goes_to": "web:site:c2"}
    assert list(told(conversation(owner="queue", handoff=given, unreachable=gone, **moved), [])) == [
        "Goes on from web:site:c0.",
        "Goes on in web:site:c2.",
        "Given to people (customer_request): Refund: please",
        "UNREACHABLE since 2026-11-22 13:00:00: blocked",
    ]
