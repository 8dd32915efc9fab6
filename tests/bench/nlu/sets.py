"""The public sets of ../shared/data, read in place: which messages are learned from, and which are read.

The official tests of BANKING77 and CLINC150 are read once, by a configuration that was chosen on parts of their
training sets and on validation sets. HWU64's test is kept aside for others; here its validation set is read instead.
"""

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.nlu.corpus import LabelledText
from tests.shared_files import SHARED

DATA = SHARED / "data"
HELD_OUT_SHARE = 0.2
MIN_LETTERS = 3
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Task:
    """What is learned, what is read, and what belongs to nothing that was learned."""

    name: str
    learned: tuple[LabelledText, ...]
    read: tuple[LabelledText, ...]
    strange: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    """Messages of ours that set a border by the published protocol: 5 % of them are rejected."""


def rows(path: str) -> tuple[LabelledText, ...]:
    """Read a CSV of texts and labels."""
    with Path(DATA / path).open(encoding="utf-8", newline="") as file:
        return tuple((row["text"], row["label"]) for row in csv.DictReader(file))


def texts(path: str) -> tuple[str, ...]:
    """Read the texts of a CSV."""
    return tuple(text for text, _ in rows(path))


def clinc(learned: str) -> Task:
    """Return CLINC150 with its out-of-scope test."""
    return Task(
        f"CLINC150 {learned}",
        rows(f"clinc150/{FILES[learned]}"),
        rows("clinc150/test.csv"),
        texts("clinc150/oos_test.csv"),
        texts("clinc150/val.csv"),
    )


FILES = {"full": "train.csv", "10-shot": "train_10_dnnc.csv", "5-shot": "train_5_dnnc.csv"}
HWU_FILES = {"full": "train.csv", "10-shot": "train_10.csv", "5-shot": "train_5.csv"}


def task(name: str) -> Task:
    """Return a task by its name: `BANKING77 10-shot`, `CLINC150 without intents 2`."""
    corpus, _, learned = name.partition(" ")
    match corpus:
        case "BANKING77":
            return Task(name, rows(f"banking77/{FILES[learned]}"), rows("banking77/test.csv"))
        case "HWU64":
            return Task(name, rows(f"hwu64/{HWU_FILES[learned]}"), rows("hwu64/valid.csv"))
        case _ if learned.startswith("without"):
            return without_intents(int(learned.split()[-1]))
        case _:
            return clinc(learned)


def without_intents(seed: int) -> Task:
    """Return CLINC150 with a fifth of its intents never learned: their test messages are near-domain strangers."""
    whole = clinc("full")
    names = sorted({label for _, label in whole.learned})
    left_out = set(random.Random(seed).sample(names, round(len(names) * HELD_OUT_SHARE)))
    return Task(
        f"CLINC150 without intents {seed}",
        tuple(row for row in whole.learned if row[1] not in left_out),
        tuple(row for row in whole.read if row[1] not in left_out),
        tuple(text for text, label in whole.read if label in left_out),
        tuple(text for text, label in rows("clinc150/val.csv") if label not in left_out),
    )


def with_typos(messages: Sequence[LabelledText], share: float, seed: int = 0) -> tuple[LabelledText, ...]:
    """Make one random mistake in a share of the words of three letters and more."""
    chance = random.Random(seed)
    return tuple((" ".join(_typed(word, share, chance) for word in text.split(" ")), label) for text, label in messages)


def _typed(word: str, share: float, chance: random.Random) -> str:
    if sum(letter.isalpha() for letter in word) < MIN_LETTERS or chance.random() >= share:
        return word
    place = chance.randrange(len(word))
    letter = chance.choice(LETTERS)
    match chance.choice(("leave out", "add", "exchange", "swap")):
        case "leave out":
            return word[:place] + word[place + 1 :]
        case "add":
            return word[:place] + letter + word[place:]
        case "exchange":
            return word[:place] + letter + word[place + 1 :]
        case _:
            place = min(place, len(word) - 2)
            return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
