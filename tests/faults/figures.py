"""What a fault run measured: one JSON line for each test, in the file that `make faults` turns into a table."""

import json
import os
from pathlib import Path

FILE = "FRONTDESK_FAULT_FIGURES"
"""Names the file; without it the figures are printed only."""


def note(what: str, **figures: object) -> None:
    """Keep the figures of one test."""
    line = json.dumps({"what": what, **figures})
    print(line)
    if path := os.environ.get(FILE):
        with Path(path).open("a") as file:
            file.write(line + "\n")
