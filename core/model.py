"""The base of every value that crosses a boundary: frozen, and strict about unknown fields."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue


def _aware_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time without a zone is a guess; give an aware one")
    return value.astimezone(UTC)


AwareDatetime = Annotated[datetime, AfterValidator(_aware_utc)]
"""An aware time, kept in UTC."""

Json = JsonValue
"""Anything JSON can say."""


class Model(BaseModel):
    """A value: frozen, unknown fields refused, JSON in and out."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_timedelta="float")
