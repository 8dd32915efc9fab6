"""Learned slots on RESTAURANTS-8K: exact spans, precision, recall and F1 of each slot on the official test.

python -m tests.bench.nlu.slots
"""

import json
import time
from pathlib import Path

from core.nlu.entities import EntityFinder, Learned
from hub.slots import learn_slot
from tests.bench.nlu.sets import DATA

SLOTS = ("date", "time", "people", "first_name", "last_name")
Spans = dict[str, list[tuple[int, int]]]


def rows(name: str) -> list[tuple[str, Spans]]:
    """Read a part of the set: texts, with the spans of each slot."""
    read = []
    with Path(DATA / "restaurant8k" / name).open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            spans: Spans = {}
            for label in row.get("labels", ()):
                span = label["valueSpan"]
                spans.setdefault(label["slot"], []).append((span.get("startIndex", 0), span["endIndex"]))
            read.append((row["userInput"]["text"].replace("[", "(").replace("]", ")"), spans))
    return read


def marked(text: str, spans: list[tuple[int, int]]) -> str:
    """Put brackets around the spans."""
    for start, end in sorted(spans, reverse=True):
        text = f"{text[:start]}[{text[start:end]}]{text[end:]}"
    return text


def main() -> None:
    """Measure and print."""
    learned, test = rows("train.jsonl"), rows("test.jsonl")
    right_of_all, found_of_all, gold_of_all = 0, 0, 0
    for slot in SLOTS:
        began = time.process_time()
        tagger = learn_slot(slot, [marked(text, spans.get(slot, [])) for text, spans in learned])
        trained_s = time.process_time() - began
        finder = EntityFinder([Learned(name=slot, kind="learned", examples=("a",) * 5)], {slot: tagger})
        began = time.process_time()
        found = [{(entity.start, entity.end) for entity in finder.find(text)} for text, _ in test]
        read_ms = (time.process_time() - began) * 1000 / len(test)
        gold = [set(spans.get(slot, ())) for _, spans in test]
        right = sum(len(one & other) for one, other in zip(found, gold, strict=True))
        counts = sum(map(len, found)), sum(map(len, gold))
        print(f"{slot}: F1 {f1(right, *counts):.3f}, trained in {trained_s:.1f} s, {read_ms:.3f} ms a message")
        right_of_all, found_of_all, gold_of_all = (
            right_of_all + right,
            found_of_all + counts[0],
            gold_of_all + counts[1],
        )
    precision, recall = right_of_all / found_of_all, right_of_all / gold_of_all
    print(f"all: precision {precision:.3f}, recall {recall:.3f}, F1 {f1(right_of_all, found_of_all, gold_of_all):.3f}")


def f1(right: int, found: int, gold: int) -> float:
    """Return the harmonic mean of precision and recall."""
    return 2 * right / (found + gold)


if __name__ == "__main__":
    main()
