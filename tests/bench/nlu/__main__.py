"""Run every task of the table in NLU.md section 11 and print the figures beside floor, aim and the published rows."""

import json
import math
import os
import platform
import subprocess
import sys
from importlib.metadata import version

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.bench.nlu.sets import DATA
from tests.shared_files import PROJECT

DEVIATIONS = 1.96
"""Standard deviations on either side that hold 95 %."""
CORE = 1
SPLITS = 3
TASKS = [
    *("BANKING77 full", "BANKING77 10-shot", "BANKING77 5-shot", "CLINC150 full", "CLINC150 10-shot"),
    *("HWU64 full", "HWU64 10-shot"),
    *(f"CLINC150 without intents {seed}" for seed in range(SPLITS)),
]
BOUNDS = {
    ("BANKING77 full", "accuracy"): (93.0, 94.0),
    ("BANKING77 10-shot", "accuracy"): (82.0, 84.5),
    ("CLINC150 full", "accuracy"): (93.5, 95.0),
    ("CLINC150 full", "AUROC"): (0.965, 0.975),
    ("CLINC150 full", "accuracy, border of validation"): (91.4, 92.0),
    ("CLINC150 full", "strange rejected, border of validation"): (85.0, 88.0),
    ("HWU64 full", "accuracy"): (90.0, 91.5),
    ("HWU64 10-shot", "accuracy"): (78.0, 80.5),
    ("BANKING77 full", "accuracy, 20% typos"): (91.5, 92.5),
    ("CLINC150 full", "accuracy, 20% typos"): (92.0, 93.0),
}
"""Floor and aim (NLU.md section 11)."""
console = Console(width=130)


def main() -> None:
    """Measure, and show."""
    if not DATA.is_dir():
        sys.exit("needs ../shared/data beside the project; it is not there")
    backend = sys.argv[1] if len(sys.argv) > 1 else "static"
    chosen = sys.argv[2:] or TASKS
    console.print(machine())
    figures = {name: run(name, backend) for name in track(chosen, "measuring", console=console)}
    show(figures)
    print(json.dumps(figures))


def machine() -> str:
    """Describe what it runs on."""
    names = ("numpy", "scikit-learn", "rapidfuzz", "wordllama", "tokenizers")
    libraries = ", ".join(f"{name} {version(name)}" for name in names)
    system = f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{system}, {libraries}"


def run(name: str, backend: str) -> dict[str, float]:
    """Measure one task in a process of its own, on one core."""
    pinned = ["taskset", "-c", str(CORE)] if hasattr(os, "sched_setaffinity") else []
    command = [*pinned, sys.executable, "-m", "tests.bench.nlu.measure", name, backend]
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    done = subprocess.run(command, cwd=PROJECT, env=os.environ | threads, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def interval(name: str, figures: dict[str, float]) -> str:
    """Return half the width of the 95 % interval of a share, in points; Wilson's."""
    count = figures["strange" if name.startswith("strange") else "messages"]
    share, square = figures[name] / 100, DEVIATIONS**2
    half = DEVIATIONS * math.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return f"\u00b1{100 * half:.1f}"


def show(figures: dict[str, dict[str, float]]) -> None:
    """Print one line for each figure."""
    table = Table("task", "figure", "measured", "95 %", "floor", "aim")
    for name, measured in figures.items():
        for figure, value in measured.items():
            is_share = figure.startswith(("accuracy", "strange rejected"))
            floor, aim = BOUNDS.get((name, figure), ("", ""))
            shown = f"{value:.3f}" if figure in ("AUROC", "calibration error") or "ms" in figure else f"{value:.2f}"
            table.add_row(name, figure, shown, interval(figure, measured) if is_share else "", str(floor), str(aim))
    console.print(table)


if __name__ == "__main__":
    main()
