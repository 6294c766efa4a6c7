"""Replays what strace recorded on this machine: every result is predicted."""

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from memtui.draw.trace_text import trace_text
from memtui.elf_reader import read_elf
from memtui.live.host import LiveHost
from memtui.model.event import EventKind
from memtui.model.request import Seek
from memtui.model.snapshot import Snapshot
from memtui.sim.source import SimSource
from memtui.trace.parser import parse

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(not platform.release().startswith("6.18"), reason="predicted exactly is Linux 6.18"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.skipif(shutil.which("setarch") is None, reason="setarch is not installed"),
]
ALONE = ["cat /etc/hostname", "ls -la /", "bash -c 'echo hello'", "find /etc -maxdepth 1", "awk BEGIN{print}"]
FAMILIES = ["ls / | cat", "for i in 1 2 3; do /bin/true; done", "(sleep 0; cat /etc/hostname) & wait"]


def record(tmp_path: Path, command: str, *options: str, aslr: bool = False) -> str:
    """The log of a shell command in an empty environment."""
    log = tmp_path / "log"
    start = [] if aslr else ["setarch", "-R"]
    whole = [*start, "env", "-i", "PATH=/usr/bin:/bin", "strace", *options, "-o", str(log), "/bin/sh", "-c", command]
    done = subprocess.run(whole, capture_output=True, check=False)
    if not log.exists() or not log.stat().st_size:
        pytest.skip(f"strace does not work here: {done.stderr.decode().strip()}")
    return log.read_text()


def replay(log: str) -> Snapshot:
    source = SimSource(parse(log, "log"), LiveHost(read_elf), "log")
    snapshot = source.apply(Seek(1 << 62))
    source._machine.check()
    return snapshot


def divergences(snapshot: Snapshot) -> list[str]:
    assert snapshot.steps is not None
    return [
        f"{step.number} {step.text}: {event.text}"
        for step in snapshot.steps.steps
        for event in step.events
        if event.kind is EventKind.DIVERGENCE
    ]


@pytest.mark.parametrize("command", ALONE)
def test_the_log_of_one_process_comes_out_as_it_went_in(tmp_path: Path, command: str):
    log = record(tmp_path, f"exec {command}")
    snapshot = replay(log)
    assert divergences(snapshot) == []
    assert trace_text(snapshot.steps) == log


@pytest.mark.parametrize("command", FAMILIES)
def test_every_process_of_a_family_is_predicted(tmp_path: Path, command: str):
    snapshot = replay(record(tmp_path, command, "-f"))
    assert divergences(snapshot) == []
    assert snapshot.tasks == ()
    assert snapshot.system.meminfo["AnonPages"] == 0
    assert snapshot.system.meminfo["Committed_AS"] == 0


def test_a_whole_environment_is_heeded(tmp_path: Path):
    assert divergences(replay(record(tmp_path, "exec /bin/true", "-v", "-s", "4096"))) == []


def test_a_log_with_aslr_differs_at_most_three_times_a_program(tmp_path: Path):
    """The first break, the first mapping and the program's own place are random; the rest follows from them."""
    log = record(tmp_path, "exec ls -la /", aslr=True)
    programs = len(re.findall(r"^execve\(.*= 0$", log, re.MULTILINE))
    assert len(divergences(replay(log))) <= 3 * programs
