"""What people come for, and what this desk does about it. Written in `config/content/intents/*.yaml`."""

from typing import Any, Literal

from pydantic import field_validator, model_validator

from core.model import Model

Automation = Literal["flow", "article", "knowledge", "reply", "human", "cancel", "return", "none"]
"""Who handles an intent. `flow`, `article` and `reply` name theirs in `use`; `knowledge` searches the articles;
`human` hands off; `cancel` and `return` (to the bot) are patterns of every dialogue; `none` is not ours to handle."""

NAMES_WHAT_IT_USES: frozenset[Automation] = frozenset({"flow", "article", "reply"})


class Example(Model):
    """One way of saying it; `real` when a customer said it, `synthetic` when we made it up (row 138)."""

    text: str
    source: Literal["real", "synthetic"]


class Intent(Model):
    """One goal of a person."""

    name: str
    description: str
    label: str | None = None
    """What a button says; an intent without label is never offered."""
    labels: dict[str, str] = {}
    """The label in further languages, by language tag."""
    menu: int | None = None
    """Place in the list of what this desk can do; None keeps it out of the list."""
    risk: Literal["low", "high"] = "low"
    automation: Automation
    use: str | None = None
    """The flow's name, the article's id or the template's name."""
    commands: tuple[str, ...] = ()
    """Commands that mean the same, without the slash: `start`, `help`."""
    offer_menu: bool = False
    """Whether the reply is followed by the list of what this desk can do."""
    examples: tuple[Example, ...] = ()

    @field_validator("examples", mode="before")
    @classmethod
    def _read_examples(cls, value: Any) -> Any:
        """Let a plain line stand for an example that we made up."""
        return (
            value
            if not isinstance(value, list)
            else [{"text": item, "source": "synthetic"} if isinstance(item, str) else item for item in value]
        )

    @model_validator(mode="after")
    def _says_what_it_uses(self) -> "Intent":
        if (self.use is not None) != (self.automation in NAMES_WHAT_IT_USES):
            raise ValueError(f"`use` goes with automation {', '.join(sorted(NAMES_WHAT_IT_USES))}, and only with these")
        if self.menu is not None and self.label is None:
            raise ValueError("an intent in the menu needs a label")
        return self

    def label_in(self, language: str | None) -> str:
        """Return the label in a language, else the one that every language falls back to."""
        return self.labels.get(language or "", self.label or self.name)
