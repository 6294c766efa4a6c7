"""The figures of 2.6.32's badness() of live children, against what the kernel tells of each by other ways."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from memtui.draw.oom_old_table import OldOomTable
from memtui.draw.run import plain
from memtui.live.source import LiveSource
from memtui.model.oom_legacy import OOM_DISABLE, badness_2_6_32
from memtui.model.request import ShowOldRule

pytestmark = pytest.mark.oracle

PARENT = """
import os, sys
for _ in range(3):
    if os.fork() == 0:
        os.read(0, 1)
        os._exit(0)
os.nice(7)
x = 0
while sum(os.times()[:2]) < 0.3:
    x += 1
print("ready", flush=True)
os.read(0, 1)
"""


def test_a_niced_busy_parent_of_three() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdout.readline()
            Path(f"/proc/{process.pid}/oom_score_adj").write_text("118")
            snapshot = LiveSource(None).apply(ShowOldRule())
            told = snapshot.legacy[process.pid]
            known = psutil.Process(process.pid)
            children = known.children()
            page = resource.getpagesize()
            assert told.total_vm == known.memory_info().vms // page
            assert sorted(told.children) == sorted(child.memory_info().vms // page for child in children)
            assert len(children) == 3
            assert (told.nice, told.oom_adj) == (known.nice(), int(Path(f"/proc/{process.pid}/oom_adj").read_text()))
            times = known.cpu_times()
            assert abs(told.cpu_jiffies / os.sysconf("SC_CLK_TCK") - times.user - times.system) <= 0.05
            assert told.cpu_jiffies >= 28
            assert told.sys_admin == (os.geteuid() == 0)
            points = told.total_vm + sum(pages // 2 + 1 for pages in told.children)
            points *= 2
            for _ in range(2 if told.sys_admin else 0):
                points //= 4
            assert badness_2_6_32(told, 100) == max(points, 1) << told.oom_adj
        finally:
            process.stdin.close()


def test_the_table_ranks_every_process_that_has_memory() -> None:
    source = LiveSource(None)
    assert source.apply(ShowOldRule(wanted=False)).legacy == {}
    snapshot = source.apply(ShowOldRule())
    table = OldOomTable(snapshot, 120)
    points = [badness_2_6_32(snapshot.legacy[verdict.task.pid], 100) for verdict in table.verdicts]
    assert points == sorted(points, reverse=True)
    assert points
    assert all(snapshot.legacy[verdict.task.pid].oom_adj != OOM_DISABLE for verdict in table.verdicts)
    assert not any(verdict.task.never for verdict in table.verdicts)
    assert plain(table.row(1)).split()[2] == str(table.verdicts[0].task.pid)
    assert plain(table.row(len(table) - 1)).startswith("—")
