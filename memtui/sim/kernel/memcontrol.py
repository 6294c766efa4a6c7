"""Models mm/memcontrol.c (6.18): memory cgroups, whose processes reclaim from one another and die among themselves.

A process charges its anonymous memory and its page tables to the group that it is in, from when it joins; the pages of
a file belong to the group of whoever brought the first of them in. What the kernel takes for itself is charged there
too, but is not simulated: a real group is full somewhat earlier.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from memtui.model.address import TASK_SIZE
from memtui.sim.kernel import oom_kill
from memtui.sim.kernel.file_rmap import Rmap
from memtui.sim.kernel.lru import ACTIVE_ANON, ACTIVE_FILE, INACTIVE_ANON, INACTIVE_FILE, Owner
from memtui.sim.kernel.lru_add import lru_add_drain
from memtui.sim.kernel.outcome import Fault
from memtui.sim.kernel.page_leaf import ANON, LAZY, PMD_SHIFT, Leaf
from memtui.sim.kernel.swap_cache import SwapCache
from memtui.sim.kernel.table_run import TableRun
from memtui.sim.kernel.vmscan_folio import FolioScan

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task

MAX_RECLAIM_RETRIES: Final = 16
DEF_PRIORITY: Final = 12
_RETRIES: Final = 2
"""Without a CPU that uses pages meanwhile, what two full scans cannot free the kernel's 16 could not either."""
_BATCH: Final = 32
"""Pages that are charged at once when the group is full (SWAP_CLUSTER_MAX)."""


@dataclass(slots=True, eq=False)
class MemoryCgroup:
    """struct mem_cgroup of one folder below the root. Pages."""

    name: str
    """The folder, from the mount point on."""
    limit: int | None = None
    swap_max: int | None = None
    swappiness: int | None = None
    """None: vm.swappiness."""
    oom_group: bool = False
    """memory.oom.group: its processes die together."""
    members: "list[Task]" = field(default_factory=list)
    """In the order of joining: the order of the killer's walk."""
    before: "dict[Mm, int]" = field(default_factory=dict)
    """Address space -> its anonymous pages when it joined, which stay charged where they were."""


def group_of(kernel: "Kernel", task: "Task") -> MemoryCgroup | None:
    """mem_cgroup_from_task(); None: the root, which has no limit."""
    return next((group for group in kernel.memcgs.values() if task in group.members), None)


def join(kernel: "Kernel", group: MemoryCgroup, task: "Task") -> None:
    """cgroup_attach_task(): the whole process moves; what it has stays charged to the group that it leaves."""
    leave(kernel, task)
    for other in [other for other in kernel.tasks.values() if other.tgid == task.tgid]:
        group.members.append(other)
    group.before[task.mm] = _anonymous(task.mm)


def leave(kernel: "Kernel", task: "Task") -> None:
    """The process, or the thread that ends, is in no group any more."""
    for group in kernel.memcgs.values():
        group.members = [member for member in group.members if member is not task and member.tgid != task.tgid]


def inherit(kernel: "Kernel", parent: "Task", child: "Task") -> None:
    """cgroup_fork(): the child is where its parent is, behind all others."""
    for group in kernel.memcgs.values():
        if parent in group.members:
            group.members.append(child)


def spaces(group: MemoryCgroup) -> "list[Mm]":
    """The address spaces of a group, each once."""
    return list({id(task.mm): task.mm for task in group.members}.values())


def usage(kernel: "Kernel", group: MemoryCgroup) -> int:
    """memory.usage_in_bytes, memory.current: pages charged. Cost: O(members + files)."""
    total, families = 0, {}
    for mm in spaces(group):
        own = _anonymous(mm)
        total += own - min(group.before.get(mm, 0), own) + mm.pages.tables
        families[id(mm.pages.sharing)] = mm.pages.sharing
    total -= sum(sharing.resident for sharing in families.values())
    files = [inode for inode in kernel.inodes if inode.memcg is group]
    return max(total, 0) + sum(inode.pages.count for inode in files) + _swap_cached(kernel, group, files)


def _swap_cached(kernel: "Kernel", group: MemoryCgroup, files: "list[Inode]") -> int:
    """Pages in the swap cache that nobody maps: they stay charged until reclaim frees them."""
    cached = kernel.swap.cache.pages
    if not cached.count:
        return 0
    leaves = {id(leaf): leaf for mm in spaces(group) for leaf in mm.pages.leaves.values()}
    maps = [leaf.slots for leaf in leaves.values() if leaf.slots] + [file.slots for file in files if file.slots]
    shared = {frame.slot.number for leaf in leaves.values() for frame in leaf.frames.values() if frame.slot is not None}
    runs = [(run.slot, run.high - run.low) for slots in maps for run in slots.runs]
    return sum(count - cached.missing(slot, count) for slot, count in runs) + sum(slot in cached for slot in shared)


def room(kernel: "Kernel", task: "Task") -> int | None:
    """Pages that a task may charge before its group is full; None: there is no limit."""
    group = group_of(kernel, task) if kernel.memcgs else None
    if group is None or group.limit is None:
        return None
    return max(group.limit - usage(kernel, group), 0)


def file_room(kernel: "Kernel", task: "Task") -> int | None:
    """Pages that a task's group could take and keep if it gave up its page cache for them; None: there is no limit.

    Reclaim takes a batch more than is needed, at most.
    """
    left = room(kernel, task)
    if left is None:
        return None
    group = group_of(kernel, task)
    cached = sum(inode.pages.count for inode in kernel.inodes if inode.memcg is group and not inode.shmem)
    return max(left + cached - _BATCH, 0)


def try_charge(kernel: "Kernel", task: "Task", pages: int) -> int:
    """try_charge_memcg(): how many of `pages` the task may take now, after reclaim and kills if need be.

    Raises:
        Fault: SIGKILL, the OOM killer took the task that asks; or nobody in the group can be killed.
    """
    left = room(kernel, task)
    if left is None or left >= pages:
        return pages
    group = group_of(kernel, task)
    assert group is not None
    retries = 0
    while True:
        part = min(pages, _BATCH, room(kernel, task) or 0)
        if part or task.dying:
            return part or min(pages, _BATCH)
        taken = Counter(kernel.vmevents)
        retries = 0 if reclaim(kernel, group, _BATCH) else retries + 1
        kernel.stalls.append(kernel.vmevents - taken)
        if not room(kernel, task) and retries > _RETRIES:
            oom_kill.out_of_memory_in(kernel, task, group.name, group.members, *total_pages(kernel, group))
            retries = 0
            if task.dying:
                raise Fault("SIGKILL", 0, "the OOM killer took the process itself")


def total_pages(kernel: "Kernel", group: MemoryCgroup) -> tuple[int, str]:
    """What points are measured against in a group (mem_cgroup_get_max), and where it comes from."""
    limit = group.limit or kernel.totalram_pages
    if not _swappiness(kernel, group):
        return limit, "the group's limit"
    swap = kernel.total_swap_pages
    swap = swap if group.swap_max is None else min(group.swap_max, swap)
    return limit + swap, "the group's limit and what it may swap" if swap else "the group's limit"


def reclaim(kernel: "Kernel", group: MemoryCgroup, pages: int) -> int:
    """try_to_free_mem_cgroup_pages(): pages freed of those that are charged to the group, the oldest first."""
    lru_add_drain(kernel)
    for mm in spaces(group):
        mm.pages.leaves.separate(0, TASK_SIZE >> PMD_SHIFT)
    tables = {id(leaf) for mm in spaces(group) for leaf in mm.pages.leaves.values()}

    def charged(owner: Owner | TableRun) -> bool:
        if isinstance(owner, (TableRun, SwapCache)):
            return isinstance(owner, SwapCache)
        return id(owner) in tables if isinstance(owner, Leaf) else owner.memcg is group

    scan = FolioScan(kernel, Rmap(kernel), "direct", swap=True, only=charged)
    swaps = _swappiness(kernel, group) > 0 and kernel.swap.free > 0 and _may_swap(group)
    freed = 0
    for priority in range(DEF_PRIORITY, -1, -1):
        for inactive, active in ((INACTIVE_FILE, ACTIVE_FILE), (INACTIVE_ANON, ACTIVE_ANON)):
            if inactive == INACTIVE_ANON and not swaps:
                continue
            for _ in range(0, max(kernel.lruvec.size(inactive) >> priority, _BATCH), _BATCH):
                scanned, batch = scan.shrink_inactive(inactive, _BATCH)
                freed += batch
                if freed >= pages:
                    return freed
                if not scanned:
                    break
            scan.shrink_active(active, max(kernel.lruvec.size(active) >> priority, _BATCH))
    return freed


def _may_swap(group: MemoryCgroup) -> bool:
    return group.swap_max is None or sum(mm.swap_pages for mm in spaces(group)) < group.swap_max


def _swappiness(kernel: "Kernel", group: MemoryCgroup) -> int:
    return kernel.sysctl["swappiness"] if group.swappiness is None else group.swappiness


def _anonymous(mm: "Mm") -> int:
    return mm.pages.counts[ANON] + mm.pages.counts[LAZY]
