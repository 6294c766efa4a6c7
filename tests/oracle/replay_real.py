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
DELAYS = (250_000, 1_000_000, 4_000_000)
"""Microseconds that strace holds each exit_group back, so that the map can be read; more if that was not enough."""
LIMIT = 120.0
"""Seconds after which a program has gone wrong."""
EXITS = re.compile(r"^(\d+) +exit_group\(", re.MULTILINE)
RESULT = re.compile(r"(\)|<unfinished \.\.\.>) += (?:-?0x[0-9a-f]+|-?\d+|\?)[^\"]*$")


class Recording(NamedTuple):
    """What strace wrote, and the map of each task that reached exit_group, as it was at last."""

    log: str
    maps: dict[int, str]
    status: int


def record(
    command: Sequence[str], folder: Path, *options: str, cwd: Path | None = None, maps: bool = True
) -> Recording:
    """Run a command in an empty environment under strace -f, and again as long as a map could not be read in time.

    Args:
        command: program and arguments.
        folder: for the log.
        options: more of strace's.
        cwd: where to run it.
        maps: whether each exit_group is held back for its map.
    """
    for delay in DELAYS if maps else (0,):
        recording = record_once(command, folder, *options, cwd=cwd, delay=delay)
        ended = {int(pid) for pid in EXITS.findall(recording.log)}
        if not delay or ended <= recording.maps.keys():
            # strace tries ptrace out with children of its own, which are not in the log.
            return recording._replace(maps={pid: recording.maps[pid] for pid in ended if delay})
    pytest.fail(f"{command} ended before its maps could be read")


def record_once(command: Sequence[str], folder: Path, *options: str, cwd: Path | None, delay: int) -> Recording:
    """Run a command once; `delay` is in microseconds, 0: no maps."""
    log = folder / "log"
    hold = [f"--inject=exit_group:delay_enter={delay}"] if delay else []
    start = ["setarch", "-R", "env", "-i", "PATH=/usr/bin:/bin", "HOME=/nonexistent"]
    whole = [*start, "strace", "-f", *options, *hold, "-o", str(log), *command]
    found: dict[int, str] = {}
    with subprocess.Popen(
        whole, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=cwd
    ) as tracer:
        deadline = time.monotonic() + LIMIT
        while tracer.poll() is None:
            if time.monotonic() > deadline:
                tracer.kill()
                pytest.fail(f"{command} did not end")
            for pid in descendants(tracer.pid) if delay else ():
                found |= map_at_exit(pid)
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


def map_at_exit(pid: int) -> dict[int, str]:
    """The map of a process by the task that strace holds at its exit_group; none if it is not there, or went on."""
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            call = Path(f"/proc/{pid}/task/{task}/syscall")
            if call.read_text().startswith(f"{EXIT_GROUP} "):
                text = Path(f"/proc/{pid}/maps").read_text(errors="surrogateescape")
                # On a busy machine the hold may end while the map is read, and then the map is torn.
                return {int(task): text} if text and call.read_text().startswith(f"{EXIT_GROUP} ") else {}
    except OSError:
        pass
    return {}


def without_results(log: str) -> str:
    """The log as if strace had told no results of its calls."""
    return "".join(RESULT.sub(r"\1", line) + "\n" for line in log.splitlines())


def needs(program: str) -> None:
    """Skip where a program is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
