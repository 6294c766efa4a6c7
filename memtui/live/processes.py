"""Every process with the figures that the OOM killer reads, and processes found by name."""

import os
from collections.abc import Iterable
from typing import Final

from memtui.live.mounts import mount_of, parse_mountinfo
from memtui.live.procfs import Procfs
from memtui.live.status import Stat, Status, parse_stat, parse_status
from memtui.model.errors import AccessDenied, ProcessGone, SourceError
from memtui.model.task import Task

KERNEL_THREAD: Final = "kernel thread"
NO_MEMORY: Final = "exited: no memory"
_INIT_PID_NAMESPACE: Final = "pid:[4026531836]"
"""PROC_PID_INIT_INO of include/linux/proc_ns.h."""
_HIDING: Final = frozenset({"hidepid=2", "hidepid=invisible", "hidepid=4", "hidepid=ptraceable"})
_CLOSED: Final = frozenset({"hidepid=1", "hidepid=noaccess"})
_MANY: Final = 10
_KIB_A_PAGE: Final = 4


def mm_folder(procfs: Procfs, stat: Stat) -> str:
    """The folder whose maps and status tell of the address space: "4242", or "4242/task/4243".

    A main thread that exited before the others has no mm any more; the first thread that has one speaks for the
    process, as in find_lock_task_mm (mm/oom_kill.c).

    Raises:
        ProcessGone: it exited meanwhile.
    """
    if stat.state in "ZX" and stat.threads > 1:
        for thread in procfs.numbers(f"{stat.pid}/task"):
            folder = f"{stat.pid}/task/{thread}"
            if parse_status(procfs.read(f"{folder}/status")).counters.vm_size is not None:
                return folder
    return str(stat.pid)


def mm_thread(procfs: Procfs, pid: int) -> int:
    """The thread whose files below /proc tell of the address space of a process: the main one while it lives."""
    try:
        return int(mm_folder(procfs, parse_stat(procfs.read(f"{pid}/stat"))).rpartition("/")[2])
    except ProcessGone:
        return pid


def read_tasks(procfs: Procfs, pids: Iterable[int] | None = None, previous: Iterable[Task] = ()) -> tuple[Task, ...]:
    """The processes in the order of the kernel's walk: creation, that is start time and then pid.

    Args:
        procfs: the tree to read.
        pids: which processes, in the order in which the kernel walks them; None: all, by creation.
        previous: what was read before; a process whose figures did not change is the same object again.

    A process that exits while it is read is left out. One that hidepid lists but does not let be read has its pid and
    nothing else.
    """
    known = {task.pid: task for task in previous}
    has_init = sees_global_init(procfs)
    tasks = []
    for pid in procfs.numbers() if pids is None else pids:
        try:
            before = known.get(pid)
            task = read_task(procfs, pid, has_init=has_init, before=before)
        except ProcessGone:
            continue
        tasks.append(before if before is not None and before == task else task)
    if pids is None:
        return tuple(in_order(tasks))
    return tuple(tasks)


def read_task(procfs: Procfs, pid: int, *, has_init: bool = True, before: Task | None = None) -> Task:
    """One process.

    Args:
        procfs: the tree to read.
        pid: the process.
        has_init: whether pid 1 is the machine's init, and not that of a container.
        before: what was read of it before: a kernel thread has no figures that change.

    Raises:
        ProcessGone: there is none.
    """
    try:
        stat = parse_stat(procfs.read(f"{pid}/stat"))
        if before is not None and before.never == KERNEL_THREAD and before.start_time == stat.start_time:
            return before._replace(comm=stat.comm, state=stat.state, nice=stat.nice)
        status = parse_status(procfs.read(f"{mm_folder(procfs, stat)}/status"))
    except AccessDenied:
        return Task(pid, "")
    counters = status.counters
    rss = (counters.rss_anon, counters.rss_file, counters.rss_shmem)
    return Task(
        pid=pid,
        comm=stat.comm,
        ppid=stat.ppid,
        uid=status.uid,
        nice=stat.nice,
        state=stat.state,
        start_time=stat.start_time,
        total_vm=_pages(counters.vm_size),
        rss_pages=_pages(None if None in rss else sum(part or 0 for part in rss)),
        swap_pages=_pages(counters.vm_swap),
        pgtable_pages=_pages(None if counters.vm_pte is None else counters.vm_pte + status.vm_pmd),
        oom_score_adj=_number(procfs, f"{pid}/oom_score_adj"),
        sys_admin=status.sys_admin,
        kernel_oom_score=_number(procfs, f"{pid}/oom_score"),
        never=_never(stat, status, has_init=has_init),
    )


def out_of_sight(procfs: Procfs) -> str:
    """Which processes cannot be seen at all, or not their figures, and why; "" if all can."""
    try:
        mounts = parse_mountinfo(procfs.read("self/mountinfo"))
    except SourceError:
        mounts = ()
    proc = mount_of(mounts, procfs.root)
    options = frozenset() if proc is None or os.geteuid() == 0 else proc.options
    notes = []
    if options & _HIDING:
        notes.append("proc is mounted with hidepid: only root sees the processes of other users")
    if options & _CLOSED:
        notes.append("proc is mounted with hidepid: only root sees the figures of other users' processes")
    if not sees_global_init(procfs):
        notes.append("this is a pid namespace, a container: the processes outside of it are not seen")
    return "; ".join(notes)


def resolve(name_or_pid: str, procfs: Procfs | None = None) -> int:
    """The pid that is meant: a number, or a name (comm, or the last part of argv[0]) of another process than our own.

    Args:
        name_or_pid: what the user wrote. A number is given back unseen.
        procfs: the tree to search.

    Raises:
        ProcessGone: no process is called so.
        SourceError: several are; the message lists them.
    """
    if name_or_pid.isascii() and name_or_pid.isdecimal():
        return int(name_or_pid)
    procfs = procfs or Procfs()
    if not name_or_pid:
        raise ProcessGone("an empty name is no process's")
    wanted = name_or_pid.encode(errors="surrogateescape")
    found = [pid for pid in procfs.numbers() if pid != os.getpid() and wanted in _names(procfs, pid)]
    if not found:
        raise ProcessGone(f"no process is called {name_or_pid!r}", hint=out_of_sight(procfs))
    if len(found) > 1:
        pids = ", ".join(map(str, found[:_MANY])) + (", ..." if len(found) > _MANY else "")
        raise SourceError(f"{len(found)} processes are called {name_or_pid!r}: {pids}", hint="choose one by its pid")
    return found[0]


def _names(procfs: Procfs, pid: int) -> tuple[bytes, ...]:
    try:
        comm = procfs.read(f"{pid}/comm").removesuffix(b"\n")
        program = procfs.read(f"{pid}/cmdline").split(b"\0")[0].rpartition(b"/")[2]
    except SourceError:
        return ()
    return comm, program


def in_order(tasks: Iterable[Task]) -> list[Task]:
    """By creation: start time, and then pid."""
    return sorted(tasks, key=lambda task: (task.start_time is None, task.start_time, task.pid))


def sees_global_init(procfs: Procfs) -> bool:
    """Whether pid 1 is the machine's init, and not that of a container."""
    try:
        return procfs.readlink("self/ns/pid") == _INIT_PID_NAMESPACE
    except SourceError:
        return True


def _never(stat: Stat, status: Status, *, has_init: bool) -> str | None:
    """oom_unkillable_task and "no mm in any thread" of mm/oom_kill.c, in this order."""
    if stat.pid == 1 and has_init:
        return "global init"
    if stat.is_kernel_thread:
        return KERNEL_THREAD
    return NO_MEMORY if status.counters.vm_size is None else None


def _pages(kib: int | None) -> int | None:
    return None if kib is None else kib // _KIB_A_PAGE


def _number(procfs: Procfs, name: str) -> int | None:
    try:
        return int(procfs.read(name))
    except ProcessGone:
        raise
    except (SourceError, ValueError):
        return None


def read_commands(procfs: Procfs, pids: Iterable[int]) -> dict[int, str]:
    """The command line of each that has one and lets it be read, its program without the folders."""
    found = {}
    for pid in pids:
        try:
            text = procfs.read(f"{pid}/cmdline").decode(errors="surrogateescape")
        except SourceError:
            continue
        program, *arguments = text.rstrip("\0").split("\0")
        if program:
            found[pid] = " ".join((program.rpartition("/")[2] or program, *arguments))
    return found
