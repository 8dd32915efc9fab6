"""The slice of Parrot's webhooks that we read; whatever else is in them is left alone.

Source: name the page of the platform's documentation, and the day you read it.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(min_length=1, max_length=128)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Party(_Part):
    """Somebody on Parrot."""

    id: Id
    name: str | None = None


class Update(_Part):
    """A whole POST: one thing that somebody did."""

    id: Id
    kind: str
    """`message` or `press`; others are left alone."""
    sender: Party
    chat: Id
    at: int = Field(ge=0, le=253402300799)
    """Seconds since 1970."""
    text: str = ""
    """Of a message; of a press the button's label."""
    token: Id | None = None
    """Of a press: what the button carried."""
