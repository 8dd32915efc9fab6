"""Forms: what a desk asks for at once, where a platform can show one. Written in `config/content/forms/*.yaml`. Pure.

A form bears the name of an intent. Who fills it in has picked that intent, and its fields are slots.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from core.model import Model

MAX_CHARS = 3_000
"""Of one field: what every platform with forms takes (Slack: docs.slack.dev/reference/block-kit/block-elements)."""
Problem = Literal["required", "too_long", "wrong_form", "unknown_option"]
"""What may be wrong with a field; its words are in the form's template."""


class FormField(Model):
    """One thing to fill in."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    """The slot that it fills."""
    kind: Literal["line", "text", "choice"] = "line"
    required: bool = True
    max_chars: int = Field(default=200, ge=1, le=MAX_CHARS)
    """Of `line` and `text`, in code points."""
    pattern: str | None = None
    """What the whole value has to match, as a regular expression."""
    options: tuple[str, ...] = ()
    """Of a `choice`, by the names that the template has words for."""

    @model_validator(mode="after")
    def _holds_together(self) -> "FormField":
        if (self.kind == "choice") != bool(self.options):
            raise ValueError("`options` go with kind choice, and only with it")
        if self.pattern is not None:
            re.compile(self.pattern)
        return self

    def problem(self, value: str) -> Problem | None:
        """Return what is wrong with a value; None when it may stay."""
        if not value:
            return "required" if self.required else None
        if self.kind == "choice":
            return None if value in self.options else "unknown_option"
        if len(value) > self.max_chars:
            return "too_long"
        return "wrong_form" if self.pattern is not None and not re.fullmatch(self.pattern, value) else None


class Form(Model):
    """All that is asked for at once."""

    name: str
    """The intent that it stands for."""
    commands: Annotated[tuple[str, ...], Field(min_length=1)]
    """Commands that open it, without the slash; each is one of the intent's, for where no form can be shown."""
    fields: Annotated[tuple[FormField, ...], Field(min_length=1)]

    @property
    def template(self) -> str:
        """Return the template with its words."""
        return f"form_{self.name}"

    def problems(self, values: Mapping[str, str]) -> dict[str, Problem]:
        """Return what is wrong, by field; nothing when the form can be taken."""
        found = ((field.name, field.problem(values.get(field.name, ""))) for field in self.fields)
        return {name: problem for name, problem in found if problem is not None}
