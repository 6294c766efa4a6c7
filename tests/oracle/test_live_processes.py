"""What the live source says of real processes, beside pmap -X, smaps_rollup and the kernel's own oom_score."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from memtui.live.processes import read_tasks
from memtui.live.procfs import Procfs
from memtui.live.smaps import parse_rollup
from memtui.live.source import LiveSource
from memtui.model.errors import SourceError
from memtui.model.mm import MmSnapshot
from memtui.model.oom import badness, oom_score
from memtui.model.pages import Residence
from memtui.model.request import Measure, Refresh
from memtui.model.task import Task

pytestmark = pytest.mark.oracle

PYTHON = """
import asyncio, concurrent.futures, ctypes, decimal, email, http.server, json, lzma, multiprocessing, sqlite3, ssl, \
    unittest, xml.etree.ElementTree, zoneinfo
blocks = [bytearray(1 << 18) for _ in range(200)]
print("ready", flush=True)
input()
"""
NODE = """
const blocks = []; for (let i = 0; i < 200; i++) blocks.push(Buffer.alloc(1 << 18, 1));
console.log("ready"); process.stdin.once("data", () => process.exit(0));
"""
COMMANDS = {"python": [sys.executable, "-c", PYTHON], "node": ["node", "-e", NODE]}
RSS = (Residence.ANON, Residence.PAGE_CACHE, Residence.SHMEM)
STOOD_STILL = 20
"""How often a process that moves is looked at."""


@pytest.fixture(autouse=True)
def always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that moves is read anew at each look, however busy the machine is."""
    monkeypatch.setattr("memtui.live.pace.FREE", float("inf"))


@pytest.fixture(params=sorted(COMMANDS))
def pid(request: pytest.FixtureRequest) -> Iterator[int]:
    command = COMMANDS[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} is installed")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        process.communicate(b"\n")


def pmap_rows(pid: int) -> list[tuple[int, str, int, int, int]]:
    """Address, perms, offset, inode and size in KiB of each row, as `pmap -X` lists them."""
    rows = []
    for line in subprocess.run(["pmap", "-X", str(pid)], stdout=subprocess.PIPE, check=True).stdout.splitlines()[2:]:
        fields = line.split()
        if len(fields) < 6 or not fields[1].endswith((b"p", b"s")):
            continue
        rows.append((int(fields[0], 16), fields[1].decode(), int(fields[2], 16), int(fields[4]), int(fields[5])))
    return rows


def rows_of(mm: MmSnapshot) -> list[tuple[int, str, int, int, int]]:
    return [(vma.start, vma.perms, vma.offset, vma.inode, vma.size // 1024) for vma in mm.vmas]


def test_the_vmas_are_those_of_pmap(pid):
    if shutil.which("pmap") is None:
        pytest.skip("no pmap is installed")
    source = LiveSource(pid)
    for _ in range(STOOD_STILL):
        mm = source.apply(Refresh()).mm
        listed = pmap_rows(pid)
        if rows_of(mm) == listed:
            break
    assert rows_of(mm) == listed
    assert len(listed) > 80


def test_the_sums_are_those_of_the_rollup(pid):
    source = LiveSource(pid)
    for _ in range(STOOD_STILL):
        mm = source.apply(Measure()).mm
        rollup = parse_rollup(Procfs().read(f"{pid}/smaps_rollup"))
        figures = {
            "Rss": sum(vma.smaps.rss for vma in mm.vmas),
            "Anonymous": sum(vma.smaps.anonymous for vma in mm.vmas),
            "Swap": sum(vma.smaps.swap for vma in mm.vmas),
        }
        runs = sum(run.pages * 4 for vma in mm.vmas for run in vma.runs if run.residence in RSS)
        if runs == rollup["Rss"] and figures == {name: rollup[name] for name in figures}:
            break
    assert figures == {name: rollup[name] for name in figures}
    assert runs == rollup["Rss"]
    assert runs > 50 << 10


def bounds(task: Task, totalpages: int) -> tuple[int, int]:
    """The least and the largest score that the kernel may print.

    status sums the per-CPU counters, oom_badness reads the shared part alone: each of the four counters is off by at
    most 31 pages a CPU (percpu_counter_batch of lib/percpu_counter.c is max(32, 2 * CPUs); the rest stays below it).
    """
    batch = max(32, 2 * (os.cpu_count() or 1)) - 1
    slack = 4 * batch * (os.cpu_count() or 1)
    points = badness(task, totalpages)
    if points is None:
        return 0, 0
    return oom_score(points - slack, totalpages), oom_score(points + slack, totalpages)


def wrong(task: Task, totalpages: int) -> bool:
    least, largest = bounds(task, totalpages)
    return task.kernel_oom_score is None or not least <= task.kernel_oom_score <= largest


def test_every_oom_score_of_this_machine_is_the_computed_one():
    procfs = Procfs()
    totalpages = LiveSource(None).apply(Refresh()).system.totalpages
    assert totalpages
    suspects = [task.pid for task in read_tasks(procfs)]
    assert suspects
    for _ in range(STOOD_STILL):
        # A process that allocates, execs or exits between the files is looked at again.
        suspects = [task.pid for task in read_tasks(procfs, suspects) if wrong(task, totalpages)]
        if not suspects:
            break
    assert suspects == []


@pytest.mark.parametrize("adj", [1, 7, 100, 500, 999, 1000])
def test_oom_score_of_a_child_with_each_adj(adj):
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            procfs = Procfs()
            procfs.write(f"{child.pid}/oom_score_adj", str(adj), hint="own child")
            source = LiveSource(child.pid)
            for _ in range(STOOD_STILL):
                snapshot = source.apply(Refresh())
                task = next(task for task in snapshot.tasks if task.pid == child.pid)
                if not wrong(task, snapshot.system.totalpages):
                    break
            assert not wrong(task, snapshot.system.totalpages), task
            assert task.oom_score_adj == adj
        finally:
            child.kill()


def test_every_process_of_this_machine_is_shown_or_refused_in_one_line():
    shown, refused = [], {}
    for task in read_tasks(Procfs()):
        try:
            shown.append(LiveSource(task.pid, smaps=False).apply(Refresh()).mm)
        except SourceError as error:
            refused[task.pid] = str(error)
    assert shown
    for mm in shown:
        assert mm.vmas
        assert all(vma.runs is not None for vma in mm.vmas), mm.unknown
    for pid, line in refused.items():
        assert str(pid) in line
        assert "\n" not in line
