"""Models badness() of mm/oom_kill.c in Linux 2.6.32: whom the OOM killer took before 2.6.36, and the old oom_adj."""

from collections.abc import Iterable, Sequence
from math import isqrt
from typing import Final, NamedTuple

OOM_DISABLE: Final = -17
OOM_ADJUST_MIN: Final = -16
OOM_ADJUST_MAX: Final = 15
OOM_SCORE_ADJ_MAX: Final = 1000
_SHIFT_HZ: Final = {100: 7, 250: 8, 300: 8, 1000: 10}
"""SHIFT_HZ of a jiffy clock (include/linux/jiffies.h)."""


class LegacyTask(NamedTuple):
    """What badness() of 2.6.32 read of a process. Pages, jiffies, seconds."""

    pid: int
    comm: str
    total_vm: int
    """Pages of address space, resident or not."""
    children: tuple[int, ...] = ()
    """total_vm of each child that has an address space of its own."""
    cpu_jiffies: int = 0
    """utime + stime of all its threads."""
    run_seconds: int = 0
    """Since it started."""
    nice: int = 0
    sys_admin: bool = False
    """CAP_SYS_ADMIN or CAP_SYS_RESOURCE."""
    sys_rawio: bool = False
    oom_adj: int = 0
    other_nodes: bool = False
    """It shares no memory node with the task that allocates."""


class Term(NamedTuple):
    """One line of the arithmetic."""

    what: str
    points: int
    """Behind it."""


def badness_2_6_32(task: LegacyTask, hz: int = 250) -> int:
    """The points: the highest dies, 0 is never killed."""
    return arithmetic(task, hz)[-1].points


def arithmetic(task: LegacyTask, hz: int = 250) -> tuple[Term, ...]:
    """badness() line by line, unsigned and rounded down as there."""
    if task.oom_adj == OOM_DISABLE:
        return (Term("oom_adj is -17: never", 0),)
    terms = [Term("total_vm", task.total_vm)]
    if task.children:
        extra = sum(pages // 2 + 1 for pages in task.children)
        terms.append(Term(f"+ half of {len(task.children)} children", terms[-1].points + extra))
    cpu_time = task.cpu_jiffies >> (_SHIFT_HZ.get(hz, 8) + 3)
    if cpu_time:
        terms.append(Term(f"/ root of CPU time {cpu_time}", terms[-1].points // isqrt(cpu_time)))
    run_time = task.run_seconds >> 10
    if run_time:
        terms.append(Term(f"/ fourth root of run time {run_time}", terms[-1].points // isqrt(isqrt(run_time))))
    factors = (
        (task.nice > 0, "niced: x 2", 2, 1),
        (task.sys_admin, "CAP_SYS_ADMIN or CAP_SYS_RESOURCE: / 4", 1, 4),
        (task.sys_rawio, "CAP_SYS_RAWIO: / 4", 1, 4),
        (task.other_nodes, "memory of other nodes: / 8", 1, 8),
    )
    for applies, what, times, parts in factors:
        if applies:
            terms.append(Term(what, terms[-1].points * times // parts))
    if task.oom_adj > 0:
        terms.append(Term(f"oom_adj: << {task.oom_adj}", max(terms[-1].points, 1) << task.oom_adj))
    elif task.oom_adj < 0:
        terms.append(Term(f"oom_adj: >> {-task.oom_adj}", terms[-1].points >> -task.oom_adj))
    return tuple(terms)


def select(tasks: Iterable[LegacyTask], hz: int = 250) -> LegacyTask | None:
    """select_bad_process(): the highest points, the earlier of equals; None: nobody can be killed."""
    chosen, most = None, 0
    for task in tasks:
        points = badness_2_6_32(task, hz)
        if points > most:
            chosen, most = task, points
    return chosen


def sacrifice(chosen: LegacyTask, children: Sequence[LegacyTask]) -> LegacyTask:
    """oom_kill_process(): the first child with an address space of its own dies in its parent's place."""
    return next((child for child in children if child.oom_adj != OOM_DISABLE), chosen)


def score_adj_of(oom_adj: int) -> int:
    """oom_adj_write(), fs/proc/base.c since 2.6.36: what writing the old oom_adj makes of oom_score_adj."""
    if oom_adj == OOM_ADJUST_MAX:
        return OOM_SCORE_ADJ_MAX
    scaled = abs(oom_adj) * OOM_SCORE_ADJ_MAX // -OOM_DISABLE
    return scaled if oom_adj >= 0 else -scaled


def oom_adj_of(oom_score_adj: int) -> int:
    """oom_adj_read(): what the old file says of an oom_score_adj; no round trip."""
    if oom_score_adj == OOM_SCORE_ADJ_MAX:
        return OOM_ADJUST_MAX
    scaled = abs(oom_score_adj) * -OOM_DISABLE // OOM_SCORE_ADJ_MAX
    return min(scaled if oom_score_adj >= 0 else -scaled, OOM_ADJUST_MAX)
