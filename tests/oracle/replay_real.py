"""Real programs under strace with ASLR off: their log, and the kernel's map of each process at its exit_group."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

EXIT_GROUP = 231
DELAY = 250_000
"""Microseconds that strace holds each exit_group back, so that the map can be read."""
LIMIT = 120.0
"""Seconds after which a program has gone wrong."""
RESULT = re.compile(r"(\)|<unfinished \.\.\.>) += (?:-?0x[0-9a-f]+|-?\d+|\?)[^\"]*$")


class Recording(NamedTuple):
    """What strace wrote, and the maps of those that reached exit_group."""

    log: str
    maps: dict[int, str]
    status: int


def record(
    command: Sequence[str], folder: Path, *options: str, cwd: Path | None = None, maps: bool = True
) -> Recording:
    """Run a command in an empty environment under strace -f.

    Args:
        command: program and arguments.
        folder: for the log.
        options: more of strace's.
        cwd: where to run it.
        maps: whether each exit_group is held back for its map.
    """
    log = folder / "log"
    delay = [f"--inject=exit_group:delay_enter={DELAY}"] if maps else []
    start = ["setarch", "-R", "env", "-i", "PATH=/usr/bin:/bin", "HOME=/nonexistent"]
    whole = [*start, "strace", "-f", *options, *delay, "-o", str(log), *command]
    found: dict[int, str] = {}
    with subprocess.Popen(
        whole, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=cwd
    ) as tracer:
        deadline = time.monotonic() + LIMIT
        while tracer.poll() is None:
            if time.monotonic() > deadline:
                tracer.kill()
                pytest.fail(f"{command} did not end")
            for pid in descendants(tracer.pid) if maps else ():
                if pid not in found and (text := map_at_exit(pid)):
                    found[pid] = text
            time.sleep(0.005)
        assert tracer.stderr is not None
        said = tracer.stderr.read().decode(errors="replace")
    if not log.exists() or not log.stat().st_size:
        pytest.skip(f"strace does not work here: {said.strip()}")
    return Recording(log.read_text(errors="surrogateescape"), found, tracer.returncode)


def descendants(pid: int) -> Iterator[int]:
    """The processes below `pid`."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from descendants(child)


def map_at_exit(pid: int) -> str:
    """The map of a process that strace holds at its exit_group; "" if it is not there."""
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            if Path(f"/proc/{pid}/task/{task}/syscall").read_text().startswith(f"{EXIT_GROUP} "):
                return Path(f"/proc/{pid}/maps").read_text(errors="surrogateescape")
    except OSError:
        return ""
    return ""


def without_results(log: str) -> str:
    """The log as if strace had told no results of its calls."""
    return "".join(RESULT.sub(r"\1", line) + "\n" for line in log.splitlines())


def needs(program: str) -> None:
    """Skip where a program is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
