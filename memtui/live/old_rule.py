"""What the OOM killer of 2.6.32 would read of the processes of today (mm/oom_kill.c, badness())."""

import os
import time
from collections.abc import Iterable
from typing import Final

from memtui.live.procfs import Procfs
from memtui.live.status import CAP_SYS_ADMIN, parse_capabilities, parse_cpu_ticks
from memtui.model.errors import SourceError
from memtui.model.oom_legacy import LegacyTask, oom_adj_of
from memtui.model.task import Task

CAP_SYS_RAWIO: Final = 1 << 17
CAP_SYS_RESOURCE: Final = 1 << 24
"""Bits of CapEff (include/uapi/linux/capability.h)."""


def clock_ticks() -> int:
    """In which stat counts time: jiffies of a kernel with this HZ."""
    return os.sysconf("SC_CLK_TCK")


def read_legacy(procfs: Procfs, tasks: Iterable[Task]) -> dict[int, LegacyTask]:
    """By pid. Who has no address space, and who exits meanwhile, is left out."""
    tasks = tuple(tasks)
    children: dict[int, list[int]] = {}
    for task in tasks:
        if task.ppid is not None and task.total_vm:
            children.setdefault(task.ppid, []).append(task.total_vm)
    uptime, hz = time.clock_gettime(time.CLOCK_BOOTTIME), clock_ticks()
    found = {}
    for task in tasks:
        if task.never is not None or task.total_vm is None or task.start_time is None:
            continue
        try:
            jiffies = parse_cpu_ticks(procfs.read(f"{task.pid}/stat"))
            capabilities = parse_capabilities(procfs.read(f"{task.pid}/status")) or 0
        except SourceError:
            continue
        found[task.pid] = LegacyTask(
            pid=task.pid,
            comm=task.comm,
            total_vm=task.total_vm,
            children=tuple(children.get(task.pid, ())),
            cpu_jiffies=jiffies,
            run_seconds=max(int(uptime - task.start_time / hz), 0),
            nice=task.nice or 0,
            sys_admin=bool(capabilities & (CAP_SYS_ADMIN | CAP_SYS_RESOURCE)),
            sys_rawio=bool(capabilities & CAP_SYS_RAWIO),
            oom_adj=oom_adj_of(task.oom_score_adj or 0),
        )
    return found
