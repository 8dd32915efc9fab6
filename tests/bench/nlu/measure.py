"""One task in a process of its own: learn, keep, load again, read, and print the figures as JSON.

    python -m tests.bench.nlu.measure "BANKING77 full" static

Times are CPU times of this process, so that other work on the machine counts little.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil

from core.nlu.calibration import REJECTED, calibration_error
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

MEASURED = 1000
PASSES = 7
SPENT = "spent"
TYPOS = (0.1, 0.2)


def measure(name: str, backend: str) -> dict[str, float]:
    """Return the figures of a task, in percent, seconds, milliseconds and MB."""
    job = task(name)
    encoder = load_encoder(Understanding.model_validate({"backend": backend}))
    finder = content_finder()
    with tempfile.TemporaryDirectory() as folder:
        trained_s = trained(name, backend, Path(folder))
        (path,) = Path(folder).glob("*.npz")
        model, load_s = loaded(path, encoder)
        figures = {"training CPU s": trained_s, "model MB": path.stat().st_size / 2**20, "loading CPU s": load_s}
    understander = TextUnderstander(model, finder)
    figures |= quality(understander, job) | speed(understander, [text for text, _ in job.read])
    return figures | {"memory MB": psutil.Process().memory_info().rss / 2**20}


def trained(name: str, backend: str, folder: Path) -> float:
    """Train in a process of its own, so that the memory of this one is that of reading; return the CPU time of it."""
    learner = get_context("spawn").Process(target=learn, args=(name, backend, folder))
    learner.start()
    learner.join()
    return float((folder / SPENT).read_text())


def learn(name: str, backend: str, folder: Path) -> None:
    """Learn a task's model into a folder, and write down what it took; loading the libraries does not count."""
    import sklearn.svm  # noqa: F401 - loaded before the clock starts

    encoder = load_encoder(Understanding.model_validate({"backend": backend}))
    learned = task(name).learned
    began = time.process_time()
    load_model(learned, content_finder(), folder, encoder)
    (folder / SPENT).write_text(str(time.process_time() - began))


def content_finder() -> EntityFinder:
    """Return the finder of the starter content."""
    return EntityFinder(load_content(PROJECT / "config" / "content").entities)


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
        strange = [understander.read(text) for text in job.strange]
        border = float(np.quantile([understander.read(text).belonging for text in job.validation], REJECTED))
        figures |= scope(readings, strange) | at_border(border, readings, right, strange)
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


def at_border(
    border: float, ours: Sequence[Reading], right: np.ndarray, strange: Sequence[Reading]
) -> dict[str, float]:
    """Return what a border does that was set on validation, as in the published tables."""
    taken = np.array([reading.belonging >= border for reading in ours])
    rejected = np.array([reading.belonging < border for reading in strange])
    return {
        "accuracy, border of validation": percent(right & taken),
        "strange rejected, border of validation": percent(rejected),
    }


def speed(understander: TextUnderstander, messages: Sequence[str]) -> dict[str, float]:
    """Return the CPU time of reading one message, entities and intent: of each message its quickest reading.

    The quickest of several says what the code costs; the others, what else this machine was doing.
    """
    measured = messages[:MEASURED]
    times_ms = np.min([[read_ms(understander, message) for message in measured] for _ in range(PASSES)], axis=0)
    middle, high = np.percentile(times_ms, [50, 99])
    return {"p50 ms": float(middle), "p99 ms": float(high)}


def read_ms(understander: TextUnderstander, message: str) -> float:
    """Return the CPU time of one reading."""
    began = time.process_time_ns()
    understander.understand(message)
    return (time.process_time_ns() - began) / 1e6


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2])))
