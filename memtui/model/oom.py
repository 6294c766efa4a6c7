"""Models mm/oom_kill.c and fs/proc/base.c (6.18, older ones by `OomRule`): who dies next."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from memtui.model.oom_rule import NOW, OomRule
from memtui.model.task import Task

OOM_SCORE_ADJ_MIN: Final = -1000
OOM_SCORE_ADJ_MAX: Final = 1000


def badness(task: Task, totalpages: int, rule: OomRule = NOW) -> int | None:
    """oom_badness(): pages, before 3.5 thousandths of `totalpages`.

    None when the task is never killed or a figure is missing (see `why_none`).
    """
    used, adj = usage(task, rule), task.oom_score_adj
    if why_none(task, rule) is not None or used is None or adj is None:
        return None
    if rule.in_thousandths:
        used = used * 1000 // max(totalpages, 1)
        return min(max(used - forgiven(task, used, rule) + adj - root_adj(task, rule), 1), 1000)
    points = used - forgiven(task, used, rule) + (adj - root_adj(task, rule)) * (totalpages // 1000)
    return max(points, 1) if rule.at_least_one else points


def usage(task: Task, rule: OomRule = NOW) -> int | None:
    """What a process would set free, pages: RAM, swap and, since 2.6.39, page tables. None: a figure is missing."""
    figures = (task.rss_pages, task.swap_pages, task.pgtable_pages if rule.table_levels else 0)
    return None if None in figures else sum(figure or 0 for figure in figures)


def forgiven(task: Task, used: int, rule: OomRule) -> int:
    """What of `used`, pages or thousandths, does not count because the task has CAP_SYS_ADMIN."""
    return used * rule.root_bonus // 100 if task.sys_admin else 0


def root_adj(task: Task, rule: OomRule) -> int:
    """What CAP_SYS_ADMIN takes off oom_score_adj."""
    return rule.root_adj if task.sys_admin else 0


def why_none(task: Task, rule: OomRule = NOW) -> str | None:
    """Why `badness` has no figure for this task, or None if it has one."""
    if task.never is not None:
        return task.never
    if task.oom_score_adj == OOM_SCORE_ADJ_MIN:
        return "oom_score_adj is -1000"
    if task.oom_score_adj is None or usage(task, rule) is None:
        return "its figures could not be read"
    return "whether it has CAP_SYS_ADMIN is not known" if rule.asks_for_root and task.sys_admin is None else None


def oom_score(points: int | None, totalpages: int, rule: OomRule = NOW) -> int:
    """What /proc/PID/oom_score prints for these points: 0 for never; since 5.9 around 666 for a small process.

    Source: proc_oom_score, fs/proc/base.c; C division truncates towards zero.
    """
    if points is None:
        return 0
    if rule.in_thousandths:
        return points
    share = _divide(points * 1000, totalpages)
    return share if rule.at_least_one else _divide((1000 + share) * 2, 3)


def _divide(dividend: int, divisor: int) -> int:
    quotient = abs(dividend) // divisor
    return quotient if dividend >= 0 else -quotient


class Verdict(NamedTuple):
    """One row of the ranking."""

    task: Task
    points: int | None
    """Pages (before 3.5 thousandths) against the domain's total; None: never killed, or unknown."""
    oom_score: int | None
    """By the kernel's formula against RAM + swap; None: a figure is missing."""
    why_not: str | None
    """Why there are no points."""


def rank(tasks: Iterable[Task], domain_pages: int, totalpages: int, rule: OomRule = NOW) -> tuple[Verdict, ...]:
    """The tasks in the order in which the kernel would choose them; those that it never kills come last.

    Args:
        tasks: in the order of the kernel's walk (creation): on a tie the later one dies (`>=` in
            oom_evaluate_task), before 5.3 the earlier one.
        domain_pages: what points are measured against: RAM + swap, or the memory cgroup's limit, pages.
        totalpages: RAM + swap of the machine, pages, which /proc/PID/oom_score always uses.
        rule: of the kernel.
    """
    rows = []
    for place, task in enumerate(tasks):
        why = why_none(task, rule)
        points = badness(task, domain_pages, rule)
        known = task.never is not None or task.oom_score_adj == OOM_SCORE_ADJ_MIN or why is None
        score = oom_score(badness(task, totalpages, rule), totalpages, rule) if known else None
        order = -place if rule.earlier_of_equals else place
        rows.append(((points is not None, points or 0, order), Verdict(task, points, score, why)))
    rows.sort(key=lambda row: row[0], reverse=True)
    return tuple(verdict for _, verdict in rows)


def victim_of(
    ranking: Sequence[Verdict], rule: OomRule = NOW, shares: Callable[[Task, Task], bool] = lambda parent, child: False
) -> Verdict | None:
    """Who dies: the first one; before 5.2 its child with the most points in its place. None: nobody can be killed.

    Args:
        ranking: the first to be chosen first.
        rule: of the kernel.
        shares: whether a child has its parent's memory, and so is no help; who cannot tell takes it for having its own.
    """
    if not ranking or ranking[0].points is None:
        return None
    chosen = ranking[0]
    if not rule.child_dies:
        return chosen
    children = [row for row in ranking if row.task.ppid == chosen.task.pid and row.points is not None]
    children = [row for row in children if not shares(chosen.task, row.task)]
    return children[0] if children else chosen


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
