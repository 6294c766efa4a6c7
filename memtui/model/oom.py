"""Models mm/oom_kill.c and fs/proc/base.c (6.18): who dies next, by the kernel's own arithmetic."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from memtui.model.task import Task

OOM_SCORE_ADJ_MIN: Final = -1000
OOM_SCORE_ADJ_MAX: Final = 1000


def badness(task: Task, totalpages: int) -> int | None:
    """oom_badness() in pages; None when the task is never killed or a figure is missing (see `why_none`)."""
    rss, swap, pgtables, adj = task.rss_pages, task.swap_pages, task.pgtable_pages, task.oom_score_adj
    if why_none(task) is not None or rss is None or swap is None or pgtables is None or adj is None:
        return None
    return rss + swap + pgtables + adj * (totalpages // 1000)


def why_none(task: Task) -> str | None:
    """Why `badness` has no figure for this task, or None if it has one."""
    if task.never is not None:
        return task.never
    if task.oom_score_adj == OOM_SCORE_ADJ_MIN:
        return "oom_score_adj is -1000"
    figures = (task.rss_pages, task.swap_pages, task.pgtable_pages, task.oom_score_adj)
    return "its figures could not be read" if None in figures else None


def oom_score(points: int | None, totalpages: int) -> int:
    """What /proc/PID/oom_score prints for these points: 0 for never, else around 666 for a small process.

    Source: proc_oom_score, fs/proc/base.c; C division truncates towards zero.
    """
    if points is None:
        return 0
    return _divide((1000 + _divide(points * 1000, totalpages)) * 2, 3)


def _divide(dividend: int, divisor: int) -> int:
    quotient = abs(dividend) // divisor
    return quotient if dividend >= 0 else -quotient


class Verdict(NamedTuple):
    """One row of the ranking."""

    task: Task
    points: int | None
    """Pages against the domain's total; None: never killed, or unknown."""
    oom_score: int | None
    """By the kernel's formula against RAM + swap; None: a figure is missing."""
    why_not: str | None
    """Why there are no points."""


def rank(tasks: Iterable[Task], domain_pages: int, totalpages: int) -> tuple[Verdict, ...]:
    """The tasks in the order in which the kernel would kill them; those that it never kills come last.

    Args:
        tasks: in the order of the kernel's walk (creation): on a tie the later one dies (`>=` in
            oom_evaluate_task).
        domain_pages: what points are measured against: RAM + swap, or the memory cgroup's limit, pages.
        totalpages: RAM + swap of the machine, pages, which /proc/PID/oom_score always uses.
    """
    rows = []
    for order, task in enumerate(tasks):
        why = why_none(task)
        points = badness(task, domain_pages)
        known = task.never is not None or task.oom_score_adj == OOM_SCORE_ADJ_MIN or why is None
        score = oom_score(badness(task, totalpages), totalpages) if known else None
        rows.append(((points is not None, points or 0, order), Verdict(task, points, score, why)))
    rows.sort(key=lambda row: row[0], reverse=True)
    return tuple(verdict for _, verdict in rows)


class OomDomain(NamedTuple):
    """Among whom the killer chooses: the machine, or one memory cgroup."""

    name: str | None
    """The cgroup's path relative to its mount; None: the machine."""
    pages: int
    """The total that points are measured against, pages."""
    why: str
    """Where `pages` comes from: "RAM + swap", "memory.limit_in_bytes", ..."""
    members: tuple[int, ...] | None = None
    """Pids of a group's processes in the order of joining, which is that of the killer's walk; None: every task."""
