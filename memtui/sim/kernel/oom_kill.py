"""Models mm/oom_kill.c (6.18, older rules by profile): who dies when no page can be freed.

The victim's memory is free at once, as if it exited before anybody asks again; the reaper, which would take its private
pages 2 s later if it were stuck, has nothing left to do. A note says what it could have taken.
"""

from typing import TYPE_CHECKING, NoReturn

from memtui.model.event import Event, EventKind
from memtui.model.oom import OOM_SCORE_ADJ_MIN, badness, forgiven, rank, root_adj, usage, victim_of, why_none
from memtui.model.oom_legacy import LegacyTask, arithmetic, oom_adj_of, sacrifice, select
from memtui.model.oom_rule import OomRule
from memtui.model.task import Task as Figures
from memtui.sim.kernel import exit as kernel_exit
from memtui.sim.kernel import oom_reap
from memtui.sim.kernel.outcome import Fault
from memtui.sim.kernel.task import CAP_SYS_ADMIN, CAP_SYS_RAWIO, CAP_SYS_RESOURCE, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtui.sim.kernel.kernel import Kernel

_HZ = 250


def figures(kernel: "Kernel", task: Task) -> Figures:
    """What the OOM killer and the screens read of a process."""
    mm = task.mm
    never = "global init" if task.pid == 1 else "in vfork" if task.in_vfork else None
    return Figures(
        pid=task.pid,
        comm=task.comm,
        ppid=task.ppid,
        uid=task.uid,
        nice=task.nice,
        total_vm=mm.total_vm,
        rss_pages=mm.rss,
        swap_pages=mm.swap_pages,
        pgtable_pages=mm.pages.tables_up_to(kernel.profile.oom_rule.table_levels),
        oom_score_adj=task.oom_score_adj,
        sys_admin=task.capable(CAP_SYS_ADMIN),
        min_flt=task.min_flt,
        maj_flt=task.maj_flt,
        never=never,
    )


def processes(kernel: "Kernel") -> list[Task]:
    """The thread group leaders in the order of creation: the kernel's walk."""
    return [task for task in kernel.tasks.values() if task.pid == task.tgid and not task.dying]


def legacy_figures(kernel: "Kernel", task: Task) -> LegacyTask:
    """What 2.6.32 read, at 250 jiffies a second. Time passes only in steps that say so."""
    children = [
        child for child in processes(kernel) if child.ppid == task.pid and child is not task and child.mm is not task.mm
    ]
    return LegacyTask(
        pid=task.pid,
        comm=task.comm,
        total_vm=task.mm.total_vm,
        children=tuple(child.mm.total_vm for child in children),
        cpu_jiffies=_HZ * sum(thread.cpu_seconds for thread in kernel.tasks.values() if thread.tgid == task.tgid),
        run_seconds=kernel.seconds - task.started,
        nice=task.nice,
        sys_admin=task.capable(CAP_SYS_ADMIN) or task.capable(CAP_SYS_RESOURCE),
        sys_rawio=task.capable(CAP_SYS_RAWIO),
        oom_adj=oom_adj_of(task.oom_score_adj),
    )


def out_of_memory(kernel: "Kernel", current: Task) -> None:
    """Kill somebody; memory is free afterwards, or `current` is marked as dying.

    Raises:
        Fault: nobody could be killed: the kernel panics, and the step ends.
    """
    if kernel.sysctl["oom_kill_allocating_task"] and why_none(figures(kernel, current)) is None:
        _kill(kernel, current, current, ["vm.oom_kill_allocating_task: whoever asks is killed"])
    elif kernel.profile.legacy_badness:
        _select_legacy(kernel, current)
    else:
        _select(kernel, current, processes(kernel), kernel.totalram_pages + kernel.total_swap_pages, "RAM + swap")


def out_of_memory_in(
    kernel: "Kernel", current: Task, group: str, members: "Sequence[Task]", total: int, why_total: str
) -> None:
    """mem_cgroup_out_of_memory(): the same among the processes of one memory cgroup.

    Args:
        kernel: whose they are.
        current: who asks for pages.
        group: its name.
        members: in the order of joining.
        total: pages that points are measured against.
        why_total: where that comes from.

    Raises:
        Fault: nobody in the group could be killed.
    """
    leaders = [task for task in members if task.pid == task.tgid and not task.dying]
    _select(kernel, current, leaders, total, why_total, group)


def _select(
    kernel: "Kernel", current: Task, tasks: "Sequence[Task]", total: int, why_total: str, group: str = ""
) -> None:
    """select_bad_process(): the most points; of equals the one created last, in a group the one that joined last."""
    rule = kernel.profile.oom_rule
    candidates = [figures(kernel, task) for task in tasks]
    ranking = rank(candidates, total, kernel.totalram_pages + kernel.total_swap_pages, rule)
    if not ranking or ranking[0].points is None:
        _nobody(kernel, group) if group else _panic(kernel, current)
    first = ranking[0]
    ties = [row.task.pid for row in ranking if row.points == first.points]
    lines = [f"of {total:,} pages ({why_total})", _arithmetic(first.task, total, rule)]
    if len(ties) > 1:
        came, nth = "joined" if group else "created", "first" if rule.earlier_of_equals else "last"
        lines.append(f"{len(ties)} processes have as many: of equals the one {came} {nth} dies")
    behind = [row for row in ranking[len(ties) : len(ties) + 1] if row.points is not None]
    lines += [f"next would be {row.task.pid} ({row.task.comm}) with {row.points:,}" for row in behind]
    spared = [row for row in ranking if row.points is None]
    if spared:
        lines.append("never killed: " + ", ".join(f"{row.task.pid} ({row.why_not})" for row in spared))
    then = None if group else select(legacy_figures(kernel, task) for task in tasks if task.pid != 1)
    if then is not None:
        terms = ", ".join(f"{term.what} {term.points:,}" for term in arithmetic(then))
        lines.append(f"Linux 2.6.32 would have chosen {then.pid} ({then.comm}): {terms}")
    dies = victim_of(ranking, rule, lambda parent, child: kernel.tasks[parent.pid].mm is kernel.tasks[child.pid].mm)
    victim = kernel.tasks[(dies or first).task.pid]
    if victim.pid != first.task.pid:
        lines.append(f"its child {victim.pid} dies in its place")
    together = _oom_group(kernel, victim)
    _kill(kernel, current, victim, lines, group)
    for task in together:
        if task.pid in kernel.tasks and not task.dying:
            _kill(kernel, current, task, [f"memory.oom.group: it dies with process {victim.pid}"], group)


def _oom_group(kernel: "Kernel", victim: Task) -> list[Task]:
    """mem_cgroup_get_oom_group() and oom_kill_memcg_member(): who dies with the victim, if its group says so."""
    group = next((group for group in kernel.memcgs.values() if victim in group.members), None)
    if group is None or not group.oom_group:
        return []
    leaders = [task for task in group.members if task.pid == task.tgid and task is not victim]
    return [task for task in leaders if task.oom_score_adj != OOM_SCORE_ADJ_MIN and task.pid != 1]


def _arithmetic(task: Figures, total: int, rule: OomRule) -> str:
    points = badness(task, total, rule)
    tables = f" + page tables {task.pgtable_pages:,}" if rule.table_levels else ""
    text = f"rss {task.rss_pages:,} + swap {task.swap_pages:,}{tables}"
    used = usage(task, rule) or 0
    if rule.in_thousandths:
        used = used * 1000 // max(total, 1)
        text = f"({text}) x 1000 / {total:,} = {used}"
    spared = forgiven(task, used, rule)
    if spared:
        text += f" - {rule.root_bonus} % for CAP_SYS_ADMIN {spared:,}"
    adj = (task.oom_score_adj or 0) - root_adj(task, rule)
    text += f" + adj {adj}" if rule.in_thousandths else f" + adj {adj} x {total // 1000:,}"
    return f"{text} = {points:,} points"


def _select_legacy(kernel: "Kernel", current: Task) -> None:
    """2.6.32: address space, children, age and rights; a child dies in its parent's place."""
    tasks = [task for task in processes(kernel) if task.pid != 1]
    known = {task.pid: legacy_figures(kernel, task) for task in tasks}
    chosen = select(known.values())
    if chosen is None:
        _panic(kernel, current)
    terms = ", ".join(f"{term.what} {term.points:,}" for term in arithmetic(chosen))
    lines = [f"2.6.32 badness of {chosen.pid} ({chosen.comm}): {terms}"]
    parent = kernel.tasks[chosen.pid]
    children = [known[task.pid] for task in tasks if task.ppid == chosen.pid and task.mm is not parent.mm]
    victim = sacrifice(chosen, children)
    if victim is not chosen:
        lines.append(f"its child {victim.pid} dies in its place")
    _kill(kernel, current, kernel.tasks[victim.pid], lines)


def _panic(kernel: "Kernel", current: Task) -> NoReturn:
    text = "Out of memory and no killable processes: the kernel panics; here the step just ends"
    kernel.note(Event(EventKind.OOM_KILL, text))
    raise Fault("SIGKILL", 0, text)


def _nobody(kernel: "Kernel", group: str) -> NoReturn:
    text = f"Memory cgroup {group} is full and has no killable processes: the access is tried for ever; the step ends"
    kernel.note(Event(EventKind.OOM_KILL, text))
    raise Fault("SIGKILL", 0, text)


def _kill(kernel: "Kernel", current: Task, victim: Task, why: "Sequence[str]", group: str = "") -> None:
    """oom_kill_process() and __oom_kill_process(): every process that shares the address space dies too."""
    kernel.vmevents["oom_kill"] += 1
    mm = victim.mm
    kib = 4
    freed = f"anon-rss:{mm.rss_anon * kib}kB, file-rss:{mm.rss_file * kib}kB, shmem-rss:{mm.rss_shmem * kib}kB"
    what = f"Memory cgroup {group} out of memory" if group else "Out of memory"
    text = (
        f"{what}: Killed process {victim.pid} ({victim.comm}) total-vm:{mm.total_vm * kib}kB, {freed}, "
        f"UID:{victim.uid} pgtables:{mm.pages.tables * kib}kB oom_score_adj:{victim.oom_score_adj}; {'; '.join(why)}"
    )
    if mm.rss_shmem:
        text += "; its shared memory stays while anything else refers to it"
    kernel.note(Event(EventKind.OOM_KILL, text))
    kernel.note(Event(EventKind.NOTE, f"process {victim.pid} ({victim.comm}): {oom_reap.told(kernel.profile, mm)}"))
    for task in [task for task in kernel.tasks.values() if task.mm is mm]:
        task.killed = "the OOM killer"
        if task.mm is current.mm:
            task.dying = True
    if mm is not current.mm:
        for task in [task for task in kernel.tasks.values() if task.mm is mm]:
            kernel_exit.do_exit(kernel, task)
