"""What processes asked of the kernel, in its order: `strace` on those that run, and its lines read back.

A line is written while the process that it is about stands still, so what caused something stands before it, whichever
of the processes did it.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

CALLS = "fdatasync,fsync,pwrite64,pwritev,read,recvfrom,recvmsg,readv,write,writev,sendto,sendmsg"
LONGEST_TEXT = 65536
ATTACHED_WITHIN_S = 20.0

WHOLE = re.compile(r"^(\d+)\s+(\d+\.\d+) (\w+)\((.*)\)\s+= (-?\d+).*$", re.DOTALL)
BEGUN = re.compile(r"^(\d+)\s+(\d+\.\d+) (\w+)\((.*) <unfinished \.\.\.>$", re.DOTALL)
ENDED = re.compile(r"^(\d+)\s+(\d+\.\d+) <\.\.\. (\w+) resumed>(.*)\)\s+= (-?\d+).*$", re.DOTALL)
FILE = re.compile(r"^\d+<(.*?)>(?=,|$|\s)")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the kernel."""

    name: str
    file: str
    """What it was about: a path, or `TCP:[127.0.0.1:8080->127.0.0.1:40000]`."""
    text: str
    """Its arguments, with the bytes that were read or written."""
    began: int
    ended: int
    """Positions in the order of all."""
    at: float
    """Seconds; when it ended."""
    result: int


def read_calls(lines: Sequence[str]) -> Iterator[Call]:
    """Read the lines of a trace; a call that was interrupted by others has two."""
    begun: dict[tuple[str, str], tuple[int, str]] = {}
    for number, line in enumerate(lines):
        if found := BEGUN.match(line):
            thread, _, name, text = found.groups()
            begun[thread, name] = (number, text)
        elif found := ENDED.match(line):
            thread, at, name, rest, result = found.groups()
            began, text = begun.pop((thread, name), (number, ""))
            yield _call(name, text + rest, began, number, at, result)
        elif found := WHOLE.match(line):
            _, at, name, text, result = found.groups()
            yield _call(name, text, number, number, at, result)


def _call(name: str, text: str, began: int, ended: int, at: str, result: str) -> Call:
    file = FILE.match(text)
    return Call(name, file.group(1) if file else "", text, began, ended, float(at), int(result))


@asynccontextmanager
async def traced(pids: Sequence[int], file: Path) -> AsyncIterator[None]:
    """Trace processes with all their threads while the block lasts.

    Skips where there is no `strace`, or where it may not look into other processes.
    """
    if (program := shutil.which("strace")) is None:
        pytest.skip("needs strace")
    arguments = ["-f", "-yy", "-ttt", "-s", str(LONGEST_TEXT), "-e", f"trace={CALLS}", "-e", "signal=none"]
    whom = [part for pid in pids for part in ("-p", str(pid))]
    tracer = await asyncio.create_subprocess_exec(
        program, *arguments, "-o", str(file), *whom, stderr=asyncio.subprocess.PIPE
    )
    assert tracer.stderr is not None
    try:
        await asyncio.wait_for(_until_attached(tracer.stderr, set(pids)), ATTACHED_WITHIN_S)
        yield
    finally:
        if tracer.returncode is None:
            tracer.terminate()
        await tracer.communicate()


async def _until_attached(said: asyncio.StreamReader, pids: set[int]) -> None:
    while pids:
        line = (await said.readline()).decode()
        if not line or "Operation not permitted" in line:
            pytest.skip(f"needs strace to be allowed to look into other processes: {line.strip()}")
        if found := re.search(r"Process (\d+) attached", line):
            pids.discard(int(found.group(1)))
