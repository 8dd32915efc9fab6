"""Flows: what to collect, do and say to settle one matter. Written in `config/content/flows/*.yaml`, never in Python.

A flow is a list of steps. Without `next` a step leads to the one below it; the last one ends the flow.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from core.model import Model

HandoffReason = Literal[
    "customer_request",
    "repeated_fallback",
    "action_unavailable",
    "urgent",
    "frustrated",
    "policy",
    "error",
    "answer_limit",
]
"""The same reasons as in `core.conversation.Handoff`, which a test holds together."""


class StepBase(Model):
    """The fields of every step."""

    id: str
    next: str | None = None


class Collect(StepBase):
    """Ask for a slot unless it is filled already (row 94)."""

    do: Literal["collect"] = "collect"
    slot: str
    entity: str
    """What fills the slot when a text holds it."""
    ask: Annotated[tuple[str, ...], Field(min_length=2)]
    """Templates for the first, second, ... question, so that none is asked twice in the same words (row 123).
    With the last one a person is offered; after it one takes over."""


class Say(StepBase):
    """Say something; with `wait_at` the flow then waits for the slots of that collect step."""

    do: Literal["say"] = "say"
    template: str
    context: dict[str, str] = {}
    """Name in the template -> act step whose data it gets."""
    offer: tuple[str, ...] = ()
    """Intents offered as choices."""
    forget: tuple[str, ...] = ()
    """Slots that turned out wrong."""
    wait_at: str | None = None


class Act(StepBase):
    """Ask another system; slots become arguments."""

    do: Literal["act"] = "act"
    action: str
    arguments: dict[str, str] = {}
    """Argument -> slot."""


class Branch(StepBase):
    """Go on by the outcome of an act step."""

    do: Literal["branch"] = "branch"
    result_of: str
    """The act step."""
    cases: dict[Literal["ok", "not_found", "refused", "unavailable"], str]
    otherwise: str


class End(StepBase):
    """The matter is settled."""

    do: Literal["end"] = "end"
    forget: tuple[str, ...] = ()


class HandOff(StepBase):
    """People go on from here, with all that was collected."""

    do: Literal["handoff"] = "handoff"
    reason: HandoffReason


Step = Annotated[Collect | Say | Act | Branch | End | HandOff, Field(discriminator="do")]


class Flow(Model):
    """One matter and how it is settled."""

    name: str
    description: str
    actions: tuple[str, ...] = ()
    """What this flow may ask of other systems; nothing else (row 191)."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _holds_together(self) -> "Flow":
        ids = [step.id for step in self.steps]
        if len(set(ids)) != len(ids):
            raise ValueError("two steps have the same id")
        for step in self.steps:
            self._check_names(step, frozenset(ids))
        if unreachable := set(ids) - self._reachable():
            raise ValueError(f"no step leads to {', '.join(sorted(unreachable))}")
        return self

    def _check_names(self, step: Step, ids: frozenset[str]) -> None:
        if missing := self._targets(step) - ids:
            raise ValueError(f"step {step.id} leads to {', '.join(sorted(missing))}, which is no step")
        if isinstance(step, Act) and step.action not in self.actions:
            raise ValueError(f"step {step.id} wants {step.action}, which `actions` does not permit")
        acts = {other.id for other in self.steps if isinstance(other, Act)}
        if unknown := _acts_read_by(step) - acts:
            raise ValueError(f"step {step.id} reads {', '.join(sorted(unknown))}, which is no act step")
        if isinstance(step, Say) and step.wait_at is not None and not isinstance(self.step(step.wait_at), Collect):
            raise ValueError(f"step {step.id} waits at {step.wait_at}, which collects nothing")

    def _targets(self, step: Step) -> set[str]:
        """Return where a step leads."""
        if isinstance(step, Branch):
            return {*step.cases.values(), step.otherwise}
        if isinstance(step, End | HandOff):
            return set()
        if isinstance(step, Say) and step.wait_at is not None:
            return {step.wait_at}
        following = self.after(step)
        return {following} if following else set()

    def _reachable(self) -> set[str]:
        seen: set[str] = set()
        todo = [self.first]
        while todo:
            if (name := todo.pop()) not in seen:
                seen.add(name)
                todo += self._targets(self.step(name))
        return seen

    @property
    def first(self) -> str:
        """Return the id of the step that a flow begins with."""
        return self.steps[0].id

    @property
    def collects(self) -> tuple[Collect, ...]:
        """Return the steps that collect."""
        return tuple(step for step in self.steps if isinstance(step, Collect))

    @property
    def templates(self) -> frozenset[str]:
        """Return every template that the flow names."""
        said = {step.template for step in self.steps if isinstance(step, Say)}
        return frozenset(said | {template for step in self.collects for template in step.ask})

    def step(self, name: str) -> Step:
        """Return a step by its id.

        Raises:
            KeyError: there is none, for example because the content changed under a running conversation.
        """
        return {step.id: step for step in self.steps}[name]

    def after(self, step: StepBase) -> str | None:
        """Return the step that follows, or None at the end."""
        if step.next is not None:
            return step.next
        place = [other.id for other in self.steps].index(step.id) + 1
        return self.steps[place].id if place < len(self.steps) else None


def _acts_read_by(step: Step) -> set[str]:
    if isinstance(step, Branch):
        return {step.result_of}
    return set(step.context.values()) if isinstance(step, Say) else set()
