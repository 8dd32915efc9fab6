"""Flows hold together before anybody walks them; walking ends."""

from typing import Any

import pytest
from pydantic import ValidationError

from core.conversation import ActionResult, ActionWanted, Session
from core.dialogue.draft import Draft
from core.dialogue.engine import start, walk
from core.dialogue.flows import Flow

ASK = {"do": "collect", "slot": "a", "entity": "a", "ask": ["one", "two"]}


def flow(*steps: dict[str, Any], actions: tuple[str, ...] = ()) -> Flow:
    return Flow.model_validate({"name": "f", "description": "", "actions": actions, "steps": steps})


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([{"id": "x", "do": "end"}, {"id": "x", "do": "end"}], "same id"),
        ([{"id": "x", "do": "say", "template": "t", "next": "y"}], "leads to y"),
        ([{"id": "x", "do": "end"}, {"id": "y", "do": "end"}], "no step leads to y"),
        ([{"id": "x", "do": "act", "action": "orders.find"}], "does not permit"),
        ([{"id": "x", "do": "branch", "result_of": "y", "cases": {}, "otherwise": "x"}], "which is no act step"),
        ([{"id": "x", "do": "say", "template": "t", "context": {"order": "y"}}], "which is no act step"),
        ([{"id": "x", "do": "say", "template": "t", "wait_at": "x"}], "collects nothing"),
        ([{"id": "x", **ASK, "ask": ["once"]}], "at least 2"),
        ([{"id": "x", "do": "dance"}], "dance"),
        ([], "at least 1"),
    ],
)
def test_a_flow_that_does_not_hold_together_is_refused(steps: list[dict[str, Any]], problem: str) -> None:
    """Rows 95 and 191: steps that lead nowhere or are never reached, and actions without permission."""
    with pytest.raises(ValidationError, match=problem):
        flow(*steps)


def walked(described: Flow, session: Session | None = None, **results: ActionResult) -> Draft | ActionWanted:
    keyed = {f"f.{step}": result for step, result in results.items()}
    return walk(described, described.first, Draft(session or Session(), "flow"), keyed, "person")


def test_steps_follow_one_another_and_the_last_ends_the_flow() -> None:
    draft = walked(flow({"id": "x", "do": "say", "template": "t"}, {"id": "y", "do": "say", "template": "u"}))
    assert isinstance(draft, Draft)
    assert [saying.template for saying in draft.sayings] == ["t", "u"]
    assert draft.session.position is None


def test_a_flow_that_goes_in_circles_goes_to_a_person() -> None:
    draft = walked(flow({"id": "x", "do": "say", "template": "t", "next": "x"}))
    assert isinstance(draft, Draft)
    assert draft.handoff == "error"


def test_an_outcome_without_a_case_takes_the_other_way() -> None:
    described = flow(
        {"id": "x", "do": "act", "action": "go"},
        {"id": "b", "do": "branch", "result_of": "x", "cases": {"ok": "good"}, "otherwise": "bad"},
        {"id": "good", "do": "end"},
        {"id": "bad", "do": "handoff", "reason": "action_unavailable"},
        actions=("go",),
    )
    assert walked(described) == ActionWanted(key="f.x", action="go")
    refused = walked(described, x=ActionResult(outcome="refused"))
    assert isinstance(refused, Draft)
    assert (refused.handoff, dict(refused.actions)) == ("action_unavailable", {"go": "refused"})
    assert refused.session.last_action == "go"


def test_an_end_may_forget_slots_and_keeps_the_others() -> None:
    draft = walked(flow({"id": "x", "do": "end", "forget": ["a"]}), Session(slots={"a": "1", "b": "2"}))
    assert isinstance(draft, Draft)
    assert draft.session.slots == {"b": "2"}


def test_a_new_try_may_ask_once_more_with_the_last_words() -> None:
    described = flow({"id": "x", **ASK})
    used_up = Draft(Session(asked={"a": 2}), "flow")
    assert isinstance(again := start(described, used_up, {}, None), Draft)
    assert [saying.template for saying in again.sayings] == ["two"]
    assert isinstance(restated := start(described, again, {}, None), Draft)
    assert restated.handoff == "repeated_fallback"
