"""Tells every story of `stories/` on every channel: the same words in give the same decisions (rows 193, 194)."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.conversation import Turn
from tests.conversation.telling import Talk, bot_without

STORIES = [
    pytest.param(story, id=f"{path.stem}: {story['story']}")
    for path in sorted((Path(__file__).parent / "stories").glob("*.yaml"))
    for story in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
CHANNELS = ("slack", "telegram", "whatsapp", "email", "web")


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("story", STORIES)
def test_the_story_goes_as_told(story: dict[str, Any], channel: str) -> None:
    talk = Talk(bot=bot_without(*story.get("disabled", ())), channel=channel)
    asked: Counter[str] = Counter()
    for told in story["turns"]:
        talk.orders_available = told.get("orders", "available") == "available"
        talk.wait(told.get("after_hours", 0))
        turn = tell(talk, told)
        check(turn, told.get("expect", {}))
        said = turn.model_dump_json(include={"replies"})
        assert not [word for word in story.get("never_says", ()) if word in said]
        asked.update(reply.template for reply in turn.replies if reply.kind == "question")
    assert [name for name, count in asked.items() if count > 1] == [], "a question was repeated in the same words"


def tell(talk: Talk, told: dict[str, Any]) -> Turn:
    if "user" in told:
        return talk.say(told["user"])
    if "press" in told:
        return talk.press(told["press"])
    if "command" in told:
        return talk.command(told["command"])
    return {"voice": talk.send_voice, "open": talk.open}[told["event"]]()


def check(turn: Turn, expect: dict[str, Any]) -> None:
    session = turn.conversation.session
    seen = {
        "reply": [reply.template for reply in turn.replies],
        "rung": turn.trace.rung,
        "intent": turn.trace.intent,
        "article": turn.trace.article,
        "owner": turn.conversation.owner,
        "handoff": turn.handoff.reason if turn.handoff else None,
        "collected": turn.handoff.collected if turn.handoff else None,
        "slots": session.slots,
        "waits": session.position.step if session.position else None,
        "choices": [choice.label for reply in turn.replies for choice in reply.choices],
        "actions": turn.trace.actions,
    }
    assert {name: seen[name] for name in expect} == expect
    assert turn.trace.content_version
    assert turn.ignored is None
