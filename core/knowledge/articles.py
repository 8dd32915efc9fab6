"""What the desk knows, one short article per question, with its source and its dates."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from core.model import Model


class Article(Model):
    """One answer. Outside its dates it is not an answer."""

    id: str
    title: str
    questions: Annotated[tuple[str, ...], Field(min_length=1)]
    """How people ask for it."""
    text: Annotated[str, Field(min_length=1)]
    """The answer, short enough for a phone's screen."""
    risk: Literal["low", "high"] = "low"
    """`high`: money, access, privacy, policy. The answer then also offers a person."""
    locale: str = "en"
    valid_from: date
    review_by: date
    """Last day on which the article may answer; somebody reviews it before."""
    source: str
    """What the answer rests on: shown with it."""

    @model_validator(mode="after")
    def _dates_in_order(self) -> "Article":
        if self.review_by < self.valid_from:
            raise ValueError("review_by lies before valid_from")
        return self

    def is_valid(self, now: datetime) -> bool:
        """Tell whether the article may answer on that day (UTC)."""
        return self.valid_from <= now.date() <= self.review_by
