"""Walking through a flow: a function of the flow, the session and the results of actions so far."""

from collections.abc import Mapping

from core.conversation import ActionResult, ActionWanted, Session
from core.dialogue.draft import Draft
from core.dialogue.flows import Act, Branch, Collect, End, Flow, HandOff, Say

MAX_STEPS = 64
"""Steps of one turn; a flow that goes on for ever is a mistake in the content, and a person takes over."""

Results = Mapping[str, ActionResult]
"""Results of this turn's actions, by `ActionWanted.key`."""


def action_key(flow: Flow, step: str) -> str:
    """Name the use of an action inside a turn.

    >>> action_key(Flow(name="f", description="", steps=[End(id="e")]), "find")
    'f.find'
    """
    return f"{flow.name}.{step}"


def walk(  # noqa: C901  one case for each kind of step
    flow: Flow, step: str, draft: Draft, results: Results, person: str | None
) -> Draft | ActionWanted:
    """Take steps until the flow waits for the customer, ends, hands off or needs the result of an action.

    Args:
        flow: the flow.
        step: where to begin.
        draft: the turn so far; its session says which slots are filled.
        results: what the actions of this turn came to.
        person: the intent that is offered with a last question; None when the desk has no people.
    """
    here: str | None = step
    for _ in range(MAX_STEPS):
        if here is None:
            return ended(flow, draft)
        now, draft = flow.step(here), draft.at(flow.name, here)
        here = flow.after(now)
        match now:
            case Collect() if now.slot not in draft.session.slots:
                return ask(flow, now, draft, person)
            case Say(wait_at=str()):
                return _say_and_wait(flow, now, draft, results)
            case Say():
                draft = _say(flow, now, draft, results)
            case Act():
                if (result := results.get(action_key(flow, now.id))) is None:
                    return _wanted(flow, now, draft.session)
                draft = draft.acted(now.action, result.outcome)
            case Branch():
                here = now.cases.get(results[action_key(flow, now.result_of)].outcome, now.otherwise)
            case End():
                return ended(flow, draft.forget(now.forget))
            case HandOff():
                return draft.hand_off(now.reason)
    return draft.hand_off("error")


def start(flow: Flow, draft: Draft, results: Results, person: str | None) -> Draft | ActionWanted:
    """Begin a flow. Where every question was used up before, the last one may be said once more: it is a new try."""
    position, asked = draft.session.position, dict(draft.session.asked)
    if position is None or position.flow != flow.name:
        for step in flow.collects:
            asked[step.slot] = min(asked.get(step.slot, 0), len(step.ask) - 1)
    return walk(flow, flow.first, draft.remember(asked=asked), results, person)


def ask(flow: Flow, step: Collect, draft: Draft, person: str | None) -> Draft:
    """Ask for a slot in words not used before; when there are none left a person takes over (row 123)."""
    asked = draft.session.asked.get(step.slot, 0)
    if asked >= len(step.ask):
        return draft.hand_off("repeated_fallback")
    is_last = asked == len(step.ask) - 1
    offer = (person,) if is_last and person is not None else ()
    return draft.say(step.ask[asked], offer=offer, kind="question").waiting(flow.name, step.id, step.slot)


def may_ask(step: Collect, session: Session) -> bool:
    """Tell whether there are words left to ask for the slot once more."""
    return session.asked.get(step.slot, 0) < len(step.ask)


def ended(flow: Flow, draft: Draft) -> Draft:
    """Leave the flow: slots stay, for nobody explains anything twice; what was asked may be asked anew."""
    slots = {step.slot for step in flow.collects}
    asked = {name: count for name, count in draft.session.asked.items() if name not in slots}
    return draft.remember(position=None, asked=asked)


def _say(flow: Flow, step: Say, draft: Draft, results: Results) -> Draft:
    context = {name: results[action_key(flow, act)].data for name, act in step.context.items()}
    return draft.say(step.template, dict(context), offer=step.offer).forget(step.forget)


def _say_and_wait(flow: Flow, step: Say, draft: Draft, results: Results) -> Draft:
    """Say what was wrong and wait for better data; that counts as asking for it."""
    collect = flow.step(step.wait_at or "")
    assert isinstance(collect, Collect)  # noqa: S101  the flow was checked when it was read
    if not may_ask(collect, draft.session):
        return draft.hand_off("repeated_fallback")
    return _say(flow, step, draft, results).waiting(flow.name, collect.id, collect.slot)


def _wanted(flow: Flow, step: Act, session: Session) -> ActionWanted:
    arguments = {name: session.slots[slot] for name, slot in step.arguments.items() if slot in session.slots}
    return ActionWanted(key=action_key(flow, step.id), action=step.action, arguments=dict(arguments))
