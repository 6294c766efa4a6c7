"""Models brk(2) (mm/mmap.c) and do_brk_flags() (mm/vma.c), 6.18."""

from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, page_up
from memtui.sim.kernel.gup import populate
from memtui.sim.kernel.limits import check_expand, may_lock
from memtui.sim.kernel.mman import MAP_FIXED
from memtui.sim.kernel.munmap import complete, gather
from memtui.sim.kernel.outcome import Errno, counted, system_call
from memtui.sim.kernel.overcommit import acct_memory
from memtui.sim.kernel.personality import data_exec_flag
from memtui.sim.kernel.prctl import ksm_flag
from memtui.sim.kernel.task import RLIM_INFINITY
from memtui.sim.kernel.unmapped_area import Wanted, get_unmapped_area
from memtui.sim.kernel.vm_flags import VM_ACCOUNT, VM_DATA_DEFAULT_FLAGS, VM_LOCKED
from memtui.sim.kernel.vma import Joined, Vma, gap_start
from memtui.sim.kernel.vma_merge import merge_new

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task


@system_call
def sys_brk(kernel: "Kernel", task: "Task", brk: int) -> int:
    """brk(2): the break after the call, bytes; unchanged when it cannot move."""
    mm = task.mm
    if brk == 0 < mm.start_brk:
        mm.note("only asks where the break is")
        return mm.brk
    try:
        _move(kernel, task, brk)
    except Errno as failure:
        mm.note(f"the break stays: {failure.why}")
        return mm.brk
    return brk


def _move(kernel: "Kernel", task: "Task", brk: int) -> None:
    mm = task.mm
    if brk < mm.start_brk:
        raise Errno("EINVAL", "below the start of the heap")
    limit = task.rlimits["DATA"]
    if limit < RLIM_INFINITY and brk - mm.start_brk + mm.end_data - mm.start_data > limit:
        raise Errno("ENOMEM", "RLIMIT_DATA")
    new, old = page_up(brk), page_up(mm.brk)
    if new == old:
        mm.note("the same page: only the number moves")
    elif brk <= mm.brk:
        _shrink(kernel, task, new, old)
    else:
        _grow(kernel, task, old, new)
    mm.brk = brk
    if new > old and mm.def_flags & VM_LOCKED:
        populate(kernel, task, old, new, ignore_errors=True)


def _shrink(kernel: "Kernel", task: "Task", new: int, old: int) -> None:
    mm = task.mm
    if mm.tree.intersection(new, old) is None:
        raise Errno("EINVAL", "nothing is mapped below the break")
    complete(kernel, mm, gather(kernel, mm, new, old))
    mm.note(f"the heap shrank by {counted((old - new) >> PAGE_SHIFT, 'page')}")


def _grow(kernel: "Kernel", task: "Task", old: int, new: int) -> None:
    mm, gap = task.mm, kernel.profile.stack_guard_gap
    get_unmapped_area(kernel, task, Wanted(old, new - old, MAP_FIXED))
    if not may_lock(task, mm.def_flags, new - old):
        raise Errno("EAGAIN", "RLIMIT_MEMLOCK")
    following = mm.tree.intersection(old, new + PAGE_SIZE + gap)
    if following is not None and new + PAGE_SIZE > gap_start(following, gap):
        raise Errno("ENOMEM", f"the VMA at {following.start:#x} is in the way: one page must stay free below it")
    heap = mm.tree.before(old)
    if heap is not None and heap.end <= mm.start_brk:
        heap = None
    mm.note(f"the heap grows by {counted((new - old) >> PAGE_SHIFT, 'page')}")
    brk_region(kernel, task, old, new - old, 0, extend=heap is not None)


def brk_region(kernel: "Kernel", task: "Task", addr: int, length: int, flags: int, *, extend: bool = True) -> None:
    """do_brk_flags(): map private writable memory at a free place.

    Args:
        kernel: charges it.
        task: owns it.
        addr: page aligned, bytes.
        length: whole pages, bytes.
        flags: VM_* bits besides the usual ones.
        extend: whether the VMA below may grow instead.

    Raises:
        Errno: ENOMEM.
    """
    mm, pages = task.mm, length >> PAGE_SHIFT
    flags |= VM_DATA_DEFAULT_FLAGS | data_exec_flag(task) | VM_ACCOUNT | mm.def_flags
    flags |= ksm_flag(mm, flags)
    check_expand(task, flags, pages)
    if mm.map_count > kernel.sysctl["max_map_count"]:
        raise Errno("ENOMEM", "vm.max_map_count is reached")
    acct_memory(kernel, task, mm, pages)
    new = Joined(addr, addr + length, flags, addr >> PAGE_SHIFT, None)
    if not extend:
        mm.note("a VMA of its own: what ends below belongs to no heap")
    if not extend or merge_new(kernel, mm, new, only_left=True) is None:
        mm.link(Vma(addr, addr + length, flags, addr >> PAGE_SHIFT))
    mm.total_vm += pages
    mm.data_vm += pages
    if flags & VM_LOCKED:
        mm.locked_vm += pages
