"""One task in a process of its own: learn, keep, load again, read, and print the figures as JSON.

    python -m tests.bench.nlu.measure "BANKING77 full" static

Times are CPU times of this process, so that other work on the machine counts little.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from core.nlu.calibration import calibration_error
from core.nlu.corpus import LabelledText
from core.nlu.entities import EntityFinder
from core.nlu.model import Model, Reading
from core.nlu.model_file import from_bytes
from core.nlu.understander import TextUnderstander
from core.nlu.vectors import Encoder
from hub.content import load_content
from hub.encoders import load_encoder
from hub.models import load_model
from hub.settings import Understanding
from tests.bench.nlu.sets import Task, task, with_typos
from tests.shared_files import PROJECT

WARM_UP = 200
TYPOS = (0.1, 0.2)


def measure(name: str, backend: str) -> dict[str, float]:
    """Return the figures of a task, in percent, seconds, milliseconds and MB."""
    job = task(name)
    encoder = load_encoder(Understanding.model_validate({"backend": backend}))
    finder = EntityFinder(load_content(PROJECT / "config" / "content").entities)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        load_model(job.learned, finder, Path(folder), encoder)
        trained_s = time.process_time() - began
        (path,) = Path(folder).iterdir()
        model, load_s = loaded(path, encoder)
        figures = {"training CPU s": trained_s, "model MB": path.stat().st_size / 2**20, "loading CPU s": load_s}
    understander = TextUnderstander(model, finder)
    figures |= quality(understander, job) | speed(understander, [text for text, _ in job.read])
    return figures | {"memory MB": psutil.Process().memory_info().rss / 2**20}


def loaded(path: Path, encoder: Encoder | None) -> tuple[Model, float]:
    """Load a model and read a first text with it."""
    began = time.process_time()
    model = from_bytes(path.read_bytes(), encoder)
    model.read("hello")
    return model, time.process_time() - began


def quality(understander: TextUnderstander, job: Task) -> dict[str, float]:
    """Read all messages, with and without typos, and the strange ones."""
    readings = [understander.read(text) for text, _ in job.read]
    right = correct(readings, job.read)
    sure = np.array([reading.intents[0].confidence for reading in readings])
    figures = {
        "messages": float(len(right)),
        "accuracy": percent(right),
        "calibration error": calibration_error(sure, right),
    }
    for share in TYPOS:
        typed = with_typos(job.read, share)
        figures[f"accuracy, {share:.0%} typos"] = percent(
            correct([understander.read(text) for text, _ in typed], typed)
        )
    taken = np.array([reading.in_scope for reading in readings])
    figures["accuracy at the border"] = percent(right & taken)
    if job.strange:
        figures |= scope(readings, [understander.read(text) for text in job.strange])
    return figures


def correct(readings: Sequence[Reading], messages: Sequence[LabelledText]) -> np.ndarray:
    """Tell which readings name the right intent first."""
    return np.array([reading.intents[0].name == label for reading, (_, label) in zip(readings, messages, strict=True)])


def percent(right: np.ndarray) -> float:
    """Return the share that is right."""
    return 100.0 * float(right.mean())


def scope(ours: Sequence[Reading], strange: Sequence[Reading]) -> dict[str, float]:
    """Return how well belonging tells our messages from strange ones, and what the border rejects of these."""
    high = np.array([reading.belonging for reading in ours])
    low = np.sort([reading.belonging for reading in strange])
    below = (np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")) / 2
    rejected = np.array([not reading.in_scope for reading in strange])
    return {"AUROC": float(below.mean() / len(low)), "strange rejected": percent(rejected), "strange": float(len(low))}


def speed(understander: TextUnderstander, messages: Sequence[str]) -> dict[str, float]:
    """Return the CPU time of reading one message, entities and intent."""
    for message in messages[:WARM_UP]:
        understander.understand(message)
    times_ms = []
    for message in messages[WARM_UP:]:
        began = time.process_time_ns()
        understander.understand(message)
        times_ms.append((time.process_time_ns() - began) / 1e6)
    middle, high = np.percentile(times_ms, [50, 99])
    return {"p50 ms": float(middle), "p99 ms": float(high)}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2])))
