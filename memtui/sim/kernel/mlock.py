"""Models mm/mlock.c (6.18)."""

from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SHIFT, TASK_SIZE, page_down, page_up
from memtui.sim.kernel.gup import populate
from memtui.sim.kernel.limits import can_do_mlock
from memtui.sim.kernel.mman import MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.task import CAP_IPC_LOCK
from memtui.sim.kernel.vm_flags import (
    VM_DROPPABLE,
    VM_LOCKED,
    VM_LOCKED_MASK,
    VM_LOCKONFAULT,
    VM_SPECIAL,
)
from memtui.sim.kernel.vma_merge import modify

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma


@system_call
def sys_mlock(kernel: "Kernel", task: "Task", start: int, length: int) -> int:
    """mlock(2): address and length in bytes."""
    return _lock(kernel, task, start, length, VM_LOCKED)


@system_call
def sys_mlock2(kernel: "Kernel", task: "Task", start: int, length: int, flags: int) -> int:
    """mlock2(2)."""
    if flags & ~MLOCK_ONFAULT:
        raise Errno("EINVAL", "an unknown flag")
    return _lock(kernel, task, start, length, VM_LOCKED | (VM_LOCKONFAULT if flags & MLOCK_ONFAULT else 0))


@system_call
def sys_munlock(kernel: "Kernel", task: "Task", start: int, length: int) -> int:
    """munlock(2)."""
    length = page_up(length + start % 4096) & ((1 << 64) - 1)
    _apply(kernel, task, page_down(start), length, 0)
    task.mm.note("reclaim may take the pages again")
    return 0


@system_call
def sys_mlockall(kernel: "Kernel", task: "Task", flags: int) -> int:
    """mlockall(2)."""
    if not flags or flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) or flags == MCL_ONFAULT:
        raise Errno("EINVAL", "no such combination of flags")
    if not can_do_mlock(task):
        raise Errno("EPERM", "RLIMIT_MEMLOCK is 0")
    mm = task.mm
    too_much = mm.total_vm > task.rlimits["MEMLOCK"] >> PAGE_SHIFT
    if flags & MCL_CURRENT and too_much and not task.capable(CAP_IPC_LOCK):
        raise Errno("ENOMEM", "RLIMIT_MEMLOCK: the address space is larger")
    _apply_all(kernel, task, flags)
    task.mm.note("what is mapped is locked" if flags & MCL_CURRENT else "what will be mapped is locked")
    if flags & MCL_CURRENT:
        populate(kernel, task, 0, TASK_SIZE, ignore_errors=True)
    return 0


@system_call
def sys_munlockall(kernel: "Kernel", task: "Task") -> int:
    """munlockall(2)."""
    _apply_all(kernel, task, 0)
    task.mm.note("nothing is locked any more, nor will be")
    return 0


def _lock(kernel: "Kernel", task: "Task", start: int, length: int, flags: int) -> int:
    """do_mlock(): set the flag, then fault the pages in."""
    if not can_do_mlock(task):
        raise Errno("EPERM", "RLIMIT_MEMLOCK is 0")
    length = page_up(length + start % 4096) & ((1 << 64) - 1)
    start = page_down(start)
    _check_limit(task, start, length)
    _apply(kernel, task, start, length, flags)
    try:
        populate(kernel, task, start, start + length)
    except Errno as failure:
        raise Errno("ENOMEM", f"locked, but not every page could be faulted in: {failure.why}") from None
    task.mm.note("locked as they are touched" if flags & VM_LOCKONFAULT else "every page was faulted in and is locked")
    return 0


def _check_limit(task: "Task", start: int, length: int) -> None:
    if task.capable(CAP_IPC_LOCK):
        return
    limit = task.rlimits["MEMLOCK"] >> PAGE_SHIFT
    wanted = task.mm.locked_vm + (length >> PAGE_SHIFT)
    if wanted > limit:
        wanted -= _already_locked(task, start, start + length)
    if wanted > limit:
        raise Errno("ENOMEM", f"RLIMIT_MEMLOCK: {wanted:,} pages would be locked")


def _already_locked(task: "Task", start: int, end: int) -> int:
    """count_mm_mlocked_page_nr()."""
    locked = [vma for vma in task.mm.tree.span(start, end) if vma.flags & VM_LOCKED]
    return sum((min(vma.end, end) - max(vma.start, start)) >> PAGE_SHIFT for vma in locked)


def _apply(kernel: "Kernel", task: "Task", start: int, length: int, flags: int) -> None:
    """apply_vma_lock_flags()."""
    end = (start + length) & ((1 << 64) - 1)
    if end < start:
        raise Errno("EINVAL", "the range overflows")
    mm, at = task.mm, start
    while at < end:
        vma = mm.tree.at(at)
        if vma is None:
            raise Errno("ENOMEM", f"nothing is mapped at {at:#x}; what lies below was changed")
        stop = min(vma.end, end)
        vma = fixup(kernel, task, vma, at, stop, vma.flags & ~VM_LOCKED_MASK | flags)
        at = max(vma.end, stop)


def fixup(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int, flags: int) -> "Vma":
    """mlock_fixup(): gives the VMA that then holds the range."""
    mm, old = task.mm, vma.flags
    if flags == old or old & (VM_SPECIAL | VM_DROPPABLE) or vma.name:
        mm.note("nothing changes, so nothing merges" if flags == old else "such a mapping is never locked")
        return vma
    vma = modify(kernel, mm, vma, start, end, flags)
    _move_lists(mm, vma, start, end)
    # nr_pages is an int there: of 2^31 pages and more the upper bits are lost.
    pages = ((end - start) >> PAGE_SHIFT) + (1 << 31) & 0xFFFF_FFFF
    pages -= 1 << 31
    if not flags & VM_LOCKED:
        mm.locked_vm -= pages
    elif not old & VM_LOCKED:
        mm.locked_vm += pages
    return vma


def _move_lists(mm: "Mm", vma: "Vma", start: int, end: int) -> None:
    """mlock_vma_pages_range(): the pages change between the evictable lists and the unevictable one."""
    mm.pages.changed.update(run.first for run in mm.pages.own_runs(start, end))
    mm.pages.changed.update(index for index, _, _ in mm.pages.pieces(start, end, runs=False))
    if vma.file is not None:
        vma.file.inode.pages.look_again(vma.pgoff_at(start), (end - start) >> PAGE_SHIFT)


def _apply_all(kernel: "Kernel", task: "Task", flags: int) -> None:
    """apply_mlockall_flags()."""
    mm = task.mm
    mm.def_flags &= ~VM_LOCKED_MASK
    if flags & MCL_FUTURE:
        mm.def_flags |= VM_LOCKED
        if flags & MCL_ONFAULT:
            mm.def_flags |= VM_LOCKONFAULT
        if not flags & MCL_CURRENT:
            return
    add = 0
    if flags & MCL_CURRENT:
        add = VM_LOCKED | (VM_LOCKONFAULT if flags & MCL_ONFAULT else 0)
    at = 0
    while (vma := mm.tree.find(at)) is not None:
        at = vma.end
        try:
            vma = fixup(kernel, task, vma, vma.start, vma.end, vma.flags & ~VM_LOCKED_MASK | add)
        except Errno as failure:
            mm.note(failure.why)
        else:
            at = max(at, vma.end)
