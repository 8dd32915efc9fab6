"""Dates on NLU++ (banking): how many of the days that messages name are found, and how many that nobody names.

    python -m tests.bench.nlu.dates

Counted are the gold dates that are one day; ranges, repetitions and vague ones ("lately") have no single value.
"""

import json
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from core.nlu.dates import find_dates
from tests.bench.nlu.sets import DATA

TODAY = date(2022, 3, 15)
"""The day on which the set's values rest."""


def messages() -> list[dict[str, Any]]:
    """Read the set."""
    with Path(DATA / "nlupp" / "banking.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def gold(message: dict[str, Any]) -> Iterator[date]:
    """Yield the single days that a message names."""
    for name, slot in message.get("slots", {}).items():
        value = slot.get("value") or slot.get("values")
        if "date" in name and isinstance(value, dict) and {"year", "month", "day"} <= value.keys():
            yield date(value["year"], value["month"], value["day"])


def main() -> None:
    """Measure and print."""
    read = messages()
    began = time.process_time()
    found = [{each.first for each in find_dates(message["text"], TODAY)} for message in read]
    spent_ms = (time.process_time() - began) * 1000 / len(read)
    days = [(day, own) for message, own in zip(read, found, strict=True) for day in gold(message)]
    free = [own for message, own in zip(read, found, strict=True) if not message.get("slots")]
    print(f"days that are named: {len(days)}, found {sum(day in own for day, own in days) / len(days):.3f}")
    print(f"messages without slots: {len(free)}, with a date {sum(map(bool, free)) / len(free):.4f}")
    print(f"CPU ms a message: {spent_ms:.4f}")


if __name__ == "__main__":
    main()
